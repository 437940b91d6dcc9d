//! WebTorrent of npm, in a folder of its own in the cache, which the tests of all crates share.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The last version that needs no native modules: over TCP in Node, over WebRTC in browsers.
const PACKAGE: &str = "webtorrent@1.9.7";

/// The folder `node_modules` with it, made on first use: marked at the end, so that an interrupted install is not taken for one.
pub fn webtorrent() -> PathBuf {
    let cache = std::env::var_os("VIDEOCLOUD_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME or VIDEOCLOUD_CACHE is set")).join(".cache/videocloud")
    });
    let folder = cache.join("node-webtorrent");
    let (marker, modules) = (folder.join("requirement"), folder.join("node_modules"));
    std::fs::create_dir_all(&cache).unwrap();
    let lock = std::fs::File::create(cache.join("node-webtorrent.lock")).unwrap();
    lock.lock().unwrap();
    if std::fs::read_to_string(&marker).is_ok_and(|found| found == PACKAGE) {
        return modules;
    }
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("package.json"), "{}").unwrap();
    let mut install = Command::new("npm");
    install.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional", PACKAGE]);
    let done = install.current_dir(&folder).stdout(Stdio::null()).status();
    assert!(
        done.is_ok_and(|status| status.success()),
        "npm failed: install Node and npm; the registry must be reachable"
    );
    std::fs::write(marker, PACKAGE).unwrap();
    modules
}

/// Node, to run `script` with what [`webtorrent`] installed; what follows are its arguments.
pub fn script(script: &str) -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", webtorrent()).args(["-e", script, "--"]);
    command
}
