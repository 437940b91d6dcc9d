#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use sha2::Digest as _;

use super::*;

fn four() -> String {
    let piece = |byte: u8| hex::encode(sha2::Sha256::digest([byte; 4]));
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
        <metalink xmlns="urn:ietf:params:xml:ns:metalink"><origin dynamic="true">http://o.example/x.meta4</origin>
        <file name="a.mp4"><size>10</size><hash type="sha-256">{whole}</hash><hash type="sha-1">zz</hash>
        <pieces length="4" type="sha-256"><hash>{a}</hash><hash>{b}</hash><hash>{c}</hash></pieces>
        <url priority="2" location="DE">http://b.example/a.mp4?x=1&amp;y=2</url>
        <url priority="1">ftp://a.example/a.mp4</url><url>gopher://c.example/</url>
        <metaurl mediatype="torrent" priority="3">http://t.example/a.torrent</metaurl></file>
        <file name="b.mp4"><size>1</size></file></metalink>"#,
        whole = "ab".repeat(32),
        a = piece(1),
        b = piece(2),
        c = piece(3),
    )
}

#[test]
fn version_four() {
    let description = parse(four().as_bytes(), Some("a.mp4")).unwrap();
    assert_eq!((description.size, description.digests.len()), (Some(10), 1));
    let pieces = description.pieces.unwrap();
    assert!(pieces.proves(0, &[1; 4]) && !pieces.proves(1, &[1; 4]));
    let links: Vec<_> = description.links.iter().map(|link| link.link.url().as_str()).collect();
    assert_eq!(
        links,
        ["ftp://a.example/a.mp4", "http://b.example/a.mp4?x=1&y=2", "http://t.example/a.torrent"],
        "in order of priority, and none that cannot be followed"
    );
    assert_eq!(description.links[1].location.as_deref(), Some("de"));
    assert_eq!(description.origin.as_deref(), Some("http://o.example/x.meta4"));
}

#[test]
fn version_three() {
    let hash = hex::encode(sha1::Sha1::digest([7; 4]));
    let text = format!(
        r#"<metalink version="3.0" xmlns="http://www.metalinker.org/"><files><file name="a"><size>4</size>
        <verification><hash type="md5">{md5}</hash><pieces length="4" type="sha1"><hash piece="0">{hash}</hash></pieces>
        </verification><resources><url type="http" preference="90" location="us">http://a.example/a</url>
        <url type="ftp" preference="100">ftp://a.example/a</url></resources></file></files></metalink>"#,
        md5 = "cd".repeat(16),
    );
    let description = parse(text.as_bytes(), None).unwrap();
    assert!(description.pieces.unwrap().proves(0, &[7; 4]));
    assert_eq!(description.digests.len(), 1);
    assert_eq!(description.links.iter().map(|link| link.priority).collect::<Vec<_>>(), [100, 90]);
}

#[test]
fn several_files_need_a_choice() {
    assert!(matches!(parse(four().as_bytes(), None), Err(MetalinkError::Select { .. })));
    assert!(matches!(parse(four().as_bytes(), Some("c")), Err(MetalinkError::Select { .. })));
    assert_eq!(parse(four().as_bytes(), Some("b.mp4")).unwrap().size, Some(1));
}

#[test]
fn hostile_documents() {
    let bomb = r#"<!DOCTYPE lolz [<!ENTITY lol "lol">]><metalink><file name="&lol;"/></metalink>"#;
    assert_eq!(parse(bomb.as_bytes(), None), Err(MetalinkError::Entities));
    let undeclared = r#"<metalink><file name="a"><url>http://a/&lol;</url></file></metalink>"#;
    assert_eq!(parse(undeclared.as_bytes(), None), Err(MetalinkError::Entities));
    let file = |inside: &str| format!(r#"<metalink><file name="a">{inside}</file></metalink>"#);
    let links = file(&"<url>http://a.example/</url>".repeat(10_001));
    assert_eq!(parse(links.as_bytes(), None), Err(MetalinkError::TooMuch("links")));
    let some = parse(file(&"<url>http://a.example/</url>".repeat(5000)).as_bytes(), None).unwrap();
    assert_eq!(some.links.len(), 100);
    let deep = "<a>".repeat(17);
    assert!(matches!(parse(deep.as_bytes(), None), Err(MetalinkError::TooMuch(_))));
    let endless = file(&format!("<url>{}</url>", "a".repeat(5000)));
    assert_eq!(parse(endless.as_bytes(), None), Err(MetalinkError::TooMuch("texts")));
    assert_eq!(parse(b"<metalink/>", None), Err(MetalinkError::NoFile));
    // Hashes that do not fit the size prove nothing; the rest is usable.
    let short =
        file(&format!(r#"<size>100</size><pieces length="10" type="sha-1"><hash>{}</hash></pieces>"#, "ab".repeat(20)));
    assert_eq!(parse(short.as_bytes(), None).unwrap().pieces, None);
}

proptest! {
    #[test]
    fn any_bytes_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes, None);
    }

    #[test]
    fn a_document_with_bytes_changed_ends_in_an_answer(at in 0_usize..800, byte: u8) {
        let mut text = four().into_bytes();
        let at = at % text.len();
        text[at] = byte;
        let _ = parse(&text, Some("a.mp4"));
    }
}
