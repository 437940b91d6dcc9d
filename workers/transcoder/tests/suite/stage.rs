//! Task mode as a cluster runs it: a store, a tracker, and the program with an order in its environment.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use videocloud_protocol::content::{ContentHashes, ContentManifest, Verification, Visibility};
use videocloud_protocol::ids::{ClaimKey, ContentId, RunId, TaskId};
use videocloud_protocol::rendition::{RenditionSettings, rendition_key};
use videocloud_protocol::task::{
    Chunking, RenditionOrder, TaskRecord, TaskResult, TaskState, TranscodeTask, TranscodeWork,
};
use videocloud_protocol::token::{Grant, TokenKey};
use videocloud_protocol::tracker::Client;
use videocloud_store::{S3Keys, Store};
use videocloud_tracker::database::Database;
use videocloud_tracker::http::{Gate, router, serve};
use videocloud_tracker::{Settings, Tracker};

use super::clips::tools;
use super::moto::Moto;

/// User and password of the S3 server, which takes any.
const S3_USER: &str = "test";

/// A store and a tracker; both end with it.
pub struct Stage {
    pub folder: TempDir,
    pub store: Store,
    /// The store as the program is told of it.
    place: String,
    key: TokenKey,
    tracker: Arc<Tracker>,
    url: String,
}

impl Stage {
    /// With a store on a volume.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("store").display().to_string();
        Self::with(folder, place, None).await
    }

    /// With a store on an S3 server.
    pub async fn on_s3(server: &Moto) -> Self {
        Self::on_s3_at(server, server.endpoint()).await
    }

    /// With a store on an S3 server that is reached at `endpoint`.
    pub async fn on_s3_at(server: &Moto, endpoint: &str) -> Self {
        let place = format!("s3://{}/store?endpoint={endpoint}&region=us-east-1", server.new_bucket());
        let keys = S3Keys { access_key_id: S3_USER.into(), secret_access_key: S3_USER.into() };
        Self::with(tempfile::tempdir().unwrap(), place, Some(keys)).await
    }

    async fn with(folder: TempDir, place: String, keys: Option<S3Keys>) -> Self {
        // Fails when another test was first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = TokenKey::new(b"the key of these tests").unwrap();
        let database = format!("sqlite://{}", folder.path().join("tracker.db").display());
        let database = Database::open(&database.parse().unwrap()).await.unwrap();
        let settings = Settings { revalidate_after: Duration::from_secs(3600), egress_capacity: None };
        let tracker = Tracker::new(database, settings);
        let gate = Gate::new(Some(TokenKey::new(b"the key of these tests").unwrap()), None).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, router(tracker.clone(), gate), tracker.closing().clone()));
        std::fs::create_dir(folder.path().join("scratch")).unwrap();
        let scratch = folder.path().join("scratch");
        let store = Store::open_with_keys(&place.parse().unwrap(), &scratch, keys.as_ref()).unwrap();
        Self { folder, store, place, key, tracker, url }
    }

    /// Puts a file into the store as a download would.
    pub async fn content(&self, file: &Path) -> ContentId {
        let bytes = std::fs::read(file).unwrap();
        let id = ContentId::from_bytes(Sha256::digest(&bytes).into());
        let manifest = ContentManifest {
            id,
            size: bytes.len() as u64,
            mime: "video/mp4".into(),
            hashes: ContentHashes::default(),
            verification: Verification::Digest,
            visibility: Visibility::Public,
            created: 1,
        };
        let staging = self.store.stage(&ClaimKey::derive([id.to_string().as_bytes()])).await.unwrap();
        if !bytes.is_empty() {
            staging.write_at(0, bytes.into()).await.unwrap();
        }
        staging.publish(&manifest).await.unwrap();
        id
    }

    /// An order for the first step.
    pub fn order(&self, source: ContentId, settings: &[RenditionSettings], seconds: u32) -> TranscodeTask {
        let order = |settings: &RenditionSettings| RenditionOrder {
            key: rendition_key(&source, settings),
            settings: settings.clone(),
        };
        let renditions: Vec<_> = settings.iter().map(order).collect();
        let run = RunId::of(renditions.iter().map(|order| order.key));
        let chunking = Chunking { seconds, min_cpu_seconds: 0 };
        TranscodeTask {
            task: TaskId::plan(&run),
            run,
            work: TranscodeWork::Plan,
            source,
            renditions,
            chunking,
            again: Vec::new(),
        }
    }

    /// Starts the program on a step of `order`, as its pod would.
    pub fn start(&self, order: &TranscodeTask, work: TranscodeWork, index: u32) -> Child {
        let task = match work {
            TranscodeWork::Plan => TaskId::plan(&order.run),
            TranscodeWork::Chunk => TaskId::chunks(&order.run),
            TranscodeWork::Finish => TaskId::finish(&order.run),
        };
        let token = self.key.mint(&Grant::Task(task.clone()), Duration::from_secs(u64::from(u32::MAX)));
        let order = TranscodeTask { task, work, ..order.clone() };
        let mut command = Command::new(env!("CARGO_BIN_EXE_videocloud-transcoder"));
        command.env_clear().env("VIDEOCLOUD_TASK", serde_json::to_string(&order).unwrap());
        command.env("VIDEOCLOUD_TASK_TOKEN", token).env("VIDEOCLOUD_TRACKER_URL", &self.url);
        command.env("VIDEOCLOUD_STORE", &self.place);
        command.env("AWS_ACCESS_KEY_ID", S3_USER).env("AWS_SECRET_ACCESS_KEY", S3_USER);
        command.env("VIDEOCLOUD_SCRATCH", self.folder.path().join("scratch"));
        command.env("VIDEOCLOUD_FFMPEG", tools().ffmpeg).env("VIDEOCLOUD_FFPROBE", tools().ffprobe);
        command.env("JOB_COMPLETION_INDEX", index.to_string());
        command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
    }

    /// Runs a step to its end; answers its exit code.
    pub async fn run(&self, order: &TranscodeTask, work: TranscodeWork, index: u32) -> i32 {
        let done = self.start(order, work, index).wait_with_output().await.unwrap();
        print!("{}", String::from_utf8_lossy(&done.stderr));
        done.status.code().expect("it was killed")
    }

    /// What the tracker knows of a task.
    pub async fn record(&self, task: &TaskId) -> TaskRecord {
        let token = self.key.mint(&Grant::Operator, Duration::from_secs(u64::from(u32::MAX)));
        let client = Client::new(self.url.parse().unwrap(), token).unwrap();
        let updates = client.updates(0, Duration::ZERO).await.unwrap();
        updates.tasks.into_iter().find(|record| record.task == *task).expect("the tracker does not know the task")
    }

    /// The result of a task that has ended.
    pub async fn result(&self, task: &TaskId) -> TaskResult {
        match self.record(task).await.state {
            TaskState::Ended(result) => result,
            TaskState::Running(_) => panic!("{task} has not ended"),
        }
    }

    /// What steps left in scratch.
    pub fn left_over(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("scratch")).unwrap().count()
    }
}

/// Passes connections on to `endpoint` and counts the bytes that come back; answers its own address and the count.
pub async fn counting(endpoint: &str) -> (String, Arc<AtomicU64>) {
    let upstream = endpoint.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    // Ends with the test's runtime.
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&upstream).await.unwrap();
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let asking = async {
                    // Either side may leave first.
                    let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
                    let _ = to_server.shutdown().await;
                };
                let answering = async {
                    let mut part = vec![0; 64 * 1024];
                    while let Ok(read @ 1..) = from_server.read(&mut part).await {
                        counted.fetch_add(read as u64, Ordering::Relaxed);
                        if to_client.write_all(&part[..read]).await.is_err() {
                            break;
                        }
                    }
                    let _ = to_client.shutdown().await;
                };
                tokio::join!(asking, answering);
            });
        }
    });
    (address, count)
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.tracker.closing().cancel();
    }
}
