//! The two servers, each a process of its own on a free port of the loopback interface.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use sha2::Digest;
use videocloud_protocol::{
    content::{ContentHashes, ContentManifest, Verification, Visibility},
    ids::{ClaimKey, ContentId},
};
use videocloud_store::Store;

/// Clock ticks per second in `/proc/<pid>/stat`: 100 on every Linux.
const TICKS: f64 = 100.0;

/// A server that is running.
pub struct Server {
    pub name: &'static str,
    pub url: String,
    child: Child,
}

impl Server {
    /// What it and its children have used so far.
    pub fn cpu_seconds(&self) -> f64 {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap();
        let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
        let ticks = |pid: u32| -> f64 {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            // After the name in parentheses, fields 3 and on; user and system time are 14 and 15.
            let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
            fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()
        };
        children.chain([own]).map(ticks).sum::<f64>() / TICKS
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx ends its worker on SIGTERM, and would leave it behind on SIGKILL.
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// The uploader on a store with one public content of `size` bytes; also the content's file.
pub fn uploader(folder: &Path, size: usize) -> (Server, PathBuf) {
    let root = folder.join("store");
    let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
    let id = ContentId::from_bytes(sha2::Sha256::digest(&bytes).into());
    let manifest = ContentManifest {
        id,
        size: size as u64,
        mime: "video/mp4".into(),
        hashes: ContentHashes::default(),
        verification: Verification::SingleSource,
        visibility: Visibility::Public,
        created: 1_700_000_000,
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open(&root.to_str().unwrap().parse().unwrap(), folder).unwrap();
        let staging = store.stage(&ClaimKey::from_bytes([1; 16])).await.unwrap();
        staging.write_at(0, bytes.into()).await.unwrap();
        staging.publish(&manifest).await.unwrap();
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_videocloud-uploader"))
        .arg("--store")
        .arg(&root)
        .args(["--http", "127.0.0.1:0", "--log-format", "json", "--drain-delay", "0s"])
        .env("RUST_LOG", "info")
        // One worker each.
        .env("TOKIO_WORKER_THREADS", "1")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = lines
        .find_map(|line| {
            let entry: serde_json::Value = serde_json::from_str(&line.unwrap()).ok()?;
            entry["fields"]["http"].as_str().map(str::to_owned)
        })
        .expect("the uploader ended");
    std::thread::spawn(move || lines.for_each(drop));
    let file = root.join("blobs").join(&id.to_string()[..2]).join(id.to_string());
    (Server { name: "videocloud", url: format!("http://{address}/c/{id}"), child }, file)
}

/// nginx with one worker on the same file.
pub fn nginx(folder: &Path, file: &Path) -> Server {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let root = folder.join("nginx");
    fs::create_dir_all(root.join("www")).unwrap();
    std::os::unix::fs::symlink(file, root.join("www/file.mp4")).unwrap();
    let text = format!(
        "daemon off; worker_processes 1; pid {root}/pid; error_log {root}/error.log; user root;
         events {{ worker_connections 1024; }}
         http {{
           access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; open_file_cache max=10;
           client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;
           uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5; types {{ video/mp4 mp4; }}
           server {{ listen 127.0.0.1:{port}; root {root}/www; }}
         }}",
        root = root.display()
    );
    let text = if nix::unistd::Uid::effective().is_root() { text } else { text.replace("user root;", "") };
    fs::write(root.join("nginx.conf"), text).unwrap();
    let child = Command::new(program("nginx", "nginx-light"))
        .arg("-c")
        .arg(root.join("nginx.conf"))
        .arg("-e")
        .arg(root.join("error.log"))
        .spawn()
        .unwrap();
    let server = Server { name: "nginx", url: format!("http://127.0.0.1:{port}/file.mp4"), child };
    for _ in 0..200 {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return server;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("nginx does not listen: {}", fs::read_to_string(root.join("error.log")).unwrap_or_default());
}

/// A program of a Debian package.
pub fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = places.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing: install the Debian package {package} (.ci/setup)"))
}
