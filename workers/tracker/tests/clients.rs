//! Real clients announce over HTTP and UDP and find each other: a file goes from libtorrent to aria2 and Transmission, which know of
//! it only by the tracker; over WebSocket so do browsers.
//!
//! Each test has a network namespace of its own with an address per client on its loopback: Transmission takes no peers at
//! 127.0.0.1. Making one needs root, as the local cluster does.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "clients/browser.rs"]
mod browser;
#[allow(dead_code)] // Browsers run a script of their own.
#[path = "../../store/tests/support/node.rs"]
mod node;
mod support;
#[path = "../../uploader/tests/support/venv.rs"]
mod venv;

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::sched::{CloneFlags, unshare};
use sha1::{Digest, Sha1};
use support::process::Process;
use tempfile::TempDir;

const SIZE: usize = 3 << 20;
const PIECE: usize = 256 << 10;

/// Runs a test in a thread in a network namespace of its own; its children are there too.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let inside = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace can be made: run as root");
        run(Command::new("ip").args(["link", "set", "lo", "up"]));
        for client in 1..=4 {
            run(Command::new("ip").args(["address", "add", &format!("10.77.0.{client}/32"), "dev", "lo"]));
        }
        test();
    };
    std::thread::spawn(inside).join().unwrap();
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status();
    assert!(status.as_ref().is_ok_and(std::process::ExitStatus::success), "{command:?}: {status:?}");
}

/// A client that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command) -> Running {
    Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// A torrent of one file, private, with this tracker alone.
fn torrent(announce: &str, bytes: &[u8]) -> Vec<u8> {
    let pieces: Vec<u8> = bytes.chunks(PIECE).flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
    let mut info = format!("d6:lengthi{}e4:name4:file12:piece lengthi{PIECE}e6:pieces{}:", bytes.len(), pieces.len());
    let mut out = format!("d8:announce{}:{announce}4:info", announce.len()).into_bytes();
    out.extend(std::mem::take(&mut info).into_bytes());
    out.extend(pieces);
    out.extend(b"7:privatei1eee");
    out
}

/// Seeds with libtorrent until it is ended. The environment is made aside, outside of the namespace.
fn seed(python: &Path, torrent: &Path, folder: &Path) -> Running {
    let script = "import libtorrent, sys, time\n\
        session = libtorrent.session({'listen_interfaces': '10.77.0.2:6881', 'outgoing_interfaces': '10.77.0.2',\n\
            'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False})\n\
        info = libtorrent.torrent_info(sys.argv[1])\n\
        session.add_torrent({'ti': info, 'save_path': sys.argv[2], 'flags': libtorrent.torrent_flags.seed_mode})\n\
        time.sleep(600)\n";
    start(Command::new(python.join("bin/python")).args(["-c", script]).arg(torrent).arg(folder))
}

fn by_way_of(scheme: &'static str) {
    let python = venv::libtorrent();
    in_namespace(move || {
        let folder = TempDir::new().unwrap();
        let key = folder.path().join("key");
        fs::write(&key, support::KEY).unwrap();
        let database = support::sqlite(folder.path()).to_string();
        let arguments = ["--open", "--http", "10.77.0.1:7080", "--udp", "10.77.0.1:7080", "--announce-interval", "2s"];
        let tracker = Process::start_with(&database, &key, "", &arguments);
        let bytes: Vec<u8> = (0..SIZE).map(|at| (at * 7 + at / 999) as u8).collect();
        let path = folder.path().join("file.torrent");
        fs::write(&path, torrent(&format!("{scheme}://10.77.0.1:7080/announce"), &bytes)).unwrap();
        let place = |name: &str| {
            let place = folder.path().join(name);
            fs::create_dir(&place).unwrap();
            place
        };
        let (seeding, aria2, transmission) = (place("libtorrent"), place("aria2"), place("transmission"));
        fs::write(seeding.join("file"), &bytes).unwrap();
        let _seed = seed(&python, &path, &seeding);

        let mut leech = Command::new("aria2c");
        leech.args(["--no-conf", "--quiet", "--seed-time=0", "--bt-enable-lpd=false", "--listen-port=6882"]);
        leech.args(["--bt-stop-timeout=60", "--bt-tracker-interval=2", "--interface=10.77.0.3"]);
        // aria2 speaks to UDP trackers from the socket of its DHT only, which leads nowhere from this namespace.
        leech.args(["--enable-dht=true", "--dht-listen-port=6884", "--dht-file-path"]).arg(folder.path().join("dht"));
        run(leech.arg("--dir").arg(&aria2).arg(&path));
        assert!(fs::read(aria2.join("file")).unwrap() == bytes);

        // Says through the pipe that it is done.
        let (pipe, script) = (folder.path().join("pipe"), folder.path().join("done"));
        run(Command::new("mkfifo").arg(&pipe));
        fs::write(&script, format!("#!/bin/sh\necho done > {}\n", pipe.display())).unwrap();
        run(Command::new("chmod").arg("+x").arg(&script));
        let config = place("config");
        let settings = serde_json::json!({ "bind-address-ipv4": "10.77.0.4", "dht-enabled": false, "lpd-enabled": false,
            "pex-enabled": false, "port-forwarding-enabled": false, "utp-enabled": false });
        fs::write(config.join("settings.json"), settings.to_string()).unwrap();
        let mut leech = Command::new("transmission-cli");
        leech.arg("-g").arg(&config).arg("-w").arg(&transmission).arg("-f").arg(&script).arg(&path);
        let _transmission = start(leech.args(["-p", "6883"]));
        let mut said = String::new();
        fs::File::open(&pipe).unwrap().read_to_string(&mut said).unwrap();
        assert!(said == "done\n" && fs::read(transmission.join("file")).unwrap() == bytes);

        let metrics = Command::new("curl").args(["-sf", "http://10.77.0.1:7080/metrics"]).output().unwrap();
        let metrics = String::from_utf8(metrics.stdout).unwrap();
        let line =
            format!("videocloud_tracker_bittorrent_requests_total{{protocol=\"{scheme}\",outcome=\"announced\"}} ");
        let count =
            metrics.lines().find_map(|text| text.strip_prefix(&line)).map(|count| count.parse::<u32>().unwrap());
        assert!(count.is_some_and(|count| count >= 3), "{metrics}");
        assert!(tracker.terminate().success());
    });
}

#[test]
fn over_http_they_find_each_other() {
    by_way_of("http");
}

#[test]
fn over_udp_they_find_each_other() {
    by_way_of("udp");
}
