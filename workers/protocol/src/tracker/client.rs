//! The one client of the tracker's API. Each call has a timeout; which failures are worth another try is said by
//! [`ClientError::is_transient`], how often and how long is the caller's business ([`Client::report_until_taken`] has the
//! workers' answer).

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::{Method, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use super::{
    AnnounceUrls, ClaimAnswer, ClaimRequest, ClaimSync, ClaimSyncAnswer, DivisionAnswer, HostsAnswer, HostsRequest,
    ModelSnapshot, PoolTable, PoolsAnswer, RenditionsAnswer, RenditionsRequest, SamplesAnswer, SeedAnnounce,
    TableReceipt, Updates, UploaderReport, UploaderTable, UploadersAnswer,
};
use crate::{
    content::ContentManifest,
    ids::{ClaimKey, ContentId, TaskId},
    publication::Publication,
    task::{Progress, TaskResult},
};

const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// For what is asked again every other second.
const SHORT_TIMEOUT: Duration = Duration::from_secs(3);
/// For bodies of a hundred thousand swarms.
const LARGE_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The tracker could not be reached, or the connection broke.
    #[error("failed to reach the tracker for {what}: {source}")]
    Transport {
        /// The call.
        what: String,
        /// What broke, without the URL.
        source: reqwest::Error,
    },
    /// The tracker answered with an error.
    #[error("failed to {what}: the tracker answered {status}: {message}")]
    Status {
        /// The call.
        what: String,
        /// HTTP status.
        status: StatusCode,
        /// What the tracker said, at most 500 characters.
        message: String,
    },
    /// The HTTP client could not be made.
    #[error("failed to make the tracker's client: {0}")]
    Setup(reqwest::Error),
    /// The base URL cannot carry paths.
    #[error("failed to use tracker URL {0}: not an http or https URL")]
    BadUrl(Url),
}

impl ClientError {
    /// Whether another try may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport { .. } => true,
            Self::Status { status, .. } => {
                status.is_server_error()
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
            Self::Setup(_) | Self::BadUrl(_) => false,
        }
    }
}

/// A client bound to one tracker and one token. Clones share connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the tracker at `base` (scheme, host and port; a path is dropped) that shows `token`.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`] or [`ClientError::Setup`].
    pub fn new(base: Url, token: String) -> Result<Self, ClientError> {
        if !matches!(base.scheme(), "http" | "https") {
            return Err(ClientError::BadUrl(base));
        }
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .build()
            .map_err(ClientError::Setup)?;
        Ok(Self { http, base, token })
    }

    /// The same connections with another token.
    #[must_use]
    pub fn with_token(&self, token: String) -> Self {
        Self { token, ..self.clone() }
    }

    async fn call<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: Option<&B>,
        timeout: Duration,
    ) -> Result<A, ClientError> {
        let transport =
            |source: reqwest::Error| ClientError::Transport { what: what.to_owned(), source: source.without_url() };
        let mut url = self.base.clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(path);
        url.set_query(query);
        let mut request = self.http.request(method, url).bearer_auth(&self.token).timeout(timeout);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(transport)?;
        let status = answer.status();
        if !status.is_success() {
            let message = answer.text().await.unwrap_or_default().chars().take(500).collect();
            return Err(ClientError::Status { what: what.to_owned(), status, message });
        }
        answer.json().await.map_err(transport)
    }

    async fn send<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<A, ClientError> {
        self.call(what, method, path, Some(body), CALL_TIMEOUT).await
    }

    async fn find<A: DeserializeOwned>(&self, what: &str, path: &str) -> Result<Option<A>, ClientError> {
        match self.call(what, Method::GET, path, None::<&()>, CALL_TIMEOUT).await {
            Ok(answer) => Ok(Some(answer)),
            Err(ClientError::Status { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Claims a content for an object. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn claim(&self, key: &ClaimKey, request: &ClaimRequest) -> Result<ClaimAnswer, ClientError> {
        self.send("claim a content", Method::PUT, &format!("/v1/claims/{key}"), request).await
    }

    /// Makes the tracker's claims equal to those that are alive.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn sync_claims(&self, sync: &ClaimSync) -> Result<ClaimSyncAnswer, ClientError> {
        self.call("sync claims", Method::POST, "/v1/claims/sync", Some(sync), Duration::from_secs(60)).await
    }

    /// Waits up to `wait` for tasks that changed after `revision`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn updates(&self, revision: u64, wait: Duration) -> Result<Updates, ClientError> {
        let path = format!("/v1/updates?after={revision}&wait={}", wait.as_secs());
        self.call("read updates", Method::GET, &path, None::<&()>, wait + CALL_TIMEOUT).await
    }

    /// Forgets a task, so that it can be ordered again under the same name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn forget_task(&self, task: &TaskId) -> Result<(), ClientError> {
        let path = format!("/v1/tasks/{task}");
        self.call::<(), serde_json::Value>("forget a task", Method::DELETE, &path, None, CALL_TIMEOUT).await.map(drop)
    }

    /// Which renditions exist.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn resolve_renditions(&self, request: &RenditionsRequest) -> Result<RenditionsAnswer, ClientError> {
        self.send("look renditions up", Method::POST, "/v1/renditions/resolve", request).await
    }

    /// Says what the edge serves for an object.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn publish(&self, namespace: &str, name: &str, publication: &Publication) -> Result<(), ClientError> {
        let path = format!("/v1/publications/{namespace}/{name}");
        self.send::<_, serde_json::Value>("publish an object", Method::PUT, &path, publication).await.map(drop)
    }

    /// Takes an object off the edge.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn unpublish(&self, namespace: &str, name: &str) -> Result<(), ClientError> {
        let path = format!("/v1/publications/{namespace}/{name}");
        self.call::<(), serde_json::Value>("unpublish an object", Method::DELETE, &path, None, CALL_TIMEOUT)
            .await
            .map(drop)
    }

    /// What the edge serves for an object; `None` when nothing.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn publication(&self, namespace: &str, name: &str) -> Result<Option<Publication>, ClientError> {
        self.find("read a publication", &format!("/v1/publications/{namespace}/{name}")).await
    }

    /// A content as the index knows it; `None` when it does not.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn content(&self, id: &ContentId) -> Result<Option<ContentManifest>, ClientError> {
        self.find("read a content", &format!("/v1/contents/{id}")).await
    }

    /// Says how far a task is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn progress(&self, task: &TaskId, progress: &Progress) -> Result<(), ClientError> {
        let path = format!("/v1/tasks/{task}/progress");
        self.send::<_, serde_json::Value>("report progress", Method::PUT, &path, progress).await.map(drop)
    }

    /// Asks for this task's shares of hosts, or renews them. A task that names none gives all of its shares back.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn hosts(&self, task: &TaskId, request: &HostsRequest) -> Result<HostsAnswer, ClientError> {
        self.call("share hosts", Method::PUT, &format!("/v1/tasks/{task}/hosts"), Some(request), SHORT_TIMEOUT).await
    }

    /// Says how a task ended, once.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn report(&self, task: &TaskId, result: &TaskResult) -> Result<(), ClientError> {
        let path = format!("/v1/tasks/{task}/result");
        self.send::<_, serde_json::Value>("report a result", Method::PUT, &path, result).await.map(drop)
    }

    /// Says how a task ended, again and again (1 s doubling to 30 s, with jitter) until the tracker takes it. A worker's Job is
    /// not done before that; drop the future to stop trying.
    ///
    /// # Errors
    /// [`ClientError`] that another try would meet again, for example a refused token.
    pub async fn report_until_taken(&self, task: &TaskId, result: &TaskResult) -> Result<(), ClientError> {
        let policy = ExponentialBuilder::default()
            .with_min_delay(Duration::from_secs(1))
            .with_max_delay(Duration::from_secs(30))
            .with_jitter()
            .without_max_times();
        let mut delays = policy.build();
        loop {
            match self.report(task, result).await {
                Err(error) if error.is_transient() => {
                    let delay = delays.next().unwrap_or(Duration::from_secs(30));
                    tracing::warn!(%task, %error, ?delay, "result not taken yet, trying again");
                    tokio::time::sleep(delay).await;
                }
                done => return done,
            }
        }
    }

    /// Says what an uploader sent, and reads what it may send.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn report_uploader(&self, name: &str, report: &UploaderReport) -> Result<UploaderTable, ClientError> {
        self.send("report an uploader", Method::POST, &format!("/v1/uploaders/{name}/report"), report).await
    }

    /// Waits up to `wait` until rates are divided among uploaders in another way than that of number `known`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn division(&self, known: u64, wait: Duration) -> Result<DivisionAnswer, ClientError> {
        let path = format!("/v1/uploaders/division?after={known}&wait={}", wait.as_secs());
        self.call("wait for a division", Method::GET, &path, None::<&()>, wait + CALL_TIMEOUT).await
    }

    /// Waits up to `wait` for samples of intervals after `interval` that are finished.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn samples(&self, interval: u64, wait: Duration) -> Result<SamplesAnswer, ClientError> {
        let path = format!("/v1/samples?after={interval}&wait={}", wait.as_secs());
        self.call("read samples", Method::GET, &path, None::<&()>, wait + LARGE_TIMEOUT).await
    }

    /// Puts a pool's table of rates in force.
    ///
    /// # Errors
    /// [`ClientError`], with status 409 when a newer one is in force.
    pub async fn put_table(&self, pool: &str, table: &PoolTable) -> Result<TableReceipt, ClientError> {
        self.call("put a table", Method::PUT, &format!("/v1/pools/{pool}/table"), Some(table), LARGE_TIMEOUT).await
    }

    /// The table of a pool that was put last; `None` when none was.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn table(&self, pool: &str) -> Result<Option<PoolTable>, ClientError> {
        self.find("read a table", &format!("/v1/pools/{pool}/table")).await
    }

    /// The pools the tracker has tables of.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn pools(&self) -> Result<PoolsAnswer, ClientError> {
        self.call("list pools", Method::GET, "/v1/pools", None::<&()>, CALL_TIMEOUT).await
    }

    /// The uploaders that report.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn uploaders(&self) -> Result<UploadersAnswer, ClientError> {
        self.call("list uploaders", Method::GET, "/v1/uploaders", None::<&()>, CALL_TIMEOUT).await
    }

    /// Takes a pool's table out of force.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete_pool(&self, pool: &str) -> Result<(), ClientError> {
        let path = format!("/v1/pools/{pool}");
        self.call::<(), serde_json::Value>("forget a pool", Method::DELETE, &path, None, CALL_TIMEOUT).await.map(drop)
    }

    /// Keeps a pool's models.
    ///
    /// # Errors
    /// [`ClientError`], with status 409 when those of a newer generation are kept.
    pub async fn put_models(&self, pool: &str, models: &ModelSnapshot) -> Result<(), ClientError> {
        let path = format!("/v1/pools/{pool}/models");
        self.call::<_, serde_json::Value>("keep models", Method::PUT, &path, Some(models), LARGE_TIMEOUT)
            .await
            .map(drop)
    }

    /// A pool's models; `None` when none are kept.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn models(&self, pool: &str) -> Result<Option<ModelSnapshot>, ClientError> {
        self.find("read models", &format!("/v1/pools/{pool}/models")).await
    }

    /// Where BitTorrent peers announce to the tracker, if they reach it as this client does.
    #[must_use]
    pub fn announce_url(&self) -> String {
        let mut url = self.base.clone();
        url.set_path("/announce");
        url.set_query(None);
        url.into()
    }

    /// Announces a seed to the tracker as any BitTorrent peer does (BEP 3), which needs no token. Returns how long until the next one.
    ///
    /// # Errors
    /// [`ClientError`], also when the tracker does not take the announce.
    pub async fn announce(&self, announce: &SeedAnnounce) -> Result<Duration, ClientError> {
        let what = || "announce a torrent".to_owned();
        let transport = |source: reqwest::Error| ClientError::Transport { what: what(), source: source.without_url() };
        let mut url = self.base.clone();
        url.set_path("/announce");
        url.set_query(Some(&announce.query()));
        let answer = self.http.get(url).timeout(CALL_TIMEOUT).send().await.map_err(transport)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(transport)?;
        SeedAnnounce::interval(&body).map_err(|message| ClientError::Status { what: what(), status, message })
    }

    /// The trackers a torrent of a content names; `None` when the index does not know the content.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn announce_urls(&self, id: &ContentId) -> Result<Option<AnnounceUrls>, ClientError> {
        self.find("read announce URLs", &format!("/v1/contents/{id}/announce")).await
    }
}
