//! The place: a network namespace with a bridge that peers are wired to, a tracker and an uploader in it, and the contents.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use nix::sched::{CloneFlags, unshare};
use sha2::Digest;
use tokio::time::{Instant, sleep};
use videocloud_protocol::{
    content::{ContentHashes, ContentManifest, Verification, Visibility},
    ids::{ClaimKey, ContentId, TaskId},
    task::{DownloadOutcome, Outcome, TaskResult},
    token::{Grant, TokenKey},
    torrent::make::Hasher,
    tracker::{ClaimOwner, ClaimRequest, Client, Wanted},
};
use videocloud_store::{Durability, Store};

/// The bridge, and the address of everything that is no peer.
pub const HUB: &str = "hub";
const ADDRESS: &str = "10.80.0.1";
const KEY: &[u8] = b"a key of the experiment, of some length";
const TOKEN: &str = "the token of its uploader";

/// Moves this thread, and all threads it makes, to a network namespace of their own. To be called before there are others.
pub fn move_in() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("failed to make a network namespace: run as root")?;
    ip("link set lo up")?;
    ip(&format!("link add {HUB} type bridge"))?;
    ip(&format!("address add {ADDRESS}/16 dev {HUB}"))?;
    ip(&format!("link set {HUB} up"))
}

/// Holds what leaves by a device to a rate.
pub fn shape(device: &str, rate: u64) -> anyhow::Result<()> {
    let burst = (rate / 50).max(8 << 10);
    run(Command::new("tc")
        .args(format!("qdisc add dev {device} root tbf rate {}bit burst {burst}b latency 300ms", rate * 8).split(' ')))
}

pub fn ip(arguments: &str) -> anyhow::Result<()> {
    run(Command::new("ip").args(arguments.split(' ')))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("failed to run {command:?}: .ci/setup installs it"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// A content and its torrent.
#[derive(Debug, Clone)]
pub struct Title {
    pub id: ContentId,
    pub size: u64,
    pub torrent: PathBuf,
    /// A folder with the file under the torrent's name, for peers that begin with it.
    pub whole: PathBuf,
}

/// Tracker and uploader on a store.
pub struct Place {
    pub tracker: Client,
    pub titles: Vec<Title>,
    folder: tempfile::TempDir,
    metrics: String,
    running: Vec<Child>,
}

impl Drop for Place {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Place {
    /// Starts everything: `titles` contents of `size` bytes, samples every `interval` seconds.
    pub async fn open(programs: &Path, titles: usize, size: u64, interval: u64, capacity: u64) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("key"), KEY)?;
        std::fs::write(at("token"), TOKEN)?;
        let url = format!("http://{ADDRESS}:7080");
        let mut tracker = Command::new(programs.join("videocloud-tracker"));
        tracker.args(["--http", &format!("{ADDRESS}:7080"), "--announce-base", &url]);
        tracker.args(["--database", &format!("sqlite://{}", at("tracker.db").display())]);
        tracker.arg("--key-file").arg(at("key")).arg("--uploader-token-file").arg(at("token"));
        tracker.args(["--sample-interval", &format!("{interval}s"), "--announce-interval", &format!("{interval}s")]);
        let mut place = Self {
            tracker: client(&url, &Grant::Operator)?,
            titles: Vec::new(),
            metrics: format!("http://{ADDRESS}:7091/metrics"),
            running: vec![spawn(&mut tracker)?],
            folder,
        };
        place.answers(&format!("{url}/readyz")).await?;
        for number in 0..titles {
            let title = place.publish(&url, number, size).await?;
            place.titles.push(title);
        }
        let at = |name: &str| place.folder.path().join(name);
        let mut uploader = Command::new(programs.join("videocloud-uploader"));
        uploader.arg("--store").arg(at("store")).args(["--tracker", &url]).arg("--token-file").arg(at("token"));
        uploader.args(["--http", &format!("{ADDRESS}:7090"), "--metrics", &format!("{ADDRESS}:7091")]);
        uploader.args(["--bittorrent", &format!("{ADDRESS}:6881"), "--report-interval", "1s", "--name", "edge-0"]);
        uploader.args(["--capacity", &capacity.to_string()]);
        place.running.push(spawn(&mut uploader)?);
        place.answers(&place.metrics).await?;
        Ok(place)
    }

    /// A folder of its own.
    pub fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Bytes the uploader has sent to peers.
    pub async fn seeded(&self) -> anyhow::Result<u64> {
        let text = reqwest::get(&self.metrics).await?.text().await?;
        let value = text.lines().find_map(|line| line.strip_prefix("videocloud_uploader_seeded_bytes_total "));
        Ok(value.context("the uploader counts nothing")?.parse::<f64>()? as u64)
    }

    /// Bytes as a download leaves them: in the store, known to the tracker.
    async fn publish(&self, url: &str, number: usize, size: u64) -> anyhow::Result<Title> {
        let bytes: Vec<u8> = (0..size).map(|at| (at * 7 + at / 999 + 13 * number as u64) as u8).collect();
        let id = ContentId::from_bytes(sha2::Sha256::digest(&bytes).into());
        let mut manifest = ContentManifest {
            id,
            size,
            mime: "video/mp4".into(),
            hashes: ContentHashes::default(),
            verification: Verification::SingleSource,
            visibility: Visibility::Public,
            created: 1_700_000_000,
        };
        let mut hasher = Hasher::new(size);
        hasher.update(&bytes);
        let torrents = hasher.finish().context("a content has no bytes")?.torrents(&manifest.file_name(), true)?;
        manifest.hashes.info_hash_v1 = torrents.hashes().v1().map(|hash| hash.to_string());
        manifest.hashes.info_hash_v2 = torrents.hashes().v2().map(|hash| hash.to_string());
        let whole = self.folder(&format!("whole-{number}"))?;
        std::fs::write(whole.join(torrents.v1.info.name()), &bytes)?;
        let torrent = self.folder.path().join(format!("{number}.torrent"));
        std::fs::write(&torrent, torrents.v1.document(&[format!("{url}/announce")], &[]))?;
        let store = Store::open_folder(&self.folder.path().join("store"), Durability::Kill)?;
        let wanted = Wanted {
            links: vec![format!("http://origin.example/{number}.mp4").parse()?],
            digest: None,
            size: None,
            visibility: Visibility::Public,
            variant: String::new(),
        };
        let key = wanted.key();
        let staging = store.stage(&key).await?;
        staging.write_at(0, bytes.into()).await?;
        staging.publish(&manifest).await?;
        let owner = ClaimOwner { uid: format!("uid-{number}"), namespace: "team".into(), name: format!("v{number}") };
        self.tracker.claim(&key, &ClaimRequest { owner, wanted }).await?;
        register(url, &key, manifest).await?;
        Ok(Title { id, size, torrent, whole })
    }

    async fn answers(&self, url: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !reqwest::get(url).await.is_ok_and(|answer| answer.status().is_success()) {
            ensure!(Instant::now() < deadline, "{url} does not answer");
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

/// What the worker that fetched it reports.
async fn register(url: &str, key: &ClaimKey, content: ContentManifest) -> anyhow::Result<()> {
    let task = TaskId::download(key);
    let outcome = DownloadOutcome { content, deduplicated: false, revalidated: false, sources: Vec::new() };
    let worker = client(url, &Grant::Task(task.clone()))?;
    worker.report(&task, &TaskResult::Succeeded(Outcome::Download(outcome))).await?;
    Ok(())
}

fn client(url: &str, grant: &Grant) -> anyhow::Result<Client> {
    let expires = SystemTime::now().duration_since(UNIX_EPOCH)? + Duration::from_secs(7 * 24 * 3600);
    let token = TokenKey::new(KEY).context("the key is too short")?.mint(grant, expires);
    Ok(Client::new(url.parse()?, token)?)
}

fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    command.stdin(Stdio::null()).env("RUST_LOG", "warn");
    command.spawn().with_context(|| format!("failed to start {command:?}: run `make build`"))
}
