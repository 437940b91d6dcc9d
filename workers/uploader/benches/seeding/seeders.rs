//! The three seeders, each a process of its own on the loopback interface, and the content both have.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use sha2::Digest;
use videocloud_protocol::{
    content::{ContentHashes, ContentManifest, Verification, Visibility},
    ids::{ClaimKey, ContentId},
    torrent::{Metainfo, V1Hash, V2Hash, make::Hasher},
};
use videocloud_store::{Durability, Store};

#[path = "../../tests/support/venv.rs"]
mod venv;

/// Clock ticks per second in `/proc/<pid>/stat`: 100 on every Linux.
const TICKS: f64 = 100.0;

/// A seeder that is running.
pub struct Seeder {
    pub name: &'static str,
    pub address: SocketAddr,
    pub torrent: Arc<Metainfo>,
    child: Child,
}

impl Seeder {
    /// What it has used so far.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // After the name in parentheses, fields 3 and on; user and system time are 14 and 15.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
    }
}

impl Drop for Seeder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A content in the store below a folder, and its file.
pub struct Content {
    torrent: Arc<Metainfo>,
    file: PathBuf,
}

fn manifest(id: ContentId, size: u64, hashes: ContentHashes) -> ContentManifest {
    ContentManifest {
        id,
        size,
        mime: "video/mp4".into(),
        hashes,
        verification: Verification::SingleSource,
        visibility: Visibility::Public,
        created: 1_700_000_000,
    }
}

/// A store with one content of `size` bytes.
pub fn store(folder: &Path, size: usize) -> Content {
    let root = folder.join("store");
    let bytes: Vec<u8> = (0..size).map(|at| (at * 7 + at / 999) as u8).collect();
    let id = ContentId::from_bytes(sha2::Sha256::digest(&bytes).into());
    let manifest = manifest(id, size as u64, ContentHashes::default());
    let mut hasher = Hasher::new(size as u64);
    hasher.update(&bytes);
    let torrent = hasher.finish().unwrap().torrents(&manifest.file_name(), true).unwrap().v1;
    publish(&root, manifest, bytes);
    let file = root.join("blobs").join(&id.to_string()[..2]).join(id.to_string());
    Content { torrent, file }
}

fn publish(root: &Path, manifest: ContentManifest, bytes: Vec<u8>) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open_folder(root, Durability::Kill).unwrap();
        let staging = store.stage(&ClaimKey::from_bytes([1; 16])).await.unwrap();
        staging.write_at(0, bytes.into()).await.unwrap();
        staging.publish(&manifest).await.unwrap();
    });
}

/// The uploader with one worker thread, when it has the torrent.
pub fn videocloud(folder: &Path, content: &Content) -> Seeder {
    let (child, address, metrics) = uploader(&folder.join("store"));
    wait_for_torrents(metrics, 1);
    Seeder { name: "videocloud", address, torrent: Arc::clone(&content.torrent), child }
}

fn uploader(store: &Path) -> (Child, SocketAddr, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_videocloud-uploader"))
        .arg("--store")
        .arg(store)
        .args(["--http", "127.0.0.1:0", "--bittorrent", "127.0.0.1:0", "--log-format", "json"])
        .args(["--max-peers-per-address", "0"])
        .env("RUST_LOG", "info")
        .env("TOKIO_WORKER_THREADS", "1")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (address, metrics) = lines
        .find_map(|line| {
            let entry: serde_json::Value = serde_json::from_str(&line.unwrap()).ok()?;
            let at = |name: &str| entry["fields"][name].as_str()?.parse().ok();
            Some((at("bittorrent")?, at("metrics")?))
        })
        .expect("the uploader ended");
    std::thread::spawn(move || lines.for_each(drop));
    (child, address, metrics)
}

/// The value of a metric.
fn metric(at: SocketAddr, name: &str) -> f64 {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name}"))
}

fn wait_for_torrents(metrics: SocketAddr, count: usize) {
    for _ in 0..1200 {
        if metric(metrics, "videocloud_uploader_torrents ") >= count as f64 {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the torrents are not there after two minutes");
}

/// libtorrent, seeding the same file without limits.
pub fn libtorrent(folder: &Path, content: &Content) -> Seeder {
    let to = folder.join("libtorrent");
    fs::create_dir_all(&to).unwrap();
    std::os::unix::fs::symlink(&content.file, to.join(content.torrent.info.name())).unwrap();
    let path = folder.join("content.torrent");
    fs::write(&path, content.torrent.document(&[], &[])).unwrap();
    let script = "import libtorrent as lt, sys, time\n\
        s = lt.high_performance_seed()\n\
        s.update({'listen_interfaces': '127.0.0.1:0', 'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False,\n\
            'enable_natpmp': False, 'allow_multiple_connections_per_ip': True, 'alert_mask': 0,\n\
            'connections_limit': 5000, 'unchoke_slots_limit': -1, 'choking_algorithm': 0})\n\
        session = lt.session(s)\n\
        p = lt.add_torrent_params()\n\
        p.ti = lt.torrent_info(sys.argv[1])\n\
        p.save_path = sys.argv[2]\n\
        p.flags = lt.torrent_flags.seed_mode | lt.torrent_flags.upload_mode\n\
        h = session.add_torrent(p)\n\
        h.set_max_connections(-1)\n\
        h.set_max_uploads(-1)\n\
        while session.listen_port() == 0 or not h.status().is_seeding:\n\
        \x20   time.sleep(0.01)\n\
        print(session.listen_port(), flush=True)\n\
        time.sleep(100000)\n";
    let mut child = Command::new(venv::libtorrent().join("bin/python"))
        .args(["-W", "ignore", "-c", script])
        .args([&path, &to])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port: u16 = line.trim().parse().expect("libtorrent says its port");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    Seeder { name: "libtorrent", address, torrent: Arc::clone(&content.torrent), child }
}

/// Transmission, seeding the same file without limits.
pub fn transmission(folder: &Path, content: &Content) -> Seeder {
    let (home, to) = (folder.join("transmission"), folder.join("transmission-files"));
    fs::create_dir_all(&home).unwrap();
    fs::create_dir_all(&to).unwrap();
    std::os::unix::fs::symlink(&content.file, to.join(content.torrent.info.name())).unwrap();
    let torrents = home.join("torrents");
    fs::create_dir_all(&torrents).unwrap();
    fs::write(torrents.join("content.torrent"), content.torrent.document(&[], &[])).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = serde_json::json!({
        "bind-address-ipv4": "127.0.0.1", "peer-port": port, "download-dir": to, "rpc-enabled": false,
        "dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
        "port-forwarding-enabled": false, "encryption": 0, "peer-limit-global": 5000,
        "peer-limit-per-torrent": 5000, "upload-slots-per-torrent": 5000, "ratio-limit-enabled": false,
        "speed-limit-up-enabled": false, "speed-limit-down-enabled": false, "idle-seeding-limit-enabled": false,
        "alt-speed-enabled": false,
    });
    fs::write(home.join("settings.json"), settings.to_string()).unwrap();
    let child = Command::new("transmission-daemon")
        .arg("--foreground")
        .arg("--config-dir")
        .arg(&home)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("transmission-daemon starts: install the Debian package of this name");
    Seeder {
        name: "transmission",
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        torrent: Arc::clone(&content.torrent),
        child,
    }
}

/// Resident bytes and bytes of the index for each of `count` idle torrents.
pub fn idle(folder: &Path, count: usize) -> (usize, usize) {
    let resident = |child: &Child| {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().split(' ').next().unwrap().parse::<usize>().unwrap() * 1024
    };
    let measure = |name: &str, count: usize| {
        let contents = folder.join(name).join("contents");
        fs::create_dir_all(&contents).unwrap();
        for number in 0..count {
            let id = ContentId::derive([number.to_be_bytes().as_slice()]);
            let hashes = ContentHashes {
                info_hash_v1: Some(V1Hash::of(id.as_bytes()).to_string()),
                info_hash_v2: Some(V2Hash::of(id.as_bytes()).to_string()),
                ..ContentHashes::default()
            };
            let manifest = serde_json::to_vec(&manifest(id, 1 << 30, hashes)).unwrap();
            fs::write(contents.join(format!("{id}.json")), manifest).unwrap();
        }
        let (mut child, _, metrics) = uploader(&folder.join(name));
        wait_for_torrents(metrics, count);
        // What the pass over the store needed is given back or used again by now.
        std::thread::sleep(Duration::from_secs(3));
        let found = (resident(&child), metric(metrics, "videocloud_uploader_torrent_index_bytes ") as usize);
        child.kill().unwrap();
        child.wait().unwrap();
        found
    };
    let (few, many) = (measure("few", 1), measure("many", count));
    ((many.0.saturating_sub(few.0)) / count, many.1 / count)
}
