//! The command against a real web server: what arrives, what is refused, what survives a kill.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use serde_json::Value;
use support::nginx::Nginx;
use support::{bytes, digest, holds_only, run, start};

const MIB: usize = 1 << 20;

#[test]
fn a_file_arrives_over_several_connections_and_nothing_is_left_beside_it() {
    let server = Nginx::start("");
    let content = bytes(1, 40 * MIB);
    server.put("a.mp4", &content);
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let (code, last) = run(&["--source", &server.url("a.mp4"), "--output", output.to_str().unwrap()]);
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content, "the bytes differ");
    holds_only(folder.path(), &["a.mp4"]);
    assert_eq!(format!("sha256:{}", last["contentId"].as_str().unwrap()), digest(&content));
    assert_eq!(last["verification"], "SingleSource");
    assert_eq!(last["sources"][0]["bytes"], content.len());
    assert!(server.requests("a.mp4") > 1, "one request only");
}

#[test]
fn small_files_of_every_length_arrive() {
    let server = Nginx::start("");
    for length in [1, 2, 511, 65_535, 65_536, 65_537, MIB + 1] {
        let content = bytes(length as u64, length);
        server.put("small.mp4", &content);
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("x");
        let wanted = digest(&content);
        let arguments =
            ["--source", &server.url("small.mp4"), "--digest", &wanted, "--output", output.to_str().unwrap()];
        let (code, last) = run(&arguments);
        assert_eq!(code, 0, "{length}: {last}");
        assert!(std::fs::read(&output).unwrap() == content, "{length}");
        assert_eq!(last["verification"], "Digest");
    }
}

#[test]
fn a_killed_run_goes_on_where_it_was() {
    let server = Nginx::start("limit_rate 10m;");
    let content = bytes(3, 32 * MIB);
    server.put("a.mp4", &content);
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let link = server.url("a.mp4");
    let arguments = ["--source", &link, "--connections", "2", "--output", output.to_str().unwrap()];
    let mut child = start(&arguments);
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    // The first event is enough: it is killed wherever it is then.
    reader.read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, last) = run(&arguments);
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content, "the bytes differ");
    holds_only(folder.path(), &["a.mp4"]);
}

#[test]
fn a_stopped_run_keeps_what_it_has() {
    let server = Nginx::start("limit_rate 2m;");
    let content = bytes(4, 12 * MIB);
    server.put("a.mp4", &content);
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let link = server.url("a.mp4");
    let arguments = ["--source", &link, "--connections", "1", "--output", output.to_str().unwrap()];
    let mut child = start(&arguments);
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    let had = events
        .by_ref()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["done"].as_u64().unwrap_or(0))
        .find(|done| *done > MIB as u64)
        .unwrap();
    let stopped = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(stopped.success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(!output.exists());
    let (code, last) = run(&arguments);
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content, "the bytes differ");
    let again = last["sources"][0]["bytes"].as_u64().unwrap();
    assert!(again + had <= content.len() as u64, "{had} bytes were there, {again} were fetched again");
}

#[test]
fn mirrors_are_used_together_and_a_lying_one_does_no_harm() {
    let (good, bad) = (Nginx::start("limit_rate 8m;"), Nginx::start("limit_rate 8m;"));
    let content = bytes(5, 24 * MIB);
    let mut wrong = content.clone();
    wrong[20 * MIB] ^= 1;
    wrong[3] ^= 1;
    good.put("a.mp4", &content);
    bad.put("a.mp4", &content);
    let folder = tempfile::tempdir().unwrap();
    let wanted = digest(&content);
    let sources = [good.url("a.mp4"), bad.url("a.mp4")];
    let arguments = |output: &str| {
        let flags = ["--source", &sources[1], "--source", &sources[0], "--digest", &wanted, "--output", output];
        flags.map(str::to_owned)
    };
    let output = folder.path().join("both");
    let flags = arguments(output.to_str().unwrap());
    let (code, last) = run(&flags.each_ref().map(String::as_str));
    assert_eq!(code, 0, "{last}");
    assert!((0..2).all(|source| last["sources"][source]["bytes"].as_u64().unwrap() > 0), "{last}");

    bad.put("a.mp4", &wrong);
    let output = folder.path().join("liar");
    let flags = arguments(output.to_str().unwrap());
    let (code, last) = run(&flags.each_ref().map(String::as_str));
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content, "a wrong byte was let through");
}

#[test]
fn without_a_digest_bytes_of_two_mirrors_are_never_mixed() {
    let (one, other) = (Nginx::start(""), Nginx::start(""));
    let contents = [bytes(6, 5 * MIB), bytes(7, 5 * MIB)];
    one.put("a.mp4", &contents[0]);
    other.put("a.mp4", &contents[1]);
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("x");
    let sources = [one.url("a.mp4"), other.url("a.mp4")];
    let (code, last) = run(&["--source", &sources[0], "--source", &sources[1], "--output", output.to_str().unwrap()]);
    assert_eq!(code, 0, "{last}");
    let got = std::fs::read(&output).unwrap();
    assert!(contents.contains(&got), "a mixture of two files");
    assert_eq!(last["verification"], "SingleSource");
}

#[test]
fn a_server_without_ranges_is_read_from_end_to_end() {
    let server = Nginx::start("max_ranges 0;");
    let content = bytes(8, 9 * MIB + 5);
    server.put("a.mp4", &content);
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a");
    let (code, last) = run(&["--source", &server.url("a.mp4"), "--output", output.to_str().unwrap()]);
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content);
    assert_eq!(server.requests("a.mp4"), 1, "the body was begun more than once");
}

#[test]
fn redirects_are_followed_but_never_to_a_forbidden_address() {
    let server = Nginx::start(
        "location /hop/ { return 302 /a.mp4; }\n location /loop { return 302 /loop; }\n\
         location /meta { return 302 http://169.254.169.254/a.mp4; }\n location /file { return 302 file:///etc/passwd; }",
    );
    let content = bytes(9, MIB);
    server.put("a.mp4", &content);
    let folder = tempfile::tempdir().unwrap();
    let get = |path: &str| run(&["--source", &server.url(path), "--output", folder.path().join("o").to_str().unwrap()]);
    let (code, last) = get("hop/a.mp4");
    assert_eq!(code, 0, "{last}");
    std::fs::remove_file(folder.path().join("o")).unwrap();
    for (path, word) in [("meta", "AddressForbidden"), ("loop", "BadRedirect"), ("file", "BadRedirect")] {
        let (code, last) = get(path);
        assert_eq!((code, last["reason"].as_str()), (22, Some(word)), "{path}: {last}");
        assert!(!folder.path().join("o").exists());
    }
}

#[test]
fn what_cannot_be_had_is_said_and_leaves_no_file() {
    let server = Nginx::start(
        "location /busy { return 429; }\n location = /forbidden.mp4 { return 403; }\n location = /page.mp4 { default_type video/mp4; }",
    );
    server.put("empty.mp4", b"");
    server.put("page.mp4", b"<!DOCTYPE html><html><body>Sign in</body></html>");
    server.put("list.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n");
    server.put("real.mp4", &bytes(10, 1000));
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("o").display().to_string();
    let wrong = digest(b"another");
    let cases: [(&str, &[&str], i32, &str); 8] = [
        ("none.mp4", &[], 22, "NotFound"),
        ("forbidden.mp4", &[], 22, "Forbidden"),
        ("empty.mp4", &[], 20, "Empty"),
        ("page.mp4", &["--media-only"], 20, "NotMedia"),
        ("list.mp4", &["--media-only"], 20, "NotMedia"),
        ("real.mp4", &["--size", "999"], 20, "SizeMismatch"),
        ("real.mp4", &["--max-size", "999"], 20, "TooLarge"),
        ("real.mp4", &["--digest", &wrong], 20, "DigestMismatch"),
    ];
    for (path, flags, code, word) in cases {
        let link = server.url(path);
        let arguments = [&["--source", &link, "--output", &output], flags].concat();
        let (actual, last) = run(&arguments);
        assert_eq!((actual, last["reason"].as_str()), (code, Some(word)), "{path} {flags:?}: {last}");
        assert!(last["contentId"].is_null());
        assert!(!std::path::Path::new(&output).exists(), "{path}: a file is there");
    }
    let (code, last) = run(&["--source", "http://no-such-host.invalid/a.mp4", "--output", &output]);
    assert_eq!((code, last["reason"].as_str()), (22, Some("NameNotResolved")), "{last}");
    let private = ["--source", "http://10.255.255.1/a.mp4", "--output", &output];
    let (code, last) = run(&private);
    assert_eq!((code, last["reason"].as_str()), (22, Some("AddressForbidden")), "{last}");
}

#[test]
fn a_content_that_changes_midway_is_fetched_anew() {
    let server = Nginx::start("limit_rate 3m;");
    let contents = [bytes(11, 8 * MIB), bytes(12, 7 * MIB)];
    server.put("a.mp4", &contents[0]);
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let link = server.url("a.mp4");
    let arguments = ["--source", &link, "--connections", "1", "--output", output.to_str().unwrap()];
    let mut child = start(&arguments);
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    events
        .by_ref()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["done"].as_u64().unwrap_or(0))
        .find(|done| *done > MIB as u64)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    server.put("a.mp4", &contents[1]);
    let (code, last) = run(&arguments);
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == contents[1], "bytes of two states are mixed");
}

/// A server that names no length and knows no ranges: it sends `content` and then closes.
fn without_length(content: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nConnection: close\r\n\r\n");
            // Fails when the client has seen enough.
            let _ = stream.write_all(&content);
        }
    });
    format!("http://{address}/a.mp4")
}

#[test]
fn an_answer_that_goes_on_behind_the_expected_size_is_refused() {
    for beyond in [1, 1000, 4 * MIB] {
        let link = without_length(bytes(3, 300_000 + beyond));
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("a.mp4");
        let arguments = ["--source", &link, "--size", "300000", "--output", output.to_str().unwrap()];
        let (code, last) = run(&arguments);
        assert_ne!(code, 0, "{beyond} bytes beyond: {last}");
        assert_eq!(last["reason"], "SizeMismatch", "{last}");
        assert!(!output.exists());
    }
    let content = bytes(3, 300_000);
    let link = without_length(content.clone());
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let (code, last) = run(&["--source", &link, "--size", "300000", "--output", output.to_str().unwrap()]);
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content, "the bytes differ");
}
