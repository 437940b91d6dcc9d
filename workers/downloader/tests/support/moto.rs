//! A real S3 server: moto's, from PyPI, with one bucket.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::venv::environment;

/// S3 promises that of many conditional puts one wins; moto keeps that promise only if it does one request at a time.
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

pub struct Moto {
    child: Child,
    endpoint: String,
}

impl Moto {
    pub fn start() -> Self {
        let python = environment("moto", &["moto[server]==5.2.5"]).join("bin/python");
        let mut child = Command::new(python)
            .args(["-c", SERVER])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto starts");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let endpoint = lines
            .find_map(|line| line.split_once("Running on ").map(|(_, url)| url.trim().to_owned()))
            .expect("moto says where it listens");
        // Its log must be read to its end, or it stops at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let server = Self { child, endpoint };
        let made = Command::new("curl")
            .args(["-sf", "-X", "PUT", &format!("{}/videos", server.endpoint)])
            .args(["-H", "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"])
            .stdout(Stdio::null())
            .status()
            .expect("curl runs: install the Debian package curl");
        assert!(made.success());
        server
    }

    /// A store in its bucket.
    pub fn store(&self) -> String {
        format!("s3://videos/a?endpoint={}", self.endpoint)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
