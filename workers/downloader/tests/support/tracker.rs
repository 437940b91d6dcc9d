//! opentracker as the place where peers find each other, and processes that end with their test.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Ends a process with the test.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// opentracker on a port of its own, TCP and UDP, that knows `hashes`.
pub fn opentracker(folder: &Path, hashes: &[String]) -> (Ended, u16) {
    let port = free_port();
    let list = folder.join("whitelist");
    std::fs::write(&list, hashes.join("\n") + "\n").unwrap();
    let at = port.to_string();
    let child = Command::new("opentracker")
        .args(["-i", "127.0.0.1", "-p", &at, "-P", &at, "-u", "nobody", "-d", "/", "-w"])
        .arg(&list)
        .stdout(Stdio::null())
        .spawn()
        .expect("opentracker runs: install the Debian package opentracker");
    (Ended(child), port)
}
