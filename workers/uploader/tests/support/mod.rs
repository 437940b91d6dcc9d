//! What the tests stand on: a site of store, tracker and uploader, with a clip that is really playable.

pub mod clip;
// The store's own: one way to run an S3 server in tests.
#[path = "../../../store/tests/support/moto.rs"]
pub mod moto;
#[path = "../../../store/tests/support/node.rs"]
pub mod node;
pub mod process;
pub mod tools;
mod tracker;
pub mod venv;

use std::{path::Path, time::Duration};

use reqwest::{Method, RequestBuilder, Response};
use tempfile::TempDir;
use videocloud_protocol::{
    ids::ContentId,
    publication::{Access, Original, Publication, PublishedRendition},
    token::TokenKey,
    tracker::Client,
};
use videocloud_store::Store;

pub use self::tracker::Tracker;
use self::{clip::Published, process::Process};

pub const SIGNING_KEY: &[u8] = b"the key of signed links in tests";

/// Store, tracker and uploader, with `team/holiday` published.
pub struct Site {
    pub folder: TempDir,
    pub store: Store,
    pub tracker: Tracker,
    pub uploader: Process,
    pub clip: Published,
}

impl Site {
    pub async fn open(access: Access) -> Self {
        Self::with(access, &[]).await
    }

    /// As [`Site::open`], with more flags for the uploader.
    pub async fn with(access: Access, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store =
            Store::open(&folder.path().join("store").to_str().unwrap().parse().unwrap(), folder.path()).unwrap();
        let clip = clip::publish(&store).await;
        let tracker = Tracker::start(folder.path()).await;
        tracker.operator().publish("team", "holiday", &publication(&clip, access)).await.unwrap();
        let uploader = Process::start(folder.path(), Some(&tracker.url()), flags);
        Self { folder, store, tracker, uploader, clip }
    }

    pub fn operator(&self) -> Client {
        self.tracker.operator()
    }

    /// Address of a path below `/v/team/holiday/`.
    pub fn at(&self, path: &str) -> String {
        format!("http://{}/v/team/holiday/{path}", self.uploader.http)
    }

    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        client().request(method, self.at(path))
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let request =
            headers.iter().fold(self.ask(Method::GET, path), |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap()
    }

    pub fn original(&self) -> Vec<u8> {
        std::fs::read(&self.clip.original).unwrap()
    }
}

pub fn publication(clip: &Published, access: Access) -> Publication {
    let renditions = clip.renditions.iter().map(|(name, manifest)| PublishedRendition {
        name: (*name).to_owned(),
        key: manifest.key,
        run: None,
    });
    Publication {
        uid: "uid-1".into(),
        original: Original::Content(clip.content),
        access,
        renditions: renditions.collect(),
    }
}

/// The query of a signed link for `/v/team/holiday/` that is good for an hour.
pub fn signed() -> String {
    let expires = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 3600;
    let key = TokenKey::new(SIGNING_KEY).unwrap();
    format!("expires={expires}&signature={}", key.sign_prefix("/v/team/holiday/", expires))
}

pub fn client() -> reqwest::Client {
    static CLIENT: std::sync::OnceLock<()> = std::sync::OnceLock::new();
    CLIENT.get_or_init(|| drop(rustls::crypto::ring::default_provider().install_default()));
    reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap()
}

/// Asks again until `done`, for what happens within seconds and without an event to wait for.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut done: impl FnMut() -> F) -> T {
    for _ in 0..600 {
        if let Some(found) = done().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not come about within 30 s");
}

pub fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
}

pub fn content_id(path: &Path) -> ContentId {
    use sha2::Digest;
    ContentId::from_bytes(sha2::Sha256::digest(std::fs::read(path).unwrap()).into())
}
