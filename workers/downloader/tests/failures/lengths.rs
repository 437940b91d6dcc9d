//! Answers whose lengths lie: early ends, contradictions, encodings, answers to other questions, floods.

use super::support::script::Scripted;
use super::support::{bytes, digest};
use super::{MIB, get};

#[test]
fn an_answer_that_ends_early_is_gone_on_with_from_its_last_byte() {
    let content = bytes(11, 3 * MIB);
    let body = content.clone();
    let server = Scripted::start(move |request| {
        let mut answer = request.partial(&body);
        if request.number < 3 {
            answer.truncate(answer.len() / 2);
        }
        answer
    });
    let (exit, last) = get(&[server.url("a")], &["--connections", "1"], &content);
    assert_eq!(exit, 0, "{last}");
    let sent = server.sent();
    assert!(sent < content.len() as u64 + 16_384, "{sent} bytes were sent for {}", content.len());
}

/// Each of these is a lie about one answer; no byte of it may reach the file.
#[test]
fn answers_that_contradict_themselves_are_refused() {
    let heads = [
        "206 Partial Content\r\nContent-Length: 1000\r\nContent-Range: bytes 5-1004/1000",
        "206 Partial Content\r\nContent-Length: 1000\r\nContent-Range: bytes 1-1000/2000",
        "206 Partial Content\r\nContent-Length: 999\r\nContent-Range: bytes 0-999/1000",
        "206 Partial Content\r\nContent-Length: 1000",
        "206 Partial Content\r\nContent-Length: 1000\r\nContent-Range: bytes 0-999/1000\r\nContent-Encoding: gzip",
        "200 OK\r\nContent-Length: 1000\r\nContent-Encoding: gzip",
        "200 OK\r\nContent-Length: 1000\r\nContent-Length: 5",
        "200 OK\r\nContent-Length: 1000\r\nContent-Length: +1000",
        "200 OK\r\nContent-Length: -1",
        "200 OK\r\nTransfer-Encoding: chunked, identity\r\nContent-Length: 1000",
        "200 OK\r\nTransfer-Encoding: xchunked",
        "200 OK\r\nTransfer-Encoding: chunked",
    ];
    for head in heads {
        let server = Scripted::start(move |_| [format!("HTTP/1.1 {head}\r\n\r\n").as_bytes(), &[b'x'; 1000]].concat());
        let (exit, last) = get(&[server.url("a")], &["--progress-deadline", "4", "--size", "1000"], &[]);
        assert_ne!(exit, 0, "{head}: {last}");
    }
}

#[test]
fn a_whole_answer_to_a_ranged_request_is_never_written_at_an_offset() {
    let content = bytes(12, 6 * MIB + 9);
    let body = content.clone();
    // The first answer is partial and breaks; from then on the server has forgotten what ranges are.
    let server = Scripted::start(move |request| {
        if request.number == 0 {
            let mut answer = request.partial(&body);
            answer.truncate(2 * MIB);
            return answer;
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"1\"\r\n\r\n", body.len());
        [head.as_bytes(), &body[..]].concat()
    });
    let (exit, last) = get(&[server.url("a")], &["--digest", &digest(&content)], &content);
    assert_eq!(exit, 0, "{last}");
}

#[test]
fn a_flood_is_cut_off() {
    let content = bytes(13, MIB);
    let body = content.clone();
    let server = Scripted::start(move |request| {
        // Ten times what was asked for, behind an honest head.
        let answer = request.partial(&body);
        [&answer[..], &vec![0; 10 * MIB]].concat()
    });
    let (exit, last) = get(&[server.url("a")], &["--digest", &digest(&content)], &content);
    assert_eq!(exit, 0, "{last}");
    assert!(last["sources"][0]["bytes"].as_u64().unwrap() <= content.len() as u64, "{last}");
}
