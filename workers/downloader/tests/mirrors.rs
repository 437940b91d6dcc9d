//! Several mirrors and nothing but a whole-file digest: the odd one is found and what it wrote is fetched again.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, dead_code)]

mod support;

use serde_json::Value;
use support::nginx::Nginx;
use support::{bytes, digest, holds_only, run};

const MIB: usize = 1 << 20;

/// Fetches `names` from `server` as mirrors of `content` and expects it to arrive. Returns the last event.
fn arrives(server: &Nginx, names: &[&str], content: &[u8]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let wanted = digest(content);
    let links: Vec<String> = names.iter().map(|name| server.url(name)).collect();
    let mut arguments = vec!["--digest", &wanted, "--output", output.to_str().unwrap(), "--connections", "2"];
    links.iter().for_each(|link| arguments.extend(["--source", link]));
    let (code, last) = run(&arguments);
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content, "the bytes differ");
    holds_only(folder.path(), &["a.mp4"]);
    assert_eq!(last["verification"], "Digest");
    last
}

fn state(last: &Value, at: usize) -> (&str, &str) {
    let source = &last["sources"][at];
    (source["state"].as_str().unwrap(), source["reason"].as_str().unwrap_or(""))
}

#[test]
fn of_three_mirrors_the_odd_one_is_named_and_repaired() {
    let server = Nginx::start("limit_rate 20m;");
    let content = bytes(1, 24 * MIB);
    server.put("good.mp4", &content);
    server.put("also.mp4", &content);
    server.put("other.mp4", &bytes(9, 24 * MIB));
    let last = arrives(&server, &["other.mp4", "good.mp4", "also.mp4"], &content);
    assert_eq!(state(&last, 0), ("Banned", "WrongBytes"), "{last}");
}

#[test]
fn of_two_mirrors_the_right_one_is_found() {
    let server = Nginx::start("limit_rate 20m;");
    let content = bytes(2, 16 * MIB);
    server.put("good.mp4", &content);
    let mut wrong = content.clone();
    wrong[7 * MIB] ^= 1;
    wrong[100] ^= 1;
    server.put("wrong.mp4", &wrong);
    arrives(&server, &["wrong.mp4", "good.mp4"], &content);
}

#[test]
fn a_mirror_with_a_shorter_file_does_not_set_the_size() {
    let server = Nginx::start("limit_rate 20m;");
    let content = bytes(3, 8 * MIB);
    server.put("good.mp4", &content);
    server.put("short.mp4", &content[..5 * MIB]);
    let last = arrives(&server, &["short.mp4", "good.mp4"], &content);
    assert_ne!(state(&last, 0).0, "Active");
    assert_eq!(last["size"], content.len());
}
