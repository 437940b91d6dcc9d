//! libtorrent from PyPI as a real peer, in a virtual environment of the cache.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

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

/// The script with an order.
pub fn command(order: &Value) -> Command {
    let mut command = Command::new(environment().join("bin/python"));
    command.args(["-W", "ignore", SCRIPT]).arg(order.to_string());
    command
}

/// The virtual environment, made on first use. Made aside and renamed, so that an interrupted install is not taken for one.
fn environment() -> PathBuf {
    let cache = std::env::var_os("VIDEOCLOUD_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME or VIDEOCLOUD_CACHE is set")).join(".cache/videocloud")
    });
    let (folder, marker) = (cache.join("venv-libtorrent"), cache.join("venv-libtorrent/requirement"));
    std::fs::create_dir_all(&cache).unwrap();
    let lock = std::fs::File::create(cache.join("venv-libtorrent.lock")).unwrap();
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
