//! Proxies, cookies, users and rates as flags, against nginx as the proxy's other side.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, dead_code)]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use support::nginx::Nginx;
use support::{bytes, run};

const MIB: usize = 1 << 20;

/// A proxy that answers one CONNECT after the other and forwards bytes; ends with the process. No Debian package of a forward
/// proxy is small enough to be worth one.
fn proxy() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || forward(client));
        }
    });
    port
}

fn forward(mut client: TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && client.read_exact(&mut byte).is_ok() {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    // user:secret
    if !head.contains("Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=") {
        let _ = client.write_all(b"HTTP/1.1 407 no\r\n\r\n");
        return;
    }
    let target = head.split_whitespace().nth(1).unwrap().to_owned();
    let Ok(mut server) = TcpStream::connect(target) else { return };
    client.write_all(b"HTTP/1.1 200 yes\r\n\r\n").unwrap();
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    let _ = std::io::copy(&mut server, &mut client);
}

#[test]
fn through_a_proxy_with_a_password() {
    let server = Nginx::start("");
    let content = bytes(1, 3 * MIB);
    server.put("a.mp4", &content);
    let port = proxy();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let through = format!("http://user:secret@127.0.0.1:{port}");
    let arguments = [&server.url("a.mp4"), "--proxy", &through, "--output", output.to_str().unwrap()];
    let (code, last) = run(&arguments);
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content, "the bytes differ");
    let wrong = format!("http://user:wrong@127.0.0.1:{port}");
    let other = folder.path().join("b.mp4");
    let (code, last) = run(&[&server.url("a.mp4"), "--proxy", &wrong, "--output", other.to_str().unwrap()]);
    assert_eq!((code, &last["reason"]), (22, &"Forbidden".into()), "{last}");
    assert!(!last.to_string().contains("wrong") && !other.exists());
}

#[test]
fn users_and_cookies_are_sent() {
    // curl -u user:secret -b a=b
    let server = Nginx::start(
        "location / { if ($http_cookie != \"a=b\") { return 403; }\n\
         if ($http_authorization != \"Basic dXNlcjpzZWNyZXQ=\") { return 401; } }",
    );
    server.put("a.mp4", &bytes(1, MIB));
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let arguments = [&server.url("a.mp4"), "-u", "user:secret", "-b", "a=b", "-o", output.to_str().unwrap()];
    assert_eq!(run(&arguments).0, 0);
    let other = folder.path().join("b.mp4");
    let (code, last) = run(&[&server.url("a.mp4"), "-b", "a=b", "-o", other.to_str().unwrap()]);
    assert_eq!((code, &last["reason"]), (22, &"Forbidden".into()), "{last}");
}
