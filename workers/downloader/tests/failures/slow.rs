//! A mirror that is hardly there: it gives what it can, and nobody waits for it.

use serde_json::Value;

use super::support::nginx::Nginx;
use super::support::{bytes, digest};
use super::{MIB, get};

fn given(last: &Value, source: usize) -> u64 {
    last["sources"][source]["bytes"].as_u64().unwrap()
}

#[test]
fn a_mirror_of_ten_kilobytes_a_second_holds_nothing_up() {
    let caps = ["limit_rate 10k;", "limit_rate 6m;", "limit_rate 6m;"];
    let servers = caps.map(Nginx::start);
    let content = bytes(61, 48 * MIB);
    servers.iter().for_each(|server| server.put("a", &content));
    let links = servers.each_ref().map(|server| server.url("a"));
    let (exit, last) = get(&links, &["--digest", &digest(&content), "--connections", "1"], &content);
    assert_eq!(exit, 0, "{last}");
    // What was taken from the slow one is what it gave while the others gave the rest; its first run of 4 MiB alone would
    // have taken seven minutes.
    assert!(given(&last, 0) < MIB as u64, "{last}");
    assert!(given(&last, 1) > 12 * MIB as u64 && given(&last, 2) > 12 * MIB as u64, "{last}");
    let twice = (0..3).map(|source| given(&last, source)).sum::<u64>() - content.len() as u64;
    assert!(twice < MIB as u64, "{twice} bytes were written twice: {last}");
}
