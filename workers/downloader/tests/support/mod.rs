//! What the tests share: nginx as the origin, the command under test, and its last word.
#![allow(dead_code)] // Each test file uses a part.

pub mod ftp;
pub mod hub;
pub mod moto;
pub mod nginx;
#[path = "../../../store/tests/support/node.rs"]
pub mod node;
pub mod proxy;
pub mod script;
pub mod tracker;
#[path = "../../../store/tests/support/venv.rs"]
pub mod venv;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// `length` bytes that nothing compresses, always the same for a seed.
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SmallRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// The digest flag for `bytes`.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// The command, with the loopback allowed and JSON events asked for.
pub fn downloader(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_videocloud-downloader"));
    command.args(["--json", "--allow-network", "127.0.0.0/8"]).args(arguments);
    command.env_remove("VIDEOCLOUD_TASK").env_remove("VIDEOCLOUD_STORE").stderr(Stdio::inherit());
    command
}

/// Runs it to its end: exit code and last event.
pub fn run(arguments: &[&str]) -> (i32, Value) {
    let Output { status, stdout, .. } = downloader(arguments).stdout(Stdio::piped()).output().unwrap();
    let last = String::from_utf8(stdout).unwrap().lines().last().map(str::to_owned).unwrap_or_default();
    (status.code().unwrap(), serde_json::from_str(&last).unwrap_or(Value::Null))
}

/// Starts it with its events readable.
pub fn start(arguments: &[&str]) -> Child {
    downloader(arguments).stdout(Stdio::piped()).spawn().unwrap()
}

/// Nothing but the named files lies in `folder`.
pub fn holds_only(folder: &Path, names: &[&str]) {
    let mut found: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, names);
}
