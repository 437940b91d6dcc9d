//! The two multipart requests that `object_store` does not offer: copying a part within the server
//! (`UploadPartCopy`) and listing unfinished uploads (`ListMultipartUploads`). Signed with its credentials.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use backon::{ExponentialBuilder, Retryable};
use http::{HeaderValue, Method, header::HeaderName};
use object_store::{
    MultipartId,
    aws::{AmazonS3, AwsAuthorizer},
    client::{HttpRequest, HttpRequestBody},
    multipart::PartId,
    path::Path as Key,
};
use serde::Deserialize;
use url::Url;

use crate::{
    error::{Result, StoreError, says_full},
    location::BucketUrl,
};

/// The server copies up to a part's 5 GiB before it answers; the answer's bytes are few.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of an answer we are willing to read.
const MAX_ANSWER: usize = 4 << 20;

/// Signs and sends requests to one bucket.
#[derive(Debug, Clone)]
pub(crate) struct SignedRequests {
    client: Arc<AmazonS3>,
    http: reqwest::Client,
    bucket: Url,
    name: Arc<str>,
    region: Arc<str>,
}

/// An upload that was begun and neither completed nor aborted.
#[derive(Debug, Clone)]
pub(crate) struct UnfinishedUpload {
    pub(crate) key: Key,
    pub(crate) id: MultipartId,
    pub(crate) begun: SystemTime,
}

impl SignedRequests {
    pub(crate) fn new(client: Arc<AmazonS3>, url: &BucketUrl) -> Result<Self> {
        let endpoint = match &url.endpoint {
            Some(endpoint) => endpoint.as_str().trim_end_matches('/').to_owned(),
            None => format!("https://s3.{}.amazonaws.com", url.region),
        };
        let bad = |e: &dyn std::fmt::Display| StoreError::BadUrl { detail: e.to_string() };
        let bucket = Url::parse(&format!("{endpoint}/{}", url.bucket)).map_err(|e| bad(&e))?;
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| bad(&e))?;
        Ok(Self { client, http, bucket, name: url.bucket.as_str().into(), region: url.region.as_str().into() })
    }

    /// Lets the server copy the object `from`, if it still has the tag `tag`, as part `index` (from 0) of an upload.
    pub(crate) async fn copy_part(
        &self,
        to: &Key,
        id: &MultipartId,
        index: usize,
        from: &Key,
        tag: &str,
    ) -> Result<PartId> {
        #[derive(Deserialize)]
        struct CopyPartResult {
            #[serde(rename = "ETag")]
            tag: String,
        }
        let mut url = self.bucket.clone();
        url.set_path(&format!("{}/{to}", url.path().trim_end_matches('/')));
        url.query_pairs_mut().append_pair("partNumber", &(index + 1).to_string()).append_pair("uploadId", id);
        let headers = [
            (HeaderName::from_static("x-amz-copy-source"), format!("/{}/{from}", self.name)),
            (HeaderName::from_static("x-amz-copy-source-if-match"), tag.to_owned()),
        ];
        let body = self.send("copy a part of", to.as_ref(), Method::PUT, url, &headers).await?;
        let answer: CopyPartResult = parse(to.as_ref(), &body)?;
        Ok(PartId { content_id: answer.tag })
    }

    /// One page (up to 1,000) of unfinished uploads below a prefix; abort them and ask again for more.
    pub(crate) async fn unfinished_uploads(&self, prefix: &Key) -> Result<Vec<UnfinishedUpload>> {
        #[derive(Deserialize)]
        struct Uploads {
            #[serde(rename = "Upload", default)]
            uploads: Vec<Upload>,
        }
        #[derive(Deserialize)]
        struct Upload {
            #[serde(rename = "Key")]
            key: String,
            #[serde(rename = "UploadId")]
            id: String,
            #[serde(rename = "Initiated")]
            begun: jiff::Timestamp,
        }
        let mut url = self.bucket.clone();
        url.query_pairs_mut().append_pair("uploads", "").append_pair("prefix", &format!("{prefix}/"));
        let body = self.send("list the unfinished uploads of", prefix.as_ref(), Method::GET, url, &[]).await?;
        let answer: Uploads = parse(prefix.as_ref(), &body)?;
        let below = format!("{prefix}/");
        Ok(answer
            .uploads
            .into_iter()
            .filter(|upload| upload.key.starts_with(&below))
            .map(|upload| UnfinishedUpload { key: Key::from(upload.key), id: upload.id, begun: upload.begun.into() })
            .collect())
    }

    async fn send(
        &self,
        action: &'static str,
        what: &str,
        method: Method,
        url: Url,
        headers: &[(HeaderName, String)],
    ) -> Result<String> {
        let policy = ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(10))
            .with_max_times(6);
        (|| self.send_once(method.clone(), url.clone(), headers))
            .retry(policy)
            .when(Failure::can_be_retried)
            .await
            .map_err(|failure| failure.into_error(action, what))
    }

    async fn send_once(&self, method: Method, url: Url, headers: &[(HeaderName, String)]) -> Result<String, Failure> {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method;
        *request.uri_mut() = url.as_str().parse().map_err(Failure::fatal)?;
        for (name, value) in headers {
            request.headers_mut().insert(name.clone(), HeaderValue::from_str(value).map_err(Failure::fatal)?);
        }
        let credential = self.client.credentials().get_credential().await.map_err(Failure::passing)?;
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(Failure::fatal)?;
        let (parts, _) = request.into_parts();
        let sent = self.http.request(parts.method, url).headers(parts.headers).send();
        let answer = sent.await.map_err(|e| Failure::passing(e.without_url()))?;
        let status = answer.status();
        if answer.content_length().is_some_and(|length| length > MAX_ANSWER as u64) {
            return Err(Failure::fatal("the answer is too long"));
        }
        let body = answer.text().await.map_err(|e| Failure::passing(e.without_url()))?;
        // UploadPartCopy answers 200 early and may report an error in the body.
        if status.is_success() && !body.contains("<Error>") {
            return Ok(body);
        }
        let code =
            body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code);
        let message = format!("the server answered {status} {code}");
        Err(match status.as_u16() {
            404 => Failure::NotFound,
            200..=299 | 429 | 500..=599 if !says_full(code) => Failure::passing(message),
            _ => Failure::fatal(message),
        })
    }
}

/// Why one try of a request failed.
#[derive(Debug)]
enum Failure {
    NotFound,
    Fatal(Box<dyn std::error::Error + Send + Sync>),
    Passing(Box<dyn std::error::Error + Send + Sync>),
}

impl Failure {
    fn fatal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Fatal(source.into())
    }

    fn passing(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Passing(source.into())
    }

    fn can_be_retried(&self) -> bool {
        matches!(self, Self::Passing(_))
    }

    fn into_error(self, action: &'static str, what: &str) -> StoreError {
        let what = what.to_owned();
        match self {
            Self::NotFound => StoreError::NotFound { what },
            Self::Fatal(source) if says_full(&source.to_string()) => StoreError::Full { what, needed: 0, free: 0 },
            Self::Fatal(source) | Self::Passing(source) => StoreError::Remote { action, what, source },
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(what: &str, body: &'a str) -> Result<T> {
    quick_xml::de::from_str(body).map_err(|e| StoreError::Corrupt { what: what.to_owned(), detail: e.to_string() })
}
