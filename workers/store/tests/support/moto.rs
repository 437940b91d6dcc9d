//! A real S3 server to test against: moto's, from PyPI, in a virtual environment of its own.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use super::venv::environment;

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
        let mut child = Command::new(environment("moto", &[REQUIREMENT]).join("bin/python"))
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
