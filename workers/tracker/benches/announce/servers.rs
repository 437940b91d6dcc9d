//! The trackers to compare, each on one thread for UDP, started for the benchmark and ended with it.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Torrents of the load.
pub const TORRENTS: u32 = 10_000;
const AQUATIC: &str = "0.9.0";
/// Ticks of `/proc/<pid>/stat` per second (USER_HZ, fixed by the kernel's interface).
const TICKS: f64 = 100.0;

/// The info hash of a torrent: printable, so that HTTP needs no escapes.
pub fn hash(torrent: u32) -> [u8; 20] {
    format!("{torrent:020}").into_bytes().try_into().unwrap()
}

pub struct Server {
    pub name: &'static str,
    pub udp: SocketAddr,
    pub http: Option<SocketAddr>,
    child: Child,
}

impl Server {
    /// CPU seconds its process has used.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
    }

    /// Bytes of resident memory.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All that can be had: opentracker of the Debian package, aquatic_udp of crates.io.
pub fn all(folder: &Path) -> Vec<Server> {
    vec![videocloud(folder), aquatic(folder), opentracker(folder)]
}

fn free_port() -> u16 {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn videocloud(folder: &Path) -> Server {
    let database = format!("sqlite://{}", folder.join("tracker.db").display());
    let mut child = Command::new(env!("CARGO_BIN_EXE_videocloud-tracker"))
        .args([
            "--http",
            "127.0.0.1:0",
            "--udp",
            "127.0.0.1:0",
            "--open",
            "--log-format",
            "json",
            "--database",
            &database,
        ])
        // The load comes from one address.
        .args(["--announces-per-address", "0", "--max-per-network", "100000000", "--comfortable-load", "0"])
        .env("RUST_LOG", "info")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (http, udp) = loop {
        let line = lines.next().expect("the tracker says where it listens").unwrap();
        let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let address = |name: &str| entry["fields"][name].as_str().and_then(|text| text.parse().ok());
        if let (Some(http), Some(udp)) = (address("http"), address("udp")) {
            break (http, udp);
        }
    };
    std::thread::spawn(move || lines.for_each(drop));
    Server { name: "videocloud", udp, http: Some(http), child }
}

fn aquatic(folder: &Path) -> Server {
    let port = free_port();
    let config = folder.join("aquatic.toml");
    let text = format!(
        "socket_workers = 1\nlog_level = \"error\"\n[network]\naddress = \"127.0.0.1:{port}\"\n\
         [protocol]\nmax_response_peers = 30\n[statistics]\ninterval = 0\n[cleaning]\nmax_peer_age = 100000\n"
    );
    fs::write(&config, text).unwrap();
    let child = Command::new(aquatic_program()).arg("-c").arg(&config).stdout(Stdio::null()).spawn().unwrap();
    Server { name: "aquatic_udp", udp: (Ipv4Addr::LOCALHOST, port).into(), http: None, child }
}

/// The program, built into the cache on first use. Without its metrics: their crate does not build with today's compiler.
fn aquatic_program() -> PathBuf {
    let cache = std::env::var_os("VIDEOCLOUD_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME or VIDEOCLOUD_CACHE is set")).join(".cache/videocloud")
    });
    let root = cache.join("tools/aquatic");
    let program = root.join("bin/aquatic_udp");
    if !program.exists() {
        let arguments = ["install", "--locked", "--no-default-features", "--version", AQUATIC, "aquatic_udp", "--root"];
        let done = Command::new("cargo").args(arguments).arg(&root).env_remove("CARGO_TARGET_DIR").status();
        assert!(done.is_ok_and(|status| status.success()), "cargo install aquatic_udp failed");
    }
    program
}

fn opentracker(folder: &Path) -> Server {
    // Debian's build serves listed torrents only.
    let list = folder.join("whitelist");
    let hashes: String = (0..TORRENTS).map(|torrent| hex::encode(hash(torrent)) + "\n").collect();
    fs::write(&list, hashes).unwrap();
    let port = free_port();
    let mut command = Command::new("opentracker");
    command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-P", &port.to_string()]);
    command.args(["-w", &list.to_string_lossy(), "-d", "/"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("apt-get install opentracker");
    let address = (Ipv4Addr::LOCALHOST, port).into();
    Server { name: "opentracker", udp: address, http: Some(address), child }
}
