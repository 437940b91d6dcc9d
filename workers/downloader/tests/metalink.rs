//! Metalinks over real web servers: mirrors that lie, die or have another file, and documents that contradict the order.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, dead_code)]

mod support;

use serde_json::Value;
use sha2::Digest as _;
use support::nginx::Nginx;
use support::{bytes, digest, holds_only, run};

const MIB: usize = 1 << 20;
const PIECE: usize = 256 << 10;

/// A document for `content` with `hashes` inside and these links, best first.
fn metalink(content: &[u8], hashes: &str, links: &[String]) -> String {
    let urls = links.iter().enumerate().map(|(at, link)| format!("<url priority=\"{}\">{link}</url>", at + 1));
    format!(
        "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"a.mp4\"><size>{}</size>{hashes}{}</file></metalink>",
        content.len(),
        urls.collect::<String>()
    )
}

fn piece_hashes(content: &[u8]) -> String {
    let each = content.chunks(PIECE).map(|piece| format!("<hash>{}</hash>", hex::encode(sha2::Sha256::digest(piece))));
    format!("<pieces length=\"{PIECE}\" type=\"sha-256\">{}</pieces>", each.collect::<String>())
}

fn source<'a>(last: &'a Value, url: &str) -> &'a Value {
    last["sources"].as_array().unwrap().iter().find(|source| source["url"] == url).unwrap()
}

#[test]
fn piece_hashes_find_the_lying_mirror_while_it_runs() {
    let server = Nginx::start("");
    let content = bytes(1, 24 * MIB);
    let mut wrong = content.clone();
    // Every piece of the liar is wrong.
    wrong.iter_mut().step_by(PIECE / 2).for_each(|byte| *byte ^= 1);
    server.put("good.mp4", &content);
    server.put("wrong.mp4", &wrong);
    let links = ["wrong.mp4", "good.mp4", "missing.mp4"].map(|name| server.url(name));
    server.put("a.meta4", metalink(&content, &piece_hashes(&content), &links).as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let (code, last) = run(&["--source", &server.url("a.meta4"), "--output", output.to_str().unwrap()]);
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content, "the bytes differ");
    holds_only(folder.path(), &["a.mp4"]);
    assert_eq!(last["verification"], "PieceHashes");
    let liar = source(&last, &links[0]);
    assert_eq!((&liar["state"], &liar["reason"]), (&"Banned".into(), &"WrongBytes".into()), "{last}");
    assert_eq!(source(&last, &links[2])["reason"], "NotFound");
}

#[test]
fn a_mirror_that_lies_in_one_piece_only_is_found_among_others() {
    let server = Nginx::start("");
    let content = bytes(2, 24 * MIB);
    let mut wrong = content.clone();
    wrong[100] ^= 1;
    wrong[20 * MIB] ^= 1;
    server.put("good.mp4", &content);
    server.put("wrong.mp4", &wrong);
    let links = ["wrong.mp4", "good.mp4"].map(|name| server.url(name));
    server.put("a.meta4", metalink(&content, &piece_hashes(&content), &links).as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let wanted = digest(&content);
    let arguments = ["--source", &server.url("a.meta4"), "--digest", &wanted, "--output", output.to_str().unwrap()];
    let (code, last) = run(&arguments);
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content, "the bytes differ");
    assert_eq!(last["verification"], "Digest");
}

#[test]
fn a_document_with_a_digest_only_proves_the_whole() {
    let server = Nginx::start("");
    let content = bytes(3, 3 * MIB);
    server.put("good.mp4", &content);
    let hash = format!("<hash type=\"sha-1\">{}</hash>", hex::encode(sha1::Sha1::digest(&content)));
    server.put("a.metalink", metalink(&content, &hash, &[server.url("good.mp4")]).as_bytes());
    let wrong = format!("<hash type=\"sha-1\">{}</hash>", "ab".repeat(20));
    server.put("wrong.metalink", metalink(&content, &wrong, &[server.url("good.mp4")]).as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let (code, last) = run(&["--source", &server.url("a.metalink"), "--output", output.to_str().unwrap()]);
    assert_eq!((code, &last["verification"]), (0, &"Digest".into()), "{last}");
    std::fs::remove_file(&output).unwrap();
    let (code, last) = run(&["--source", &server.url("wrong.metalink"), "--output", output.to_str().unwrap()]);
    assert_eq!((code, &last["reason"]), (20, &"DigestMismatch".into()), "{last}");
    assert!(!output.exists());
}

#[test]
fn a_document_that_contradicts_the_order_is_not_followed() {
    let server = Nginx::start("");
    let content = bytes(4, MIB);
    server.put("good.mp4", &content);
    server.put("a.meta4", metalink(&content, "", &[server.url("good.mp4")]).as_bytes());
    server.put("bad.meta4", b"<!DOCTYPE a [<!ENTITY b \"c\">]><metalink/>");
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let arguments = ["--source", &server.url("a.meta4"), "--size", "5", "--output", output.to_str().unwrap()];
    let (code, last) = run(&arguments);
    assert_eq!((code, &last["reason"]), (22, &"SourcesDisagree".into()), "{last}");
    let (code, last) = run(&["--source", &server.url("bad.meta4"), "--output", output.to_str().unwrap()]);
    assert_eq!((code, &last["reason"]), (22, &"ProtocolError".into()), "{last}");
    assert!(!output.exists());
}

#[test]
fn a_metalink_that_lies_on_the_disk_is_followed() {
    let server = Nginx::start("");
    let content = bytes(5, 3 * MIB);
    server.put("a.mp4", &content);
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("a.meta4");
    let links = ["gone.mp4", "a.mp4"].map(|name| server.url(name));
    std::fs::write(&document, metalink(&content, &piece_hashes(&content), &links)).unwrap();
    let output = folder.path().join("a.mp4");
    let (file, place) = (document.to_str().unwrap(), output.to_str().unwrap());
    let (code, last) = run(&["--metalink", file, "--output", place]);
    assert_eq!((code, &last["verification"]), (0, &"PieceHashes".into()), "{last}");
    assert!(std::fs::read(&output).unwrap() == content);
    std::fs::write(&document, "no metalink").unwrap();
    std::fs::remove_file(&output).unwrap();
    let (code, last) = run(&["--metalink", file, "--output", place]);
    assert_eq!((code, &last["reason"]), (22, &"BadSpec".into()), "{last}");
    let (code, _) = run(&["--metalink", "/nowhere.meta4", "--output", place]);
    assert_eq!(code, 21);
}
