//! What the tests stand on: a tracker on a free port, a real PostgreSQL server, and wire values.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod postgres;
pub mod process;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{net::TcpListener, task::JoinHandle};
use videocloud_protocol::{
    content::{ContentHashes, ContentManifest, Verification, Visibility},
    failure::{Failure, FailureClass},
    ids::{ContentId, TaskId},
    task::{DownloadOutcome, Outcome, SourceReport, SourceState, TaskResult},
    token::{Grant, TokenKey},
    tracker::{ClaimOwner, ClaimRequest, Client, Wanted},
};
use videocloud_tracker::{
    Delivery, Settings, Tracker,
    database::{Database, DatabaseLocation},
    http::{Gate, router, serve},
};

pub const KEY: &[u8] = b"a key of the tests, long enough";
pub const UPLOADER_TOKEN: &str = "the token of all uploaders";

pub fn key() -> TokenKey {
    TokenKey::new(KEY).unwrap()
}

pub fn token(grant: &Grant) -> String {
    key().mint(grant, Duration::from_secs(u64::from(u32::MAX)))
}

/// An HTTP client for what [`Client`] would not send. It keeps no connections, so tests with runtimes of their own may share it.
pub fn http() -> reqwest::Client {
    static HTTP: OnceLock<reqwest::Client> = OnceLock::new();
    let make = || {
        rustls::crypto::ring::default_provider().install_default().unwrap();
        reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap()
    };
    HTTP.get_or_init(make).clone()
}

pub fn client(address: SocketAddr, token: String) -> Client {
    drop(http());
    Client::new(format!("http://{address}").parse().unwrap(), token).unwrap()
}

/// A tracker in this process.
pub struct Running {
    pub address: SocketAddr,
    pub tracker: Arc<Tracker>,
    served: JoinHandle<()>,
}

impl Running {
    pub async fn start(location: &DatabaseLocation) -> Self {
        Self::with(location, Settings { revalidate_after: Duration::from_secs(3600), egress_capacity: None }).await
    }

    pub async fn with(location: &DatabaseLocation, settings: Settings) -> Self {
        Self::serve(Tracker::new(Database::open(location).await.unwrap(), settings)).await
    }

    pub async fn delivering(location: &DatabaseLocation, delivery: Delivery) -> Self {
        let settings = Settings { revalidate_after: Duration::from_secs(3600), egress_capacity: None };
        Self::serve(Tracker::start(Database::open(location).await.unwrap(), settings, delivery).await.unwrap()).await
    }

    async fn serve(tracker: Arc<Tracker>) -> Self {
        let uploader = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(uploader.path(), UPLOADER_TOKEN).unwrap();
        let gate = Gate::new(Some(key()), Some(uploader.path())).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router(tracker.clone(), gate);
        let served = tokio::spawn(serve(listener, service, tracker.closing().clone()));
        Self { address, tracker, served }
    }

    pub fn operator(&self) -> Client {
        client(self.address, token(&Grant::Operator))
    }

    pub fn worker(&self, task: &TaskId) -> Client {
        client(self.address, token(&Grant::Task(task.clone())))
    }

    pub fn uploader(&self) -> Client {
        client(self.address, UPLOADER_TOKEN.to_owned())
    }

    pub async fn stop(self) {
        self.tracker.closing().cancel();
        self.served.await.unwrap();
        self.tracker.close().await;
    }
}

pub fn sqlite(folder: &Path) -> DatabaseLocation {
    format!("sqlite://{}", folder.join("tracker.db").display()).parse().unwrap()
}

pub fn owner(uid: &str, namespace: &str) -> ClaimOwner {
    ClaimOwner { uid: uid.into(), namespace: namespace.into(), name: format!("video-{uid}") }
}

pub fn wanted(links: &[&str]) -> Wanted {
    Wanted {
        links: links.iter().map(|link| link.parse().unwrap()).collect(),
        digest: None,
        size: None,
        visibility: Visibility::Public,
        variant: String::new(),
    }
}

pub fn claim(uid: &str, namespace: &str, wanted: &Wanted) -> ClaimRequest {
    ClaimRequest { owner: owner(uid, namespace), wanted: wanted.clone() }
}

pub fn content(seed: u8, visibility: Visibility) -> ContentManifest {
    ContentManifest {
        id: ContentId::from_bytes([seed; 32]),
        size: 1000 + u64::from(seed),
        mime: "video/mp4".into(),
        hashes: ContentHashes { sha1: Some(hex(seed, 20)), blake3: Some(hex(seed, 32)), ..ContentHashes::default() },
        verification: Verification::SingleSource,
        visibility,
        created: 1,
    }
}

pub fn hex(seed: u8, bytes: usize) -> String {
    format!("{seed:02x}").repeat(bytes)
}

pub fn source(link: &str, state: SourceState) -> SourceReport {
    SourceReport {
        name: "main".into(),
        link: link.parse().unwrap(),
        state,
        reason: None,
        message: None,
        bytes: if state == SourceState::Active { 10 } else { 0 },
        etag: Some("\"v1\"".into()),
        last_modified: None,
    }
}

pub fn downloaded(content: ContentManifest, sources: Vec<SourceReport>) -> TaskResult {
    let outcome = DownloadOutcome { content, deduplicated: false, revalidated: false, sources };
    TaskResult::Succeeded(Outcome::Download(outcome))
}

pub fn failed(class: FailureClass) -> TaskResult {
    TaskResult::Failed { failure: Failure::new(class, "Reason", "a message"), sources: Vec::new() }
}
