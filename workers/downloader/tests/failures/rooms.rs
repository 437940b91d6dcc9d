//! Too little room, and the kill that comes at the worst time.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::support::script::{Request, Scripted};
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

/// Answers that claim a content of `SIZE` zero bytes and send as much as is taken.
fn sparse<const SIZE: usize>(request: &Request) -> Vec<u8> {
    let (first, last) = request.range.unwrap_or((0, None));
    let last = last.unwrap_or(SIZE - 1);
    let length = last + 1 - first;
    let head = format!("Content-Length: {length}\r\nContent-Range: bytes {first}-{last}/{SIZE}\r\nETag: \"1\"");
    let mut answer = format!("HTTP/1.1 206 Partial Content\r\n{head}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + length.min(48 * MIB), 0);
    answer
}

const HUNDRED_GB: usize = 100_000_000_000;

/// Mounts a volume at `path`; false when only root may.
fn mount(arguments: &[&str], path: &str) -> bool {
    let mounted = Command::new("mount").args(arguments).arg(path).stderr(Stdio::null()).status();
    let mounted = mounted.is_ok_and(|status| status.success());
    if !mounted {
        eprintln!("not run: only root may mount a volume");
    }
    mounted
}

#[test]
fn a_hundred_gigabytes_where_four_are_free_is_refused_and_takes_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().display().to_string();
    if !mount(&["-t", "tmpfs", "-o", "size=4g", "tmpfs"], &volume) {
        return;
    }
    let server = Scripted::start(sparse::<HUNDRED_GB>);
    let output = folder.path().join("a.mp4").display().to_string();
    let (exit, last) = run(&["--source", &server.url("a"), "--output", &output]);
    let used = Command::new("du").args(["-s", "--block-size=1", &volume]).output().unwrap().stdout;
    Command::new("umount").arg(&volume).status().unwrap();
    assert_eq!((exit, &last["reason"]), (32, &"StoreFull".into()), "{last}");
    let used: u64 = String::from_utf8(used).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    // What was on its way when the answer's head told the size may be there, and no more. It may end before any source was shown.
    assert!(used < 16 * MIB as u64, "{used} bytes of the volume were taken");
    assert!(last["sources"][0]["bytes"].as_u64().unwrap_or_default() < 16 * MIB as u64, "{last}");
}

/// A sparse file system of 120 GB on little real room, four mirrors, 64 connections, every hash.
#[test]
fn a_hundred_gigabytes_take_less_than_256_mib_of_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (image, volume) = (folder.path().join("image"), folder.path().join("volume"));
    std::fs::create_dir(&volume).unwrap();
    std::fs::File::create(&image).unwrap().set_len(120_000_000_000).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0", "-O", "^has_journal"]).arg(&image).status();
    assert!(made.unwrap().success(), "mkfs.ext4 runs: install the Debian package e2fsprogs");
    let (image, volume) = (image.display().to_string(), volume.display().to_string());
    if !mount(&["-o", "loop", &image], &volume) {
        return;
    }
    let servers: Vec<Scripted> = (0..4).map(|_| Scripted::start(sparse::<HUNDRED_GB>)).collect();
    let links: Vec<String> = servers.iter().map(|server| server.url("a")).collect();
    let output = format!("{volume}/a.mp4");
    let digest = format!("sha256:{}", "0".repeat(64));
    let sources = links.iter().flat_map(|link| ["--source", link.as_str()]);
    let flags = ["--output", &output, "--digest", &digest, "--connections", "16", "--digests", "all"];
    let mut child = start(&sources.chain(flags).collect::<Vec<_>>());
    let events = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let done = |line: String| serde_json::from_str::<serde_json::Value>(&line).unwrap()["done"].as_u64().unwrap_or(0);
    // Enough that every lane has had many runs, and the window between what was fetched and what was hashed is as wide as it gets.
    let came = events.map(done).find(|done| *done > 1_500_000_000);
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    child.kill().unwrap();
    child.wait().unwrap();
    Command::new("umount").arg(&volume).status().unwrap();
    assert!(came.is_some(), "it ended before");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells the peak");
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("peak of resident memory: {kilobytes} kB");
    assert!(kilobytes < 256 << 10, "{kilobytes} kB");
}

#[test]
fn a_volume_that_is_full_ends_with_a_reason_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().display().to_string();
    if !mount(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"], &volume) {
        return;
    }
    let content = bytes(31, 8 * MIB);
    let body = content.clone();
    let server = Scripted::start(move |request| request.partial(&body));
    let output = folder.path().join("a.mp4").display().to_string();
    let (exit, last) = run(&["--source", &server.url("a"), "--output", &output]);
    let there = std::path::Path::new(&output).exists();
    Command::new("umount").arg(&volume).status().unwrap();
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
