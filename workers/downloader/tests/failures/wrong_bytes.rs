//! Wrong bytes, files that change, mirrors that stall: the good mirror's bytes arrive, or none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::support::nginx::Nginx;
use super::support::script::Scripted;
use super::support::{bytes, digest};
use super::{MIB, get};

#[test]
fn a_file_that_changes_while_it_is_fetched_is_never_mixed() {
    let (old, new) = (bytes(21, 4 * MIB), bytes(22, 4 * MIB));
    let (before, after) = (old.clone(), new.clone());
    let changed = Arc::new(AtomicBool::new(false));
    let server = Scripted::start(move |request| {
        if request.number == 0 {
            let mut answer = request.partial(&before);
            answer.truncate(answer.len() / 2);
            changed.store(true, Ordering::SeqCst);
            return answer;
        }
        let answer = request.partial(&after);
        let text = String::from_utf8_lossy(&answer[..200]).into_owned();
        let end = text.find("\r\n\r\n").unwrap() + 4;
        [text[..end].replace("ETag: \"1\"", "ETag: \"2\"").as_bytes(), &answer[end..]].concat()
    });
    let (exit, last) = get(&[server.url("a")], &["--connections", "1"], &new);
    assert_eq!(exit, 0, "{last}");
}

#[test]
fn a_corrupt_mirror_alone_gives_no_file() {
    let content = bytes(23, 2 * MIB);
    let mut wrong = content.clone();
    wrong[MIB] ^= 1;
    let server = Scripted::start(move |request| request.partial(&wrong));
    let (exit, last) = get(&[server.url("a")], &["--digest", &digest(&content)], &[]);
    assert_eq!((exit, &last["reason"]), (20, &"DigestMismatch".into()), "{last}");
}

#[test]
fn a_mirror_that_falls_silent_does_not_hold_the_end() {
    let content = bytes(24, 8 * MIB);
    let good = Nginx::start("limit_rate 8m;");
    good.put("a", &content);
    let body = content.clone();
    // Sends a quarter of what was asked, and then neither more nor an end.
    let silent = Scripted::start(move |request| {
        let answer = request.partial(&body);
        let end = answer.len() / 4;
        if request.number > 0 {
            std::thread::sleep(std::time::Duration::from_secs(3600));
        }
        answer[..end].to_vec()
    });
    let (exit, last) = get(&[silent.url("a"), good.url("a")], &["--digest", &digest(&content)], &content);
    assert_eq!(exit, 0, "{last}");
}

#[test]
fn without_a_digest_the_shorter_mirror_is_not_mixed_in() {
    let content = bytes(25, 3 * MIB);
    let (whole, cut) = (content.clone(), content[..2 * MIB].to_vec());
    let (good, short) = (Scripted::start(move |r| r.partial(&whole)), Scripted::start(move |r| r.partial(&cut)));
    let size = content.len().to_string();
    let (exit, last) = get(&[short.url("a"), good.url("a")], &["--size", &size], &content);
    assert_eq!(exit, 0, "{last}");
    assert_eq!(last["sources"][0]["reason"], "SizeMismatch", "{last}");
}
