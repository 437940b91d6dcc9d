//! Statuses that mean "not now", redirects that lead astray, TLS that proves nothing.

use std::time::{Duration, SystemTime};

use super::support::nginx::Nginx;
use super::support::script::Scripted;
use super::support::{bytes, digest, holds_only, run};
use super::{MIB, get};

fn status(line: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

#[test]
fn retry_after_is_honoured_as_seconds_and_as_a_date() {
    let content = bytes(1, 2 * MIB);
    for (code, date) in [("429 Too Many Requests", false), ("503 Service Unavailable", true)] {
        let body = content.clone();
        let began = std::sync::Mutex::new(None);
        let server = Scripted::start(move |request| {
            let mut began = began.lock().unwrap();
            let first = *began.get_or_insert_with(std::time::Instant::now);
            if first.elapsed() >= Duration::from_secs(1) {
                return request.partial(&body);
            }
            // Whoever asks before the time is told again, and the count below shows it.
            let after =
                if date { httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3)) } else { "2".to_owned() };
            status(&format!("{code}\r\nRetry-After: {after}"))
        });
        let (exit, last) = get(&[server.url("a")], &["--connections", "1"], &content);
        assert_eq!(exit, 0, "{code}: {last}");
        // The first request, and those of one file: nobody asked in between.
        assert!(server.requests() < 12, "{code}: {} requests", server.requests());
    }
}

#[test]
fn a_download_that_has_nothing_to_go_on_with_leaves_nothing() {
    let server = Nginx::start("");
    let content = bytes(3, MIB);
    server.put("a.mp4", &content);
    let wrong = digest(&bytes(4, MIB));
    for (link, flags, exit) in [("none.mp4", vec![], 22), ("a.mp4", vec!["--digest", wrong.as_str()], 20)] {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("a.mp4").display().to_string();
        let url = server.url(link);
        let (code, last) = run(&[&["--source", &url, "--output", &output], &flags[..]].concat());
        assert_eq!(code, exit, "{last}");
        holds_only(folder.path(), &[]);
    }
}

#[test]
fn servers_that_stumble_are_asked_again() {
    let content = bytes(2, 2 * MIB);
    for code in ["500 Internal Server Error", "502 Bad Gateway", "504 Gateway Timeout", "408 Request Timeout"] {
        let body = content.clone();
        let server = Scripted::start(move |request| match request.number {
            0 | 1 => status(code),
            _ => request.partial(&body),
        });
        let (exit, last) = get(&[server.url("a")], &["--connections", "1"], &content);
        assert_eq!(exit, 0, "{code}: {last}");
    }
}

#[test]
fn redirects_into_private_networks_are_not_followed() {
    for target in
        ["http://10.0.0.1/a", "http://169.254.169.254/latest", "http://[::1]/a", "ftp://127.0.0.1/a", "gopher://x/"]
    {
        let server = Scripted::start(move |_| status(&format!("302 Found\r\nLocation: {target}")));
        let (exit, last) = get(&[server.url("a")], &[], &[]);
        assert_eq!(exit, 22, "{target}: {last}");
        let reason = last["reason"].as_str().unwrap();
        assert!(["AddressForbidden", "BadRedirect"].contains(&reason), "{target}: {last}");
        assert_eq!(server.requests(), 1, "{target}: for good is for good");
    }
}

#[test]
fn a_server_that_speaks_no_tls_is_dropped_and_the_others_go_on() {
    let content = bytes(3, MIB);
    let server = Nginx::start("");
    server.put("a", &content);
    let tls = server.url("a").replace("http:", "https:");
    let (exit, last) = get(std::slice::from_ref(&tls), &[], &[]);
    assert_eq!((exit, &last["reason"]), (22, &"TlsFailed".into()), "{last}");
    let (exit, last) = get(&[tls, server.url("a")], &[], &content);
    assert_eq!(exit, 0, "{last}");
}
