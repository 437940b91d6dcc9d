//! A clock that jumps while a download runs: deadlines and back-off count time that passes, not what the clock shows.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::MIB;
use super::support::script::Scripted;
use super::support::{bytes, digest, holds_only};

/// The library that shows a process another time.
fn library() -> String {
    let found = Command::new("dpkg").args(["-L", "libfaketime"]).output().unwrap();
    let files = String::from_utf8(found.stdout).unwrap();
    let library = files.lines().find(|line| line.ends_with("/libfaketime.so.1"));
    library.expect("libfaketime is there: install the Debian package faketime").to_owned()
}

#[test]
fn a_clock_that_jumps_days_ahead_and_back_disturbs_nothing() {
    let content = bytes(71, 12 * MIB);
    let body = content.clone();
    // Now and then the server wants to be left alone for a second, by a date as its own clock shows it.
    let server = Scripted::start(move |request| match request.number % 5 {
        3 => b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => request.partial(&body),
    });
    let folder = tempfile::tempdir().unwrap();
    let (output, clock) = (folder.path().join("a.mp4"), folder.path().join("clock"));
    let set = |offset: &str| std::fs::write(&clock, offset).unwrap();
    set("+0");
    let mut child = Command::new(env!("CARGO_BIN_EXE_videocloud-downloader"))
        .args(["--json", "--allow-network", "127.0.0.0/8", "--source", &server.url("a"), "--digest", &digest(&content)])
        .args(["--limit-rate", "3M", "--progress-deadline", "20", "--give-up-after", "20", "--connections", "2"])
        .arg("--output")
        .arg(&output)
        .env("LD_PRELOAD", library())
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let events = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut last = Value::Null;
    let mut offsets = ["+3d", "-400d", "+0"].into_iter();
    for line in events {
        last = serde_json::from_str(&line).unwrap();
        if last["done"].as_u64().is_some_and(|done| done > 0)
            && let Some(offset) = offsets.next()
        {
            set(offset);
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(0), "{last}");
    assert!(offsets.next().is_none(), "the clock did not jump often enough");
    assert!(std::fs::read(&output).unwrap() == content);
    std::fs::remove_file(&clock).unwrap();
    holds_only(folder.path(), &["a.mp4"]);
}
