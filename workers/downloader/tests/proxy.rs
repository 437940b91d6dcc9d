//! Everything goes through a proxy that is named, and nothing around it; cookies, users and rates as flags.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, dead_code)]

#[path = "support/libtorrent.rs"]
mod libtorrent;
mod support;

use libtorrent::Seeds;
use serde_json::json;
use support::ftp::Vsftpd;
use support::nginx::Nginx;
use support::proxy::{OTHER_SIDE, Proxy};
use support::tracker::opentracker;
use support::{bytes, run};
use videocloud_downloader::engine::{Status, fetch};
use videocloud_downloader::task::{Network, order};
use videocloud_protocol::content::Visibility;
use videocloud_protocol::ids::{ClaimKey, TaskId};
use videocloud_protocol::task::{DownloadLimits, DownloadTask, SourceSpec};
use videocloud_store::{Durability, Store};

const MIB: usize = 1 << 20;

/// Runs it with `arguments` and an output file; what lies there at the end has to be `content`.
fn fetches(arguments: &[&str], content: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4");
    let (code, last) = run(&[arguments, &["--output", output.to_str().unwrap()]].concat());
    assert_eq!(code, 0, "{last}");
    assert!(std::fs::read(&output).unwrap() == content, "the bytes differ");
}

#[test]
fn through_a_proxy_with_a_password() {
    let server = Nginx::start("");
    let content = bytes(1, 3 * MIB);
    server.put("a.mp4", &content);
    for proxy in [Proxy::http(), Proxy::socks()] {
        fetches(&[&server.url("a.mp4"), "--proxy", &proxy.url("secret")], &content);
        assert!(proxy.led_to(server.port()) > 0, "it went around the proxy");
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("b.mp4");
        let arguments = [&server.url("a.mp4"), "--proxy", &proxy.url("wrong"), "--output", other.to_str().unwrap()];
        let (code, last) = run(&arguments);
        assert_eq!((code, &last["reason"]), (22, &"Forbidden".into()), "{last}");
        assert!(!last.to_string().contains("wrong") && !other.exists());
    }
}

#[test]
fn control_and_data_of_ftp_go_through_it() {
    let content = bytes(2, 3 * MIB);
    let server = Vsftpd::start("");
    server.put("a.mp4", &content);
    for proxy in [Proxy::http(), Proxy::socks()] {
        fetches(&[&server.url("ftp", "a.mp4"), "--proxy", &proxy.url("secret")], &content);
        let control = proxy.led_to(server.port());
        assert!(control > 0 && proxy.led() > control, "{control} of {} were for commands", proxy.led());
    }
}

#[test]
fn private_ftp_goes_through_it() {
    let content = bytes(3, 3 * MIB);
    let server = Vsftpd::start(
        "ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_data_ssl=YES\nforce_anon_logins_ssl=YES\nrequire_ssl_reuse=YES\n\
         rsa_cert_file={tls}\nrsa_private_key_file={tls}\nssl_ciphers=HIGH",
    );
    server.put("a.mp4", &content);
    let proxy = Proxy::socks();
    let arguments = [&server.url("ftps", "a.mp4"), "--ca-file", &server.ca_file(), "--proxy", &proxy.url("secret")];
    fetches(&arguments, &content);
    assert!(proxy.led_to(server.port()) > 0, "it went around the proxy");
}

#[test]
fn peers_and_trackers_are_reached_through_it_and_udp_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let content = bytes(4, 4 * MIB);
    std::fs::write(folder.path().join("a.mp4"), &content).unwrap();
    let mut order = json!({ "root": folder.path(), "name": "a.mp4", "piece": 1 << 18, "kind": "v1" });
    let hash = Seeds::start(&order).magnet.split("btih:").nth(1).unwrap()[..40].to_owned();
    let (_tracker, port) = opentracker(folder.path(), &[hash]);
    order["trackers"] =
        json!([format!("udp://127.0.0.1:{port}/announce"), format!("http://127.0.0.1:{port}/announce")]);
    let seeds = Seeds::start(&order);
    let (torrent, seed) = (seeds.file(folder.path()), seeds.ports[0]);
    for (proxy, link) in [
        (Proxy::http(), ["--torrent", torrent.as_str()]),
        (Proxy::socks(), ["--torrent", torrent.as_str()]),
        (Proxy::socks(), ["--source", seeds.magnet.as_str()]),
    ] {
        let through = proxy.url("secret");
        fetches(&[&link[..], &["--proxy", &through, "--peer", &format!("127.0.0.1:{seed}")]].concat(), &content);
        assert!(proxy.led_to(port) > 0, "the tracker was not asked through the proxy");
        assert!(proxy.led_to(seed) > 0, "the seed was not reached through the proxy");
    }
    // Nothing but UDP is left to find it by.
    let magnet = format!("{}&tr=udp://127.0.0.1:{port}", seeds.magnet.split("&tr").next().unwrap());
    let (proxy, output) = (Proxy::socks(), folder.path().join("b.mp4"));
    let through = proxy.url("secret");
    let arguments = ["--source", &magnet, "--proxy", &through, "--give-up-after", "2", "--output"];
    let (code, last) = run(&[&arguments[..], &[output.to_str().unwrap()]].concat());
    assert_eq!((code, proxy.led()), (22, 0), "{last}");
    let message = last["sources"][0]["message"].as_str().unwrap();
    assert!(message.contains("over UDP are not asked through a proxy"), "{last}");
}

#[tokio::test]
async fn links_that_a_source_names_go_through_the_proxy_of_that_source() {
    // So slow that both are needed.
    let (named, other) = (Nginx::start(""), Nginx::start("limit_rate 512k;"));
    let content = bytes(5, 4 * MIB);
    [&named, &other].into_iter().for_each(|server| server.put("a.mp4", &content));
    let document = format!(
        "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"a.mp4\"><size>{}</size><url>{}</url></file></metalink>",
        content.len(),
        named.url("a.mp4"),
    );
    named.put("a.meta4", document.as_bytes());
    let (proxy, folder) = (Proxy::socks(), tempfile::tempdir().unwrap());
    let secret = folder.path().join("secret");
    std::fs::create_dir(&secret).unwrap();
    std::fs::write(secret.join("proxy"), proxy.url("secret")).unwrap();
    let source = |name: &str, link: String, credentials: Option<String>| SourceSpec {
        name: name.into(),
        link: link.parse().unwrap(),
        document: None,
        select: None,
        headers: Vec::new(),
        priority: 100,
        credentials,
    };
    let key = ClaimKey::from_bytes([1; 16]);
    let task = DownloadTask {
        task: TaskId::download(&key),
        key,
        sources: vec![
            source("behind", named.url("a.meta4"), Some(secret.display().to_string())),
            source("free", other.url("a.mp4"), None),
        ],
        digest: Some(support::digest(&content).parse().unwrap()),
        size: None,
        visibility: Visibility::Public,
        limits: DownloadLimits::default(),
        any_content: true,
        while_downloading: false,
        known: Vec::new(),
    };
    let network = Network::new(vec!["127.0.0.0/8".parse().unwrap()], None).unwrap();
    let store = Store::open_folder(&folder.path().join("store"), Durability::Kill).unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let order = order(task, &network).unwrap();
    let fetched = fetch(&order, &store, &Status::default(), &stop).await.unwrap();
    assert_eq!(fetched.content.size, content.len() as u64);
    assert!(named.clients("a.meta4").iter().all(|client| client == OTHER_SIDE), "the document came around the proxy");
    let mirror = named.clients("a.mp4");
    assert!(!mirror.is_empty() && mirror.iter().all(|client| client == OTHER_SIDE), "{mirror:?}");
    let free = other.clients("a.mp4");
    assert!(!free.is_empty() && free.iter().all(|client| client == "127.0.0.1"), "{free:?}");
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
