//! One test's part of the world: two namespaces, a tracker, workers, and operators that can be stopped, crashed and counted.

use std::{
    fmt::Debug,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::Parser;
use futures::StreamExt;
use k8s_openapi::api::{batch::v1::Job, core::v1::Namespace, events::v1::Event};
use kube::{
    Api, Client, Resource,
    api::{ListParams, Patch, PatchParams, PostParams},
    client::{Body, ClientBuilder},
    runtime::{WatchStreamExt, wait::await_condition, watcher},
};
use serde::de::DeserializeOwned;
use serde_json::json;
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower::util::MapRequestLayer;
use videocloud_crds::{BandwidthPool, TranscodeJob, TranscodeProfile, UploadCluster, VideoObject, conditions::types};
use videocloud_operator::{config::Settings, operator};
use videocloud_protocol::{
    token::{Grant, TokenKey},
    tracker::{Client as TrackerClient, PoolTable},
};
use videocloud_tracker::{
    Delivery, Settings as TrackerSettings, Tracker,
    database::Database,
    http::{Gate, router, serve},
    swarms::SwarmSettings,
};

use super::{
    machine::{Machine, shared},
    workers::Workers,
};

const KEY: &[u8] = b"a key of the tests, long enough";
const UPLOADER_TOKEN: &str = "the token of all uploaders";
/// Longest anything may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(90);

/// One test's world.
pub struct Hub {
    machine: Arc<Machine>,
    pub client: Client,
    pub tenant: String,
    pub system: String,
    pub workers: Workers,
    pub address: SocketAddr,
    folder: TempDir,
    tracker: Option<(Arc<Tracker>, JoinHandle<()>)>,
    sampled: Duration,
}

impl Hub {
    /// A world whose tracker samples every second, and whose BandwidthPool `<name>` has this spec.
    pub async fn delivering(name: &str, spec: serde_json::Value) -> Self {
        let hub = Self::with(name, 0, Duration::from_secs(1)).await;
        let body = json!({ "metadata": { "name": name }, "spec": spec });
        hub.pools().create(&PostParams::default(), &serde_json::from_value(body).unwrap()).await.unwrap();
        hub
    }

    /// A world of the namespaces `<name>` and `<name>-system`, and the cluster's profile `<name>`.
    pub async fn start(name: &str, chunks: u32) -> Self {
        Self::with(name, chunks, Duration::from_secs(300)).await
    }

    async fn with(name: &str, chunks: u32, sampled: Duration) -> Self {
        let machine = shared();
        let client = machine.client().await;
        let (tenant, system) = (name.to_owned(), format!("{name}-system"));
        for namespace in [&tenant, &system] {
            let body: Namespace = serde_json::from_value(json!({ "metadata": { "name": namespace } })).unwrap();
            Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &body).await.unwrap();
        }
        let text = include_str!("../../../../crds/tests/objects/good/transcodeprofile.yaml");
        let mut profile: TranscodeProfile = serde_yaml_ng::from_str(text).unwrap();
        profile.metadata.name = Some(tenant.clone());
        Api::<TranscodeProfile>::all(client.clone()).create(&PostParams::default(), &profile).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), KEY).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let workers = Workers::start(client.clone(), &system, chunks);
        let mut hub = Self { machine, client, tenant, system, workers, address, folder, tracker: None, sampled };
        hub.start_tracker().await;
        hub
    }

    /// Starts the tracker on the database it had.
    pub async fn start_tracker(&mut self) {
        let location = format!("sqlite://{}", self.folder.path().join("tracker.db").display()).parse().unwrap();
        let settings = TrackerSettings { revalidate_after: Duration::from_secs(3600), egress_capacity: None };
        let swarms = SwarmSettings {
            sample_interval: self.sampled,
            announce_interval: self.sampled,
            ..SwarmSettings::default()
        };
        let delivery = Delivery { swarms, ..Delivery::default() };
        let tracker = Tracker::start(Database::open(&location).await.unwrap(), settings, delivery).await.unwrap();
        let token = self.folder.path().join("uploader");
        std::fs::write(&token, UPLOADER_TOKEN).unwrap();
        let gate = Gate::new(Some(TokenKey::new(KEY).unwrap()), Some(&token)).unwrap();
        let listener = TcpListener::bind(self.address).await.unwrap();
        let served = tokio::spawn(serve(listener, router(tracker.clone(), gate), tracker.closing().clone()));
        self.tracker = Some((tracker, served));
    }

    /// Stops the tracker. With `lose`, its database goes too.
    pub async fn stop_tracker(&mut self, lose: bool) {
        let (tracker, served) = self.tracker.take().unwrap();
        tracker.closing().cancel();
        served.await.unwrap();
        tracker.close().await;
        if lose {
            for end in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(self.folder.path().join(format!("tracker.db{end}")));
            }
        }
    }

    /// The tracker, as the operator sees it.
    pub fn tracker(&self) -> TrackerClient {
        let token = TokenKey::new(KEY).unwrap().mint(&Grant::Operator, Duration::from_secs(u64::from(u32::MAX)));
        TrackerClient::new(format!("http://{}", self.address).parse().unwrap(), token).unwrap()
    }

    /// The tracker, as uploaders see it.
    pub fn tracker_of_uploaders(&self) -> TrackerClient {
        TrackerClient::new(format!("http://{}", self.address).parse().unwrap(), UPLOADER_TOKEN.to_owned()).unwrap()
    }

    /// Starts an operator with `flags` beside the usual ones.
    pub async fn operator(&self, flags: &[&str]) -> Operator {
        let settings = Settings::try_parse_from(self.flags(flags)).unwrap();
        settings.check().unwrap();
        Operator::start(settings, self.machine.config().await)
    }

    /// The command line of an operator with `flags` beside the usual ones.
    pub fn flags(&self, flags: &[&str]) -> Vec<String> {
        let usual = [
            "operator".to_owned(),
            format!("--namespace={}", self.system),
            format!("--watch-namespaces={}", self.tenant),
            format!("--tracker-url=http://{}", self.address),
            format!("--key-file={}", self.folder.path().join("key").display()),
            "--edge-url=https://edge.example".into(),
            "--downloader-image=downloader:1".into(),
            "--transcoder-image=transcoder:1".into(),
            "--store=file:///store".into(),
            "--store-claim=store".into(),
            "--progress-interval=1".into(),
            format!("--pools={}", self.tenant),
            format!("--default-pool={}", self.tenant),
        ];
        let name = |flag: &str| flag.split('=').next().map(str::to_owned);
        let given: Vec<_> = flags.iter().map(|flag| name(flag)).collect();
        let usual = usual.into_iter().filter(|flag| !given.contains(&name(flag)));
        let elect = flags.iter().any(|flag| flag.starts_with("--lease"));
        let elect = (!elect).then(|| "--leader-elect=false".to_owned());
        usual.chain(elect).chain(flags.iter().map(|&flag| flag.to_owned())).collect()
    }

    /// The file by which a process of its own reaches the API server.
    pub fn kubeconfig(&self) -> std::path::PathBuf {
        self.machine.kubeconfig()
    }

    pub fn videos(&self) -> Api<VideoObject> {
        Api::namespaced(self.client.clone(), &self.tenant)
    }

    pub fn transcodes(&self) -> Api<TranscodeJob> {
        Api::namespaced(self.client.clone(), &self.tenant)
    }

    pub fn pools(&self) -> Api<BandwidthPool> {
        Api::all(self.client.clone())
    }

    /// Waits until the world's pool is as `wanted`.
    pub async fn until_pool(&self, what: &str, wanted: impl Fn(&BandwidthPool) -> bool) -> BandwidthPool {
        until(self.pools(), &self.tenant, what, |pool| pool.is_some_and(&wanted)).await.unwrap()
    }

    /// Waits until an UploadCluster is as `wanted`.
    pub async fn until_cluster(&self, name: &str, what: &str, wanted: impl Fn(&UploadCluster) -> bool) {
        let clusters: Api<UploadCluster> = Api::all(self.client.clone());
        until(clusters, name, what, |cluster| cluster.is_some_and(&wanted)).await;
    }

    /// Changes the spec of the world's pool.
    pub async fn patch_pool(&self, spec: serde_json::Value) -> BandwidthPool {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.pools().patch(&self.tenant, &PatchParams::default(), &patch).await.unwrap()
    }

    /// Waits until the tracker holds a table of the world's pool that is as `wanted`.
    pub async fn until_table(&self, what: &str, wanted: impl Fn(&PoolTable) -> bool) -> PoolTable {
        let deadline = tokio::time::Instant::now() + LIMIT;
        let mut last = None;
        loop {
            last = self.tracker().table(&self.tenant).await.unwrap().or(last);
            if let Some(table) = last.take_if(|table| wanted(table)) {
                return table;
            }
            assert!(tokio::time::Instant::now() < deadline, "never {what}: {last:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.client.clone(), &self.system)
    }

    /// Makes a VideoObject of one link with the world's profile as its rendition; `more` is merged into its spec.
    pub async fn video(&self, name: &str, link: &str, more: serde_json::Value) -> VideoObject {
        let mut spec = json!({
            "sources": [{ "name": "origin", "url": link }],
            "renditions": [{ "profileRef": self.tenant }],
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        let body: VideoObject = serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap();
        self.videos().create(&PostParams::default(), &body).await.unwrap()
    }

    /// Waits until a video is as `wanted`.
    pub async fn until(&self, name: &str, what: &str, wanted: impl Fn(&VideoObject) -> bool) -> VideoObject {
        until(self.videos(), name, what, |video| video.is_some_and(&wanted)).await.unwrap()
    }

    /// Waits until a TranscodeJob is as `wanted`.
    pub async fn until_transcode(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&TranscodeJob) -> bool,
    ) -> TranscodeJob {
        until(self.transcodes(), name, what, |job| job.is_some_and(&wanted)).await.unwrap()
    }

    /// Waits until a condition of a video is true.
    pub async fn until_true(&self, name: &str, condition: &str) -> VideoObject {
        self.until(name, condition, |video| is(video, condition)).await
    }

    /// Waits until a video is ready with all its renditions.
    pub async fn until_ready(&self, name: &str) -> VideoObject {
        self.until(name, "Ready", |v| is(v, types::READY) && is(v, types::RENDITIONS_READY)).await
    }

    /// Waits until an event of the tenant's namespace has this reason; events are written after the status they speak of.
    pub async fn until_event(&self, reason: &str) {
        self.until_event_of(&self.tenant, reason, None).await;
    }

    /// Waits until an event about the world's pool has this reason.
    pub async fn until_pool_event(&self, reason: &str) {
        self.until_event_of("default", reason, Some(&self.tenant)).await;
    }

    async fn until_event_of(&self, namespace: &str, reason: &str, about: Option<&str>) {
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let is_about = |event: &Event| {
            about.is_none() || event.regarding.as_ref().and_then(|object| object.name.as_deref()) == about
        };
        let mut changes = std::pin::pin!(watcher(events, watcher::Config::default()).applied_objects());
        let waiting = async {
            while let Some(change) = changes.next().await {
                if change.is_ok_and(|event| is_about(&event) && event.reason.as_deref() == Some(reason)) {
                    return;
                }
            }
        };
        tokio::time::timeout(LIMIT, waiting).await.unwrap_or_else(|_| panic!("no event {reason}"));
    }

    /// Waits until an object is gone.
    pub async fn until_gone<K>(&self, api: Api<K>, name: &str)
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        until(api, name, "gone", |object| object.is_none()).await;
    }

    /// Waits until `wanted` says yes to the pods that started so far.
    pub async fn until_started(&self, what: &str, wanted: impl Fn(&[(String, String)]) -> bool) {
        let deadline = tokio::time::Instant::now() + LIMIT;
        while !wanted(&self.workers.started()) {
            assert!(tokio::time::Instant::now() < deadline, "never {what}: {:?}", self.workers.started());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until no Job is left in the system namespace.
    pub async fn until_no_jobs(&self) {
        for job in self.jobs().list(&ListParams::default()).await.unwrap() {
            self.until_gone(self.jobs(), job.metadata.name.as_deref().unwrap()).await;
        }
    }

    /// Sets the retry annotation.
    pub async fn retry(&self, name: &str, value: &str) {
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { "videocloud.dev/retry": value } } }));
        self.videos().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }
}

/// Whether a condition of `video` is true.
pub fn is(video: &VideoObject, condition: &str) -> bool {
    let conditions = video.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|one| one.type_ == condition && one.status == "True")
}

async fn until<K>(api: Api<K>, name: &str, what: &str, wanted: impl Fn(Option<&K>) -> bool) -> Option<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    match tokio::time::timeout(LIMIT, await_condition(api.clone(), name, |o: Option<&K>| wanted(o))).await {
        Ok(found) => found.unwrap(),
        Err(_) => panic!("{name} is not {what} after {LIMIT:?}: {:#?}", api.get_opt(name).await),
    }
}

/// A running operator, in a thread and a runtime of its own.
pub struct Operator {
    ended: Option<oneshot::Receiver<anyhow::Result<()>>>,
    stop: CancellationToken,
    crash: CancellationToken,
    requests: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
    address: SocketAddr,
}

impl Operator {
    fn start(settings: Settings, config: kube::Config) -> Self {
        let (stop, crash) = (CancellationToken::new(), CancellationToken::new());
        let (requests, writes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (count, written) = (Arc::clone(&requests), Arc::clone(&writes));
        let (stopping, crashing) = (stop.clone(), crash.clone());
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, ended) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = Runtime::new().unwrap();
            let result = runtime.block_on(async move {
                let counting = MapRequestLayer::new(move |request: http::Request<Body>| {
                    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
                    if !path.contains("/leases") && !query.contains("watch=") {
                        count.fetch_add(1, Ordering::SeqCst);
                        written.fetch_add(u64::from(request.method() != http::Method::GET), Ordering::SeqCst);
                    }
                    request
                });
                let client = ClientBuilder::try_from(config).unwrap().with_layer(&counting).build();
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    result = operator::run(settings, client, listener, stopping) => Some(result),
                    () = crashing.cancelled() => None,
                }
            });
            runtime.shutdown_background();
            if let Some(result) = result {
                let _ = tell.send(result);
            }
        });
        Self { ended: Some(ended), stop, crash, requests, writes, address }
    }

    /// Requests to the API server so far, watches and the Lease aside.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// Those of [`Self::requests`] that wrote something, events included.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// The text of /metrics.
    pub async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.address);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    }

    /// Waits until a metric line that starts with `name` has at least `least`.
    pub async fn until_metric(&self, name: &str, least: u64) {
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let text = self.metrics().await;
            let values = text.lines().filter_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
            if values.max().is_some_and(|value| value >= least) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{name} never reached {least}:\n{text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Tells it to stop, and waits until it has.
    pub async fn stop(mut self) {
        self.stop.cancel();
        tokio::time::timeout(LIMIT, self.ended.take().unwrap()).await.unwrap().unwrap().unwrap();
    }

    /// Ends it where it is, with no chance to tidy up.
    pub async fn crash(mut self) {
        self.crash.cancel();
        // The sender goes with the runtime.
        let ended = tokio::time::timeout(LIMIT, self.ended.take().unwrap()).await.unwrap();
        assert!(ended.is_err(), "it ended by itself: {ended:?}");
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.crash.cancel();
    }
}
