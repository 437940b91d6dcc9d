//! libtorrent from PyPI as a real peer, in a virtual environment of the cache.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::venv::environment;

const REQUIREMENT: &str = "libtorrent==2.1.1";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/swarm.py");

/// Running seeds of one torrent.
pub struct Seeds {
    child: Child,
    pub ports: Vec<u16>,
    pub torrent: Vec<u8>,
    pub magnet: String,
}

impl Seeds {
    /// Makes a torrent and seeds it as `order` (see the script) says.
    pub fn start(order: &Value) -> Self {
        let mut child = command(order).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("libtorrent said {line:?}"));
        let ports = said["ports"].as_array().unwrap().iter().map(|port| port.as_u64().unwrap() as u16).collect();
        let torrent = hex::decode(said["torrent"].as_str().unwrap()).unwrap();
        Self { child, ports, torrent, magnet: said["magnet"].as_str().unwrap().to_owned() }
    }

    /// Arguments that name the seeds as peers.
    pub fn peers(&self) -> Vec<String> {
        self.ports.iter().flat_map(|port| ["--peer".to_owned(), format!("127.0.0.1:{port}")]).collect()
    }

    /// Writes the torrent file into `folder`.
    pub fn file(&self, folder: &Path) -> String {
        let path = folder.join("a.torrent");
        std::fs::write(&path, &self.torrent).unwrap();
        path.display().to_string()
    }
}

impl Drop for Seeds {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that has nothing and knows nobody.
pub struct Leecher {
    child: Child,
    said: std::io::Lines<BufReader<std::process::ChildStdout>>,
    pub port: u16,
}

impl Leecher {
    /// Waits for peers of `torrent`, and writes into `to`.
    pub fn start(torrent: &[u8], to: &Path) -> Self {
        let order = serde_json::json!({ "role": "leech", "torrent": hex::encode(torrent), "root": to });
        let mut child = command(&order).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut leecher = Self { child, said, port: 0 };
        leecher.port = leecher.hear()["port"].as_u64().unwrap() as u16;
        leecher
    }

    /// Bytes of verified pieces that it has.
    pub fn bytes(&mut self) -> usize {
        writeln!(self.child.stdin.as_mut().unwrap(), "how much").unwrap();
        self.hear()["bytes"].as_u64().unwrap() as usize
    }

    fn hear(&mut self) -> Value {
        serde_json::from_str(&self.said.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for Leecher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The script with an order.
pub fn command(order: &Value) -> Command {
    let mut command = Command::new(environment("libtorrent", &[REQUIREMENT]).join("bin/python"));
    command.args(["-W", "ignore", SCRIPT]).arg(order.to_string());
    command
}
