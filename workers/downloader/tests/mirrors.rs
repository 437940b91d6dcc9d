//! Several mirrors and nothing but a whole-file digest, or not even that: the odd one is found, and the file is right or said to be
//! one source's word.
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

/// Fetches `names` from `server` without a digest. Returns what came, and the last event.
fn agreed(server: &Nginx, names: &[&str]) -> (Vec<u8>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let links: Vec<String> = names.iter().map(|name| server.url(name)).collect();
    let mut arguments = vec!["--output", output.to_str().unwrap(), "--connections", "2"];
    links.iter().for_each(|link| arguments.extend(["--source", link]));
    let (code, last) = run(&arguments);
    assert_eq!(code, 0, "{last}");
    holds_only(folder.path(), &["a.mp4"]);
    (std::fs::read(&output).unwrap(), last)
}

#[test]
fn without_a_digest_two_mirrors_that_give_every_byte_alike_agree() {
    let server = Nginx::start("limit_rate 20m;");
    let content = bytes(11, 12 * MIB + 77);
    server.put("one.mp4", &content);
    server.put("two.mp4", &content);
    let (came, last) = agreed(&server, &["one.mp4", "two.mp4"]);
    assert!(came == content);
    assert_eq!(last["verification"], "Agreement", "{last}");
    let given = |at: usize| last["sources"][at]["bytes"].as_u64().unwrap();
    assert!(given(0) >= content.len() as u64 && given(1) >= content.len() as u64, "{last}");
}

/// One byte in twelve million, in the mirror that is followed or in one it is compared with: no sample would have found it.
#[test]
fn without_a_digest_one_wrong_byte_of_one_of_three_mirrors_is_found() {
    let server = Nginx::start("limit_rate 20m;");
    let content = bytes(12, 12 * MIB);
    let mut wrong = content.clone();
    wrong[7_654_321] ^= 1;
    server.put("wrong.mp4", &wrong);
    server.put("good.mp4", &content);
    server.put("also.mp4", &content);
    for odd in 0..3 {
        let mut names = vec!["good.mp4", "also.mp4"];
        names.insert(odd, "wrong.mp4");
        let (came, last) = agreed(&server, &names);
        assert!(came == content, "the odd one was number {odd}: {last}");
        assert_eq!(last["verification"], "Agreement", "{last}");
        // Others are named only when that very block was compared with theirs.
        if odd == 0 {
            assert_eq!(state(&last, odd), ("Banned", "WrongBytes"), "{last}");
        }
    }
}

#[test]
fn without_a_digest_one_word_against_another_is_said_to_be_that() {
    let server = Nginx::start("limit_rate 20m;");
    let (one, other) = (bytes(13, 8 * MIB), bytes(14, 8 * MIB));
    server.put("one.mp4", &one);
    server.put("other.mp4", &other);
    let (came, last) = agreed(&server, &["one.mp4", "other.mp4"]);
    assert!(came == one, "the first is followed, from end to end");
    assert_eq!(last["verification"], "SingleSource");
    assert_eq!(state(&last, 1).1, "SourcesDisagree", "{last}");
}

#[test]
fn without_a_digest_a_mirror_alone_is_one_source() {
    let server = Nginx::start("");
    let content = bytes(15, MIB);
    server.put("one.mp4", &content);
    let (came, last) = agreed(&server, &["one.mp4", "missing.mp4"]);
    assert!(came == content);
    assert_eq!((&last["verification"], state(&last, 1).1), (&"SingleSource".into(), "NotFound"), "{last}");
}

#[test]
fn without_a_digest_most_mirrors_set_the_size() {
    let server = Nginx::start("limit_rate 20m;");
    let content = bytes(16, 6 * MIB);
    server.put("short.mp4", &content[..4 * MIB]);
    server.put("good.mp4", &content);
    server.put("also.mp4", &content);
    let (came, last) = agreed(&server, &["short.mp4", "good.mp4", "also.mp4"]);
    assert!(came == content, "{last}");
    assert_eq!((&last["verification"], state(&last, 0).1), (&"Agreement".into(), "SizeMismatch"), "{last}");
}

/// A web mirror is faster than any search for a torrent: its word alone must not count while the torrent is on its way.
#[test]
fn a_description_that_comes_late_still_proves_what_came() {
    let server = Nginx::start("");
    let content = bytes(17, 2 * MIB);
    let mut wrong = content.clone();
    wrong[MIB] ^= 1;
    server.put("wrong.mp4", &wrong);
    server.put("good.mp4", &content);
    let hash = |piece: &[u8]| format!("<hash>{}</hash>", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(piece)));
    let document = format!(
        "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"a.mp4\"><size>{}</size>\
         <pieces length=\"{MIB}\" type=\"sha-256\">{}</pieces><url>{}</url></file></metalink>",
        content.len(),
        content.chunks(MIB).map(hash).collect::<String>(),
        server.url("good.mp4")
    );
    let late = support::script::Scripted::start(move |_| {
        std::thread::sleep(std::time::Duration::from_secs(2));
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", document.len());
        [head.as_bytes(), document.as_bytes()].concat()
    });
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let (wrong, late) = (server.url("wrong.mp4"), late.url("a.meta4"));
    let (code, last) = run(&["--source", &wrong, "--source", &late, "--output", output.to_str().unwrap()]);
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content, "{last}");
    assert_eq!((&last["verification"], state(&last, 0)), (&"PieceHashes".into(), ("Banned", "WrongBytes")), "{last}");
}

/// Only its server vouches for a Metalink; the digest was asked for by the user.
#[test]
fn piece_hashes_of_another_file_give_way_to_the_digest() {
    let server = Nginx::start("");
    let (content, other) = (bytes(18, 3 * MIB), bytes(19, 3 * MIB));
    server.put("good.mp4", &content);
    server.put("other.mp4", &other);
    let hash = |piece: &[u8]| format!("<hash>{}</hash>", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(piece)));
    // With a link that gives what the hashes are of, and with none.
    for link in [format!("<url>{}</url>", server.url("other.mp4")), String::new()] {
        let document = format!(
            "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"a.mp4\"><size>{}</size>\
             <pieces length=\"{MIB}\" type=\"sha-256\">{}</pieces>{link}</file></metalink>",
            other.len(),
            other.chunks(MIB).map(hash).collect::<String>(),
        );
        server.put("a.meta4", document.as_bytes());
        let last = arrives(&server, &["a.meta4", "good.mp4"], &content);
        assert_eq!(state(&last, 0), ("Failed", "SourcesDisagree"), "{last}");
    }
}
