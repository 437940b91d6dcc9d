//! Where a store is: the URL given on the command line, parsed once.

use std::{fmt, path::PathBuf, str::FromStr};

use url::Url;

use crate::error::{Result, StoreError};

/// Where a store is.
///
/// Text forms: `file:///path`, a plain path, or `s3://bucket/prefix?endpoint=http://host:port&region=name`. Without
/// `endpoint` the one of AWS for the region is used; without `region`, `us-east-1`. Credentials are never part of it:
/// they come from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and the other sources of the AWS clients. Printing it
/// is safe in logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A folder on a (possibly shared) file system.
    Folder(PathBuf),
    /// A prefix in a bucket of S3 or of a compatible server.
    Bucket(BucketUrl),
}

/// A prefix in an S3 bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUrl {
    /// The bucket's name.
    pub bucket: String,
    /// Segments before every object, without slashes around them; may be empty.
    pub prefix: String,
    /// Base URL of the server; `None` means AWS.
    pub endpoint: Option<Url>,
    /// The region requests are signed for.
    pub region: String,
}

/// Credentials of an S3 server.
#[derive(Clone)]
pub struct S3Keys {
    /// The public half.
    pub access_key_id: String,
    /// The secret half; never printed.
    pub secret_access_key: String,
}

impl fmt::Debug for S3Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Keys({})", self.access_key_id)
    }
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |detail: &str| StoreError::BadUrl { detail: detail.to_owned() };
        if text.is_empty() {
            return Err(bad("it is empty; give a folder or s3://bucket/prefix"));
        }
        if !text.contains("://") {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        let url = Url::parse(text).map_err(|e| bad(&e.to_string()))?;
        match url.scheme() {
            "file" => url
                .to_file_path()
                .map(Self::Folder)
                .map_err(|()| bad("a file URL needs three slashes and an absolute path")),
            "s3" => BucketUrl::from_url(&url).map(Self::Bucket),
            other => Err(bad(&format!("the scheme {other:?} is neither file nor s3"))),
        }
    }
}

impl BucketUrl {
    fn from_url(url: &Url) -> Result<Self> {
        let bad = |detail: String| StoreError::BadUrl { detail };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("credentials do not belong in it; use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".into()));
        }
        let bucket = url.host_str().ok_or_else(|| bad("s3:// needs a bucket name".into()))?.to_owned();
        let prefix = url.path().trim_matches('/').to_owned();
        if prefix.contains('%') || prefix.split('/').any(|s| s == "." || s == "..") {
            return Err(bad("the prefix may hold plain segments only".into()));
        }
        let (mut endpoint, mut region) = (None, String::from("us-east-1"));
        for (key, value) in url.query_pairs() {
            match &*key {
                "endpoint" => {
                    let parsed = Url::parse(&value).map_err(|e| bad(format!("endpoint: {e}")))?;
                    if !matches!(parsed.scheme(), "http" | "https") || !parsed.username().is_empty() {
                        return Err(bad("endpoint must be http(s)://host:port without credentials".into()));
                    }
                    endpoint = Some(parsed);
                }
                "region" => region = value.into_owned(),
                other => return Err(bad(format!("unknown parameter {other:?}; known are endpoint and region"))),
            }
        }
        Ok(Self { bucket, prefix, endpoint, region })
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Bucket(b) => {
                write!(f, "s3://{}/{}?region={}", b.bucket, b.prefix, b.region)?;
                b.endpoint.as_ref().map_or(Ok(()), |endpoint| write!(f, "&endpoint={endpoint}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn folders_and_buckets_are_understood() {
        assert_eq!("/var/store".parse::<StoreUrl>().unwrap(), StoreUrl::Folder("/var/store".into()));
        assert_eq!("file:///var/store".parse::<StoreUrl>().unwrap(), StoreUrl::Folder("/var/store".into()));
        let text = "s3://media/videos/a?endpoint=http://127.0.0.1:9000&region=eu-west-1";
        let StoreUrl::Bucket(bucket) = text.parse().unwrap() else { unreachable!("s3 is a bucket") };
        assert_eq!((bucket.bucket.as_str(), bucket.prefix.as_str()), ("media", "videos/a"));
        assert_eq!((bucket.region.as_str(), bucket.endpoint.unwrap().port()), ("eu-west-1", Some(9000)));
    }

    #[test]
    fn what_printing_gives_parses_to_the_same() {
        for text in ["/var/store", "s3://media", "s3://media/p?endpoint=http://127.0.0.1:9000/&region=x"] {
            let url: StoreUrl = text.parse().unwrap();
            assert_eq!(url.to_string().parse::<StoreUrl>().unwrap(), url);
        }
    }

    #[test]
    fn secrets_traversal_and_unknown_words_are_refused() {
        for text in ["", "s3://key:secret@media/p", "ftp://x/y", "s3://media/a?colour=red", "s3://m/a?endpoint=ftp://x"]
        {
            assert!(text.parse::<StoreUrl>().is_err(), "{text}");
        }
    }
}
