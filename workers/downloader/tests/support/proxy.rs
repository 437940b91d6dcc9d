//! Real forward proxies: microsocks for SOCKS5, tinyproxy for HTTP `CONNECT`. Both say in their log where they were led.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::tracker::{Ended, free_port};

/// From where microsocks reaches servers, so that their logs tell it from everybody else.
pub const OTHER_SIDE: &str = "127.0.0.9";

/// A running proxy that lets in the user `user` with the password `secret`.
pub struct Proxy {
    _child: Ended,
    scheme: &'static str,
    port: u16,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Proxy {
    /// SOCKS5.
    pub fn socks() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let log = folder.path().join("log");
        let child = Command::new("microsocks")
            .args(["-i", "127.0.0.1", "-p", &port.to_string(), "-u", "user", "-P", "secret", "-b", OTHER_SIDE])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .expect("microsocks runs: install the Debian package microsocks");
        Self::started(Ended(child), "socks5", port, log, folder)
    }

    /// HTTP.
    pub fn http() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let (log, file) = (folder.path().join("log"), folder.path().join("conf"));
        let text = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\nLogLevel Connect\nBasicAuth user secret\nLogFile \"{}\"\n",
            log.display()
        );
        std::fs::write(&file, text).unwrap();
        let child = Command::new("tinyproxy")
            .args(["-d", "-c"])
            .arg(file)
            .stdout(Stdio::null())
            .spawn()
            .expect("tinyproxy runs: install the Debian package tinyproxy-bin");
        Self::started(Ended(child), "http", port, log, folder)
    }

    fn started(child: Ended, scheme: &'static str, port: u16, log: PathBuf, folder: tempfile::TempDir) -> Self {
        let limit = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < limit, "the proxy does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { _child: child, scheme, port, log, _folder: folder }
    }

    /// How it is named, with the user and this password.
    pub fn url(&self, password: &str) -> String {
        format!("{}://user:{password}@127.0.0.1:{}", self.scheme, self.port)
    }

    /// How often it was led to `port` of the loopback.
    pub fn led_to(&self, port: u16) -> usize {
        let log = std::fs::read_to_string(&self.log).unwrap();
        log.lines().filter(|line| line.contains(&format!("127.0.0.1:{port}"))).count()
    }

    /// How often it was led to somewhere.
    pub fn led(&self) -> usize {
        let log = std::fs::read_to_string(&self.log).unwrap();
        log.lines().filter(|line| line.contains("connected to ") || line.contains("CONNECT ")).count()
    }
}
