//! A real web server on a free port of the loopback, with its own configuration; ends with the test.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running nginx that serves `root` under `/`, and the extra locations it was given.
pub struct Nginx {
    child: Child,
    host: String,
    port: u16,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts it; `locations` is configuration inside the server block.
    pub fn start(locations: &str) -> Self {
        Self::start_on("127.0.0.1", locations)
    }

    /// The same on another address of the loopback, to be another host.
    pub fn start_on(host: &str, locations: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(at("root")).unwrap();
        let port = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().port();
        let text = format!(
            "daemon off; master_process off; pid {pid}; error_log {log} info;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log {access}; client_body_temp_path {tmp}; proxy_temp_path {tmp}; fastcgi_temp_path {tmp};\n\
             uwsgi_temp_path {tmp}; scgi_temp_path {tmp}; types {{ video/mp4 mp4; text/html html; }}\n\
             server {{ listen {host}:{port}; root {root};\n{locations}\n}} }}\n",
            pid = at("pid"),
            log = at("error.log"),
            access = at("access.log"),
            tmp = at("tmp"),
            root = at("root"),
        );
        std::fs::write(at("nginx.conf"), text).unwrap();
        let child = Command::new("nginx")
            .args(["-p", &at(""), "-e", &at("error.log"), "-c", &at("nginx.conf")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx runs: install the Debian package nginx-light");
        let server = Self { child, host: host.to_owned(), port, folder };
        let limit = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect((host, port)).is_err() {
            assert!(Instant::now() < limit, "nginx does not listen: {}", server.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// Puts a file there.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.root().join(name);
        std::fs::write(path.with_extension("new"), bytes).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}:{}/{path}", self.host, self.port)
    }

    /// Lines of the access log that name `path`.
    pub fn requests(&self, path: &str) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        log.lines().filter(|line| line.contains(&format!(" /{path} "))).count()
    }

    /// Addresses that asked for `path`, in order.
    pub fn clients(&self, path: &str) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        let asked = log.lines().filter(|line| line.contains(&format!(" /{path} ")));
        asked.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(Path::new(self.folder.path()).join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
