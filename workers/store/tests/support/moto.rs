//! A real S3 server to test against: moto's, from PyPI, in a virtual environment of its own.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

const REQUIREMENT: &str = "moto[server]==5.2.5";

/// S3 promises that of many conditional puts one wins. moto looks and then writes, so it keeps the promise only if it does one
/// request at a time.
const SERVER: &str = "
import threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
app, lock = DomainDispatcherApplication(create_backend_app), threading.Lock()
def one_at_a_time(environ, start_response):
    with lock:
        return list(app(environ, start_response))
run_simple('127.0.0.1', 0, one_at_a_time, threaded=True)
";

/// A running server; ends when the last test that uses it lets go.
pub struct Moto {
    child: Child,
    endpoint: String,
    buckets: AtomicU32,
}

static RUNNING: Mutex<Weak<Moto>> = Mutex::new(Weak::new());

impl Moto {
    /// The server of this test process.
    pub fn shared() -> Arc<Self> {
        let mut running = RUNNING.lock().unwrap();
        running.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *running = Arc::downgrade(&server);
            server
        })
    }

    fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut child = Command::new(environment().join("bin/python"))
            .args(["-c", SERVER])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto starts");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let endpoint = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("Running on ").map(|(_, url)| url.trim().to_owned()))
            .expect("moto says where it listens");
        // Its log must be read to its end, or it stops at a full pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, endpoint, buckets: AtomicU32::new(0) }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn new_bucket(&self) -> String {
        let name = format!("bucket-{}", self.buckets.fetch_add(1, Ordering::Relaxed));
        let done = Command::new("curl")
            .args(["-sf", "-X", "PUT", &format!("{}/{name}", self.endpoint)])
            .args(["-H", "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"])
            .stdout(Stdio::null())
            .status()
            .expect("curl runs: install the Debian package curl");
        assert!(done.success(), "the bucket {name} was made");
        name
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The virtual environment, made on first use. Made aside and renamed, so that an interrupted install is not taken for one.
fn environment() -> PathBuf {
    let cache = std::env::var_os("VIDEOCLOUD_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME or VIDEOCLOUD_CACHE is set")).join(".cache/videocloud")
    });
    let (folder, marker) = (cache.join("venv-moto"), cache.join("venv-moto/requirement"));
    std::fs::create_dir_all(&cache).unwrap();
    let lock = std::fs::File::create(cache.join("venv-moto.lock")).unwrap();
    lock.lock().unwrap();
    if std::fs::read_to_string(&marker).is_ok_and(|found| found == REQUIREMENT) {
        return folder;
    }
    let _ = std::fs::remove_dir_all(&folder);
    let run = |program: PathBuf, arguments: &[&str], help: &str| {
        let done = Command::new(&program).args(arguments).stdout(Stdio::null()).status();
        assert!(done.is_ok_and(|status| status.success()), "{} failed: {help}", program.display());
    };
    let help = "install the Debian packages python3 and python3-venv";
    run("python3".into(), &["-m", "venv", &folder.to_string_lossy()], help);
    run(folder.join("bin/pip"), &["install", "--quiet", REQUIREMENT], "PyPI must be reachable");
    std::fs::write(marker, REQUIREMENT).unwrap();
    folder
}
