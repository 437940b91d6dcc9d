//! A real tracker, in this process, and downloads as the operator orders them, in processes of their own.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use videocloud_protocol::ids::TaskId;
use videocloud_protocol::task::{DownloadTask, TaskRecord};
use videocloud_protocol::token::{Grant, TokenKey};
use videocloud_protocol::tracker::Client;
use videocloud_tracker::database::{Database, DatabaseLocation};
use videocloud_tracker::http::{Gate, router, serve};
use videocloud_tracker::{Settings, Tracker};

const KEY: &[u8] = b"a key of the tests, long enough";

pub struct Hub {
    pub address: SocketAddr,
    tracker: Arc<Tracker>,
    served: JoinHandle<()>,
}

fn token(grant: &Grant) -> String {
    TokenKey::new(KEY).unwrap().mint(grant, Duration::from_secs(u64::from(u32::MAX)))
}

impl Hub {
    /// On any port, or where one was before.
    pub async fn start(folder: &Path, address: Option<SocketAddr>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let address = address.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into());
        let listener = TcpListener::bind(address).await.unwrap();
        let location: DatabaseLocation = format!("sqlite://{}", folder.join("tracker.db").display()).parse().unwrap();
        let settings = Settings { revalidate_after: Duration::from_secs(3600), egress_capacity: None };
        let tracker = Tracker::new(Database::open(&location).await.unwrap(), settings);
        let gate = Gate::new(TokenKey::new(KEY), None).unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(serve(listener, router(tracker.clone(), gate), tracker.closing().clone()));
        Self { address, tracker, served }
    }

    /// The client of the task.
    pub fn worker(&self, task: &TaskId) -> Client {
        Client::new(self.url().parse().unwrap(), token(&Grant::Task(task.clone()))).unwrap()
    }

    /// What it knows of every task.
    pub async fn tasks(&self) -> HashMap<TaskId, TaskRecord> {
        let operator = Client::new(self.url().parse().unwrap(), token(&Grant::Operator)).unwrap();
        let updates = operator.updates(0, Duration::ZERO).await.unwrap();
        updates.tasks.into_iter().map(|record| (record.task.clone(), record)).collect()
    }

    /// The command, told what to do as a pod is told.
    pub fn download(&self, task: &DownloadTask, store: &Path) -> Child {
        Command::new(env!("CARGO_BIN_EXE_videocloud-downloader"))
            .env("VIDEOCLOUD_TASK", serde_json::to_string(task).unwrap())
            .env("VIDEOCLOUD_TASK_TOKEN", token(&Grant::Task(task.task.clone())))
            .env("VIDEOCLOUD_TRACKER_URL", self.url())
            .env("VIDEOCLOUD_STORE", format!("file://{}", store.display()))
            .env("VIDEOCLOUD_ALLOW_NETWORKS", "127.0.0.0/8")
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    pub async fn stop(self) {
        self.tracker.closing().cancel();
        self.served.await.unwrap();
        self.tracker.close().await;
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
