//! A tracker for everybody and an uploader beside it, as they do the whole job without a cluster, on a store with one content.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;
use tokio::net::TcpListener;
use videocloud_protocol::{content::Visibility, ids::ContentId, token::TokenKey, torrent::Metainfo};
use videocloud_store::Store;
use videocloud_tracker::{
    Delivery, Settings, Tracker,
    database::Database,
    http::{Gate, router, serve},
    swarms::SwarmSettings,
};

use crate::support::{client, clip, process::Process};

/// Runs a test in a thread in a network namespace of its own, with the addresses 10.77.0.1 to 8 on its loopback: Transmission takes
/// no peers at 127.0.0.1. Making one needs root, as the local cluster does.
pub fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let inside = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace can be made: run as root");
        run(Command::new("ip").args(["link", "set", "lo", "up"]));
        for client in 1..=8 {
            run(Command::new("ip").args(["address", "add", &format!("10.77.0.{client}/32"), "dev", "lo"]));
        }
        // Threads it makes are in the namespace, too.
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test());
    };
    std::thread::spawn(inside).join().unwrap();
}

pub fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status();
    assert!(status.as_ref().is_ok_and(std::process::ExitStatus::success), "{command:?}: {status:?}");
}

/// A client that is ended with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A script that a client runs when it has everything, and a pipe that it says so through.
pub struct Done {
    pub script: PathBuf,
    pipe: PathBuf,
}

impl Done {
    pub fn new(folder: &Path) -> Self {
        let (pipe, script) = (folder.join("pipe"), folder.join("done"));
        run(Command::new("mkfifo").arg(&pipe));
        std::fs::write(&script, format!("#!/bin/sh\necho done > {}\n", pipe.display())).unwrap();
        run(Command::new("chmod").arg("+x").arg(&script));
        Self { script, pipe }
    }

    pub fn wait(&self) {
        assert_eq!(std::fs::read_to_string(&self.pipe).unwrap(), "done\n");
    }
}

pub struct Place {
    pub folder: TempDir,
    pub uploader: Process,
    pub content: ContentId,
    pub bytes: Vec<u8>,
    pub tracker: Option<Arc<Tracker>>,
}

impl Place {
    /// At `host`, with a content of `size` bytes and these flags for the uploader, which seeds.
    pub async fn open(host: &str, size: usize, flags: &[&str]) -> Self {
        let seeder = format!("{host}:0");
        Self::with(host, size, &[&["--bittorrent", &seeder], flags].concat()).await
    }

    /// As [`Place::open`], seeding or not.
    pub async fn with(host: &str, size: usize, flags: &[&str]) -> Self {
        let (folder, content, bytes) = store(size).await;
        let (tracker, address) = tracker(folder.path(), host.parse().unwrap()).await;
        let url = format!("http://{address}");
        let store = folder.path().join("store").display().to_string();
        let uploader = Process::at(host, &store, folder.path(), Some(&url), flags);
        Self { folder, uploader, content, bytes, tracker: Some(tracker) }
    }

    /// Without a tracker.
    pub async fn alone(size: usize, flags: &[&str]) -> Self {
        let (folder, content, bytes) = store(size).await;
        let store = folder.path().join("store").display().to_string();
        let flags = [&["--bittorrent", "127.0.0.1:0"], flags].concat();
        let uploader = Process::at("127.0.0.1", &store, folder.path(), None, &flags);
        Self { folder, uploader, content, bytes, tracker: None }
    }

    pub fn at(&self, ending: &str) -> String {
        format!("http://{}/c/{}{ending}", self.uploader.http, self.content)
    }

    /// The torrent, as clients are given it, in a file.
    pub async fn torrent(&self) -> PathBuf {
        let answer = client().get(self.at(".torrent")).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/x-bittorrent");
        let path = self.folder.path().join("content.torrent");
        std::fs::write(&path, answer.bytes().await.unwrap()).unwrap();
        path
    }

    /// The torrent without its web seeds, so that only peers are left.
    pub async fn torrent_of_peers(&self) -> PathBuf {
        let path = self.torrent().await;
        let torrent = Metainfo::parse(&std::fs::read(&path).unwrap().into()).unwrap();
        assert_eq!((torrent.tiers.len(), torrent.web_seeds.len()), (1, 1));
        let trackers: Vec<String> = torrent.tiers.iter().flatten().map(ToString::to_string).collect();
        std::fs::write(&path, torrent.document(&trackers, &[])).unwrap();
        path
    }

    pub fn peer(&self) -> SocketAddr {
        self.uploader.bittorrent.unwrap()
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// Whether a client has received the right bytes into `folder`.
    pub fn received(&self, folder: &Path) -> bool {
        let name = format!("{}.mp4", &self.content.to_string()[..16]);
        std::fs::read(folder.join(name)).is_ok_and(|bytes| bytes == self.bytes)
    }
}

/// A store with one public content.
async fn store(size: usize) -> (TempDir, ContentId, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("store").display().to_string().parse().unwrap();
    let store = Store::open(&url, folder.path()).unwrap();
    let bytes: Vec<u8> = (0..size).map(|at| (at * 7 + at / 999) as u8).collect();
    let file = folder.path().join("file");
    std::fs::write(&file, &bytes).unwrap();
    let content = clip::publish_content(&store, &file, Visibility::Public).await.id;
    (folder, content, bytes)
}

/// `videocloud-tracker --open`, in this process: announces for everybody, an API for nobody.
async fn tracker(folder: &Path, host: IpAddr) -> (Arc<Tracker>, SocketAddr) {
    drop(client());
    let location = format!("sqlite://{}", folder.join("tracker.db").display()).parse().unwrap();
    let settings = Settings { revalidate_after: Duration::from_secs(3600), egress_capacity: None };
    let interval = Duration::from_secs(2);
    let swarms = SwarmSettings { open: true, announce_interval: interval, ..SwarmSettings::default() };
    let delivery = Delivery { swarms, ..Delivery::default() };
    let tracker = Tracker::start(Database::open(&location).await.unwrap(), settings, delivery).await.unwrap();
    let gate = Gate::new(TokenKey::new(&[7; 32]), None).unwrap();
    let listener = TcpListener::bind((host, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, router(tracker.clone(), gate), tracker.closing().clone()));
    (tracker, address)
}
