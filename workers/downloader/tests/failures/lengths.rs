//! Answers whose lengths lie: early ends, contradictions, encodings, answers to other questions, floods.

use super::support::nginx::Nginx;
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

/// Behind an honest answer waits a second one, to a request that was not sent yet, with other bytes: the next request of a client
/// that keeps the connection would take it for its own.
#[test]
fn an_answer_that_was_smuggled_behind_another_is_not_read() {
    let content = bytes(14, 12 * MIB);
    let body = content.clone();
    let server = Scripted::start(move |request| {
        let honest = request.partial(&body);
        let next = request.range.and_then(|(_, last)| last).map_or(body.len(), |last| last + 1);
        let end = (next + 65_536).min(body.len());
        let head = format!("Content-Length: {}\r\nContent-Range: bytes {next}-{}/{}", end - next, end - 1, body.len());
        let forged = format!("HTTP/1.1 206 Partial Content\r\n{head}\r\nETag: \"1\"\r\n\r\n");
        [&honest[..], forged.as_bytes(), &vec![b'!'; end - next]].concat()
    });
    let size = content.len().to_string();
    // Nothing would prove the bytes: what is written must be right by itself.
    let (exit, last) = get(&[server.url("a")], &["--size", &size, "--connections", "2"], &content);
    assert_eq!(exit, 0, "{last}");
    assert_eq!(last["verification"], "SingleSource");
}

/// Where the body ends is said twice, or in numbers that no two programs read alike (RFC 9112, section 6.3 and 7.1).
#[test]
fn bodies_whose_end_is_a_matter_of_opinion_are_refused() {
    let length = "200 OK\r\nContent-Length: 1000";
    let chunked = "200 OK\r\nTransfer-Encoding: chunked";
    let whole = "x".repeat(1000);
    let answers = [
        format!("{length}\r\nTransfer-Encoding : chunked\r\n\r\n3e8\r\n{whole}\r\n0\r\n\r\n"),
        format!("{length}\r\nTransfer-Encoding:\x0bchunked\r\n\r\n3e8\r\n{whole}\r\n0\r\n\r\n"),
        format!("{length},1000, 5\r\n\r\n{whole}"),
        format!("200 OK\r\nContent-Length: 0x3e8\r\n\r\n{whole}"),
        format!("{chunked}\r\n\r\n10000000000000003e8\r\n{whole}\r\n0\r\n\r\n"),
        format!("{chunked}\r\n\r\n-3e8\r\n{whole}\r\n0\r\n\r\n"),
        format!("{chunked}\r\n\r\n3e7\r\n{whole}\r\n0\r\n\r\n"),
        format!("{chunked}\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n{whole}\r\n0\r\n\r\n"),
        format!("{chunked}\r\nContent-Length: 7\r\nContent-Length: 9\r\n\r\n3e8\r\n{}\r\n0\r\n\r\n", &whole[1..]),
    ];
    std::thread::scope(|scope| {
        for answer in &answers {
            let whole = &whole;
            scope.spawn(move || {
                let sent = format!("HTTP/1.1 {answer}").into_bytes();
                let server = Scripted::start(move |_| sent.clone());
                let flags = ["--progress-deadline", "3", "--size", "1000"];
                let (exit, last) = get(&[server.url("a")], &flags, whole.as_bytes());
                assert_ne!(exit, 0, "{answer:.120}: {last}");
            });
        }
    });
}

/// A server without ranges that breaks again and again would have the first bytes fetched without end.
#[test]
fn what_one_source_may_deliver_in_vain_is_limited() {
    let content = bytes(15, 40 * MIB);
    let body = content.clone();
    let server = Scripted::start(move |request| {
        // Each time a little more than before.
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"1\"\r\n\r\n", body.len());
        let end = (20 * MIB + request.number * 400_000).min(body.len());
        [head.as_bytes(), &body[..end]].concat()
    });
    let (exit, last) = get(&[server.url("a")], &["--digest", &digest(&content)], &content);
    assert_ne!(exit, 0, "{last}");
    assert_eq!(last["sources"][0]["reason"], "WastedBytes", "{last}");
    assert!(server.sent() < 3 * content.len() as u64 + 80 * MIB as u64, "{} bytes were taken", server.sent());
}

/// Who says that there is more than there is holds up nobody who has all there is: the digest decides.
#[test]
fn a_mirror_that_announces_more_than_there_is_does_not_set_the_size() {
    let content = bytes(31, 3 * MIB);
    let server = Nginx::start("");
    server.put("a.mp4", &content);
    let body = content.clone();
    let liar = Scripted::start(move |request| {
        if request.range.is_some_and(|(first, _)| first >= body.len()) {
            return format!("HTTP/1.1 416 No\r\nContent-Range: bytes */{}\r\n\r\n", body.len() + 9).into_bytes();
        }
        let answer = request.partial(&body);
        let said = format!("/{}\r\n", body.len());
        let text = String::from_utf8_lossy(&answer[..200]).replace(&said, &format!("/{}\r\n", body.len() + 9));
        let head = text.split_inclusive("\r\n\r\n").next().unwrap();
        let begin = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        [head.as_bytes(), &answer[begin..]].concat()
    });
    let links = [liar.url("a.mp4"), server.url("a.mp4")];
    let wanted = digest(&content);
    for links in [links.clone(), [links[1].clone(), links[0].clone()]] {
        let (exit, last) = get(&links, &["--digest", &wanted, "--give-up-after", "10"], &content);
        assert_eq!(exit, 0, "{last}");
    }
}

#[test]
fn a_server_that_takes_requests_and_says_nothing_is_named_as_the_reason() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let link = format!("http://{}/a.mp4", listener.local_addr().unwrap());
    let (exit, last) = get(&[link], &["--give-up-after", "14"], &[]);
    assert_eq!((exit, &last["sources"][0]["reason"]), (22, &"Unreachable".into()), "{last}");
    assert_eq!(last["sources"][0]["state"], "Failed", "{last}");
}

#[test]
fn an_order_that_is_refused_says_so_in_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    std::fs::write(&output, "of somebody else").unwrap();
    let arguments = ["--source", "http://127.0.0.1:1/a.mp4", "--output", output.to_str().unwrap()];
    let (exit, last) = super::support::run(&arguments);
    assert_eq!((exit, &last["event"], &last["reason"]), (21, &"failed".into(), &"BadSpec".into()), "{last}");
    assert_eq!((&last["sources"][0]["bytes"], &last["sources"][0]["state"]), (&0.into(), &"Waiting".into()), "{last}");
    assert_eq!(std::fs::read(&output).unwrap(), b"of somebody else");
}
