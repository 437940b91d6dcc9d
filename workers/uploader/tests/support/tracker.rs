//! A real tracker, in this process.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpListener, task::JoinHandle};
use videocloud_protocol::{
    ids::TaskId,
    token::{Grant, TokenKey},
    tracker::Client,
};
use videocloud_tracker::{
    Settings,
    database::{Database, DatabaseLocation},
    http::{Gate, router, serve},
};

pub const UPLOADER_TOKEN: &str = "the token of all uploaders";
const KEY: &[u8] = b"a key of the tests, long enough";

pub struct Tracker {
    address: SocketAddr,
    tracker: Arc<videocloud_tracker::Tracker>,
    served: JoinHandle<()>,
}

impl Tracker {
    pub async fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Self::on(folder, listener).await
    }

    /// One that comes back where the last one was.
    pub async fn restart(folder: &Path, address: SocketAddr) -> Self {
        let listener = super::until("the address is free again", || async { TcpListener::bind(address).await.ok() });
        Self::on(folder, listener.await).await
    }

    async fn on(folder: &Path, listener: TcpListener) -> Self {
        let location: DatabaseLocation = format!("sqlite://{}", folder.join("tracker.db").display()).parse().unwrap();
        let settings = Settings { revalidate_after: Duration::from_secs(3600), egress_capacity: None };
        let tracker = videocloud_tracker::Tracker::new(Database::open(&location).await.unwrap(), settings);
        let token = folder.join("tracker.token");
        std::fs::write(&token, UPLOADER_TOKEN).unwrap();
        let gate = Gate::new(TokenKey::new(KEY), Some(&token)).unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(serve(listener, router(tracker.clone(), gate), tracker.closing().clone()));
        Self { address, tracker, served }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn operator(&self) -> Client {
        drop(super::client());
        let token = TokenKey::new(KEY).unwrap().mint(&Grant::Operator, Duration::from_secs(u64::from(u32::MAX)));
        Client::new(self.url().parse().unwrap(), token).unwrap()
    }

    /// The client of a worker with this task.
    pub fn worker(&self, task: &TaskId) -> Client {
        let grant = Grant::Task(task.clone());
        let token = TokenKey::new(KEY).unwrap().mint(&grant, Duration::from_secs(u64::from(u32::MAX)));
        Client::new(self.url().parse().unwrap(), token).unwrap()
    }

    pub async fn stop(self) {
        self.tracker.closing().cancel();
        self.served.await.unwrap();
        self.tracker.close().await;
    }
}
