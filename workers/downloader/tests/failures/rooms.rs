//! Too little room, and the kill that comes at the worst time.

use std::io::{BufRead, BufReader};

use super::support::script::Scripted;
use super::support::{bytes, digest, holds_only, run, start};
use super::{MIB, get};

#[test]
fn a_size_beyond_all_room_is_refused_before_a_byte_is_written() {
    // A server that claims 100 TB: more than the volume of any test has.
    let server = Scripted::start(|request| {
        const SIZE: usize = 109_951_162_777_600;
        let (first, last) = request.range.unwrap_or((0, None));
        let last = last.unwrap_or(SIZE - 1);
        let length = last + 1 - first;
        let head = format!("Content-Length: {length}\r\nContent-Range: bytes {first}-{last}/{SIZE}");
        format!("HTTP/1.1 206 Partial Content\r\n{head}\r\n\r\nabc").into_bytes()
    });
    let (exit, last) = get(&[server.url("a")], &["--max-size", "1099511627776000"], &[]);
    assert_eq!((exit, &last["reason"]), (32, &"StoreFull".into()), "{last}");
}

#[test]
fn a_volume_that_is_full_ends_with_a_reason_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().display().to_string();
    let mounted = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs", &volume]).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("not run: only root may mount a volume of 4 MiB");
        return;
    }
    let content = bytes(31, 8 * MIB);
    let body = content.clone();
    let server = Scripted::start(move |request| request.partial(&body));
    let output = folder.path().join("a.mp4").display().to_string();
    let (exit, last) = run(&["--source", &server.url("a"), "--output", &output]);
    let there = std::path::Path::new(&output).exists();
    std::process::Command::new("umount").arg(&volume).status().unwrap();
    assert_eq!((exit, &last["reason"], there), (32, &"StoreFull".into(), false), "{last}");
}

#[test]
fn after_a_kill_no_more_is_fetched_again_than_was_not_safe() {
    let content = bytes(32, 24 * MIB);
    let body = content.clone();
    // Slow enough that several checkpoints lie between begin and kill.
    let server = Scripted::start(move |request| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        request.partial(&body)
    });
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4").display().to_string();
    let link = server.url("a");
    let wanted = digest(&content);
    let arguments = ["--source", &link, "--digest", &wanted, "--limit-rate", "2000000", "--output", &output];
    let mut child = start(&arguments);
    let events = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let done = |line: String| serde_json::from_str::<serde_json::Value>(&line).unwrap()["done"].as_u64().unwrap_or(0);
    let had = events.map(done).find(|done| *done > 16 * MIB as u64).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let (exit, last) = run(&["--source", &link, "--digest", &wanted, "--output", &output]);
    assert_eq!(exit, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content);
    holds_only(folder.path(), &["a.mp4"]);
    let again = last["sources"][0]["bytes"].as_u64().unwrap();
    let rest = content.len() as u64 - had;
    // Checkpoints are 5 s apart, and the rate is 2 MB/s.
    assert!(again <= rest + 14_000_000, "{again} bytes fetched where {rest} were missing");
}
