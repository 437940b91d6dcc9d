//! FTP and FTPS against real servers: vsftpd, and pyftpdlib with the faults that mirrors have.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, dead_code)]

mod support;

use std::net::TcpListener;

use serde_json::Value;
use support::ftp::{Faulty, Vsftpd};
use support::nginx::Nginx;
use support::{bytes, digest, holds_only, run};

const MIB: usize = 1 << 20;

/// Fetches `links` with `flags`; the file, if there is one, must be `content` and lie alone.
fn get(links: &[String], flags: &[&str], content: &[u8]) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.mp4").display().to_string();
    let sources = links.iter().flat_map(|link| ["--source", link.as_str()]);
    let arguments: Vec<&str> = sources.chain(["--output", &output]).chain(flags.iter().copied()).collect();
    let (code, last) = run(&arguments);
    if code == 0 {
        assert!(std::fs::read(&output).unwrap() == content, "the bytes differ: {last}");
        holds_only(folder.path(), &["a.mp4"]);
    } else {
        assert!(!std::path::Path::new(&output).exists(), "a file after exit {code}");
    }
    (code, last)
}

#[test]
fn a_file_comes_from_vsftpd_over_several_connections() {
    let server = Vsftpd::start("");
    let content = bytes(1, 24 * MIB + 3);
    server.put("a b.mp4", &content);
    let (code, last) = get(&[server.url("ftp", "a%20b.mp4")], &["--digest", &digest(&content)], &content);
    assert_eq!(code, 0, "{last}");
    assert_eq!(last["verification"], "Digest");
    // The last pieces may be asked for twice.
    let given = last["sources"][0]["bytes"].as_u64().unwrap() as usize;
    assert!((content.len()..content.len() + MIB).contains(&given), "{given} bytes came");
    for length in [1, 2, 65_537] {
        let content = bytes(length as u64, length);
        server.put("small", &content);
        let (code, last) = get(&[server.url("ftp", "small")], &[], &content);
        assert_eq!(code, 0, "{length}: {last}");
    }
}

#[test]
fn tls_begins_by_command_and_data_connections_resume_its_session() {
    let server = Vsftpd::start(
        "ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_data_ssl=YES\nforce_anon_logins_ssl=YES\nrequire_ssl_reuse=YES\n\
         rsa_cert_file={tls}\nrsa_private_key_file={tls}\nssl_ciphers=HIGH",
    );
    let content = bytes(2, 9 * MIB);
    server.put("a.mp4", &content);
    let link = [server.url("ftps", "a.mp4")];
    let (code, last) = get(&link, &["--ca-file", &server.ca_file()], &content);
    assert_eq!(code, 0, "{last}");
    let (code, last) = get(&link, &[], &content);
    assert_eq!((code, &last["reason"]), (22, &"TlsFailed".into()), "an unknown authority is refused: {last}");
    let (code, last) = get(&[server.url("ftp", "a.mp4")], &[], &content);
    assert_eq!((code, &last["reason"]), (22, &"Forbidden".into()), "it demands TLS: {last}");
}

#[test]
fn tls_begins_with_the_connection() {
    let server = Faulty::start(&["tls-implicit"]);
    let content = bytes(3, 3 * MIB);
    server.put("a.mp4", &content);
    let (code, last) = get(&[server.url("ftps", "a.mp4")], &["--ca-file", &server.ca_file()], &content);
    assert_eq!(code, 0, "{last}");
    assert!(server.commands("PROT") > 0 && server.commands("AUTH") == 0);
}

#[test]
fn tls_that_a_server_does_not_have_is_not_gone_without() {
    let server = Faulty::start(&[]);
    server.put("a.mp4", &bytes(3, MIB));
    let (code, last) = get(&[server.url("ftps", "a.mp4")], &[], &[]);
    assert_eq!((code, &last["reason"]), (22, &"TlsFailed".into()), "{last}");
    assert_eq!((server.commands("USER"), server.commands("PASS")), (0, 0), "a name went over the wire in clear");
}

#[test]
fn users_log_in_and_others_are_told_so() {
    let server = Faulty::start(&["no-anonymous"]);
    let content = bytes(4, MIB);
    server.put("a.mp4", &content);
    let link = [server.url("ftp", "a.mp4")];
    let (code, last) = get(&link, &["--user", "alice:open sesame"], &content);
    assert_eq!(code, 0, "{last}");
    for wrong in [&["--user", "alice:wrong"][..], &[]] {
        let (code, last) = get(&link, wrong, &content);
        assert_eq!((code, &last["reason"]), (22, &"Forbidden".into()), "{last}");
        assert!(!last.to_string().contains("sesame") && !last.to_string().contains("alice"), "{last}");
    }
    let (code, last) = get(&[server.url("ftp", "none.mp4")], &["--user", "alice:open sesame"], &content);
    assert_eq!((code, &last["reason"]), (22, &"NotFound".into()), "{last}");
}

#[test]
fn servers_that_lack_commands_still_give_the_file() {
    let content = bytes(5, 6 * MIB + 1);
    for (faults, whole) in [
        (&["no-rest"][..], true),
        (&["rest-ignored"], true),
        (&["no-size"], true),
        (&["no-size", "no-rest"], true),
        (&["no-epsv"], false),
        (&["no-epsv", "private-pasv"], false),
        (&["busy-file"], false),
    ] {
        let server = Faulty::start(faults);
        server.put("a.mp4", &content);
        let (code, last) = get(&[server.url("ftp", "a.mp4")], &["--digest", &digest(&content)], &content);
        assert_eq!(code, 0, "{faults:?}: {last}");
        if whole {
            let given = last["sources"][0]["bytes"].as_u64().unwrap();
            assert_eq!(given, content.len() as u64, "{faults:?}: read from end to end, once");
        }
    }
}

#[test]
fn data_connections_go_nowhere_else() {
    let stranger = TcpListener::bind("127.0.0.2:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    let port = stranger.local_addr().unwrap().port();
    let server = Faulty::start(&["no-epsv", "bounce", &format!("bounce-port={port}")]);
    server.put("a.mp4", &bytes(6, MIB));
    let (code, last) = get(&[server.url("ftp", "a.mp4")], &["--progress-deadline", "3"], &[]);
    assert_ne!(code, 0, "{last}");
    let touched = stranger.accept();
    assert!(touched.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "a third machine was reached");
}

#[test]
fn addresses_are_judged_as_for_http() {
    for link in ["ftp://10.255.255.1/a.mp4", "ftps://169.254.169.254:21/a.mp4", "ftp://[::1]/a.mp4"] {
        let (code, last) = get(&[link.into()], &[], &[]);
        assert_eq!((code, &last["reason"]), (22, &"AddressForbidden".into()), "{link}: {last}");
    }
    let (code, last) = get(&["ftp://127.0.0.1/a%0d%0aDELE%20x".into()], &[], &[]);
    assert_eq!((code, &last["reason"]), (22, &"BadSpec".into()), "{last}");
}

#[test]
fn a_server_that_goes_down_midway_is_called_again() {
    let server = Faulty::start(&["break-after=2000000"]);
    let content = bytes(7, 8 * MIB);
    server.put("a.mp4", &content);
    let (code, last) = get(&[server.url("ftp", "a.mp4")], &["--connections", "1"], &content);
    assert_eq!(code, 0, "{last}");
    let given = last["sources"][0]["bytes"].as_u64().unwrap();
    assert_eq!(given, content.len() as u64, "what had come was asked for again");
}

/// The bytes are there, and the size says so.
#[test]
fn a_server_that_says_nothing_behind_a_transfer_is_not_waited_for() {
    let server = Faulty::start(&["no-226"]);
    let content = bytes(12, 5 * MIB);
    server.put("a.mp4", &content);
    let flags = ["--connections", "2", "--progress-deadline", "30"];
    let (code, last) = get(&[server.url("ftp", "a.mp4")], &flags, &content);
    assert_eq!(code, 0, "{last}");
}

#[test]
fn a_server_with_too_many_visitors_is_tried_again() {
    let server = Faulty::start(&["busy=2"]);
    let content = bytes(8, MIB);
    server.put("a.mp4", &content);
    let (code, last) = get(&[server.url("ftp", "a.mp4")], &[], &content);
    assert_eq!(code, 0, "{last}");
}

#[test]
fn a_server_that_knows_text_only_is_not_believed() {
    let server = Faulty::start(&["ascii-only"]);
    server.put("a.mp4", &bytes(9, MIB));
    let (code, last) = get(&[server.url("ftp", "a.mp4")], &[], &[]);
    assert_eq!((code, &last["reason"]), (22, &"ProtocolError".into()), "{last}");
    assert_eq!(server.commands("RETR"), 0);
}

#[test]
fn web_and_ftp_mirrors_share_one_file() {
    let (web, ftp) = (Nginx::start("limit_rate 4m;"), Faulty::start(&["rate=6000000"]));
    let content = bytes(10, 40 * MIB);
    web.put("a.mp4", &content);
    ftp.put("a.mp4", &content);
    let links = [web.url("a.mp4"), ftp.url("ftp", "a.mp4")];
    let (code, last) = get(&links, &["--digest", &digest(&content), "--connections", "2"], &content);
    assert_eq!(code, 0, "{last}");
    for source in 0..2 {
        assert!(last["sources"][source]["bytes"].as_u64().unwrap() > MIB as u64, "{last}");
    }
}

/// RFC 959, section 4.2: replies that begin with 4 ask to try again.
#[test]
fn a_transfer_that_the_server_puts_off_is_asked_for_again() {
    let content = bytes(11, 3 * MIB);
    for code in ["425", "451", "452"] {
        let server = Faulty::start(&[&format!("refuse-{code}")]);
        server.put("a.mp4", &content);
        let (code, last) = get(&[server.url("ftp", "a.mp4")], &["--connections", "1"], &content);
        assert_eq!(code, 0, "{code}: {last}");
        assert!(server.commands("RETR") >= 2);
    }
}

#[test]
fn a_transfer_that_the_server_aborts_is_gone_on_with() {
    let server = Faulty::start(&["abort-after=2000000"]);
    let content = bytes(12, 8 * MIB);
    server.put("a.mp4", &content);
    let (code, last) = get(&[server.url("ftp", "a.mp4")], &["--connections", "1"], &content);
    assert_eq!(code, 0, "{last}");
    assert_eq!(last["sources"][0]["bytes"], content.len(), "what had come was asked for again: {last}");
}
