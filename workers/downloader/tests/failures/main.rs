//! What goes wrong with mirrors, a file per group: each case ends with right bytes, or with a reason and no file.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, dead_code)]

#[path = "../support/mod.rs"]
mod support;

mod clock;
mod lengths;
mod other_node;
mod refusals;
mod rooms;
mod slow;
mod wrong_bytes;

use serde_json::Value;

const MIB: usize = 1 << 20;

/// Fetches `links` with `flags`. After success the file is `content` and lies alone; after failure there is none.
fn get(links: &[String], flags: &[&str], content: &[u8]) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4").display().to_string();
    let sources = links.iter().flat_map(|link| ["--source", link.as_str()]);
    let arguments: Vec<&str> = sources.chain(["--output", &output]).chain(flags.iter().copied()).collect();
    let (code, last) = support::run(&arguments);
    if code == 0 {
        assert!(std::fs::read(&output).unwrap() == content, "the bytes differ: {last}");
        support::holds_only(folder.path(), &["a.mp4"]);
    } else {
        assert!(!std::path::Path::new(&output).exists(), "a file after exit {code}: {last}");
        assert!(last["contentId"].is_null() && last["reason"].is_string(), "{last}");
    }
    (code, last)
}
