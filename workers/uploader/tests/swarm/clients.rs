//! Each of three clients fetches a content from its torrent alone, and each again from web seeds alone.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::place::{Done, Place, Running, in_namespace, run};
use crate::support::{client, header, node, tools::program, venv};

const SIZE: usize = 3 << 20;

/// What aria2 is told everywhere.
fn aria2(to: &Path) -> Command {
    let mut command = program("aria2c", "aria2");
    command.args(["--no-conf", "--quiet", "--seed-time=0", "--bt-enable-lpd=false", "--enable-dht=false"]);
    command.args(["--bt-stop-timeout=60", "--bt-tracker-interval=1", "--file-allocation=none", "--dir"]).arg(to);
    command
}

/// libtorrent, until it has everything.
fn libtorrent(torrent: &str, to: &Path, listen: &str, settings: &str) {
    let script = format!(
        "import libtorrent as lt, sys, time\n\
         session = lt.session({{'listen_interfaces': '{listen}:0', 'enable_dht': False, 'enable_lsd': False,\n\
             'enable_upnp': False, 'enable_natpmp': False, {settings}}})\n\
         if sys.argv[1].startswith('magnet:'):\n\
         \x20   params = lt.parse_magnet_uri(sys.argv[1])\n\
         else:\n\
         \x20   params = lt.add_torrent_params()\n\
         \x20   params.ti = lt.torrent_info(sys.argv[1])\n\
         params.save_path = sys.argv[2]\n\
         handle = session.add_torrent(params)\n\
         deadline = time.monotonic() + 60\n\
         while not handle.status().is_seeding:\n\
         \x20   assert time.monotonic() < deadline, str(handle.status().state)\n\
         \x20   time.sleep(0.01)\n"
    );
    run(Command::new(venv::libtorrent().join("bin/python")).args(["-W", "ignore", "-c", &script, torrent]).arg(to));
}

/// Transmission, until it says that it has everything.
fn transmission(place: &Place, torrent: &Path, to: &Path, address: &str) {
    let done = Done::new(place.folder.path());
    let config = place.folder("config");
    let settings = serde_json::json!({ "bind-address-ipv4": address, "dht-enabled": false, "lpd-enabled": false,
        "pex-enabled": false, "port-forwarding-enabled": false, "utp-enabled": false });
    std::fs::write(config.join("settings.json"), settings.to_string()).unwrap();
    let mut command = program("transmission-cli", "transmission-cli");
    command.arg("-g").arg(&config).arg("-w").arg(to).arg("-f").arg(&done.script).arg(torrent).args(["-p", "6883"]);
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _running = Running(quiet.spawn().unwrap());
    done.wait();
}

#[test]
fn aria2_transmission_and_libtorrent_fetch_it_from_its_torrent() {
    let _made = venv::libtorrent();
    in_namespace(|| async {
        let place = Place::open("10.77.0.1", SIZE, &[]).await;
        let torrent = place.torrent_of_peers().await;
        let [first, second, third, fourth, fifth] =
            ["aria2", "transmission", "libtorrent", "magnet", "v2"].map(|name| place.folder(name));
        let mut leech = aria2(&first);
        run(leech.args(["--listen-port=6882", "--interface=10.77.0.2"]).arg(&torrent));
        assert!(place.received(&first));
        let sent = async || place.uploader.metric("videocloud_uploader_seeded_bytes_total").await;
        assert!(sent().await >= SIZE as f64, "{} by the peer wire", sent().await);
        transmission(&place, &torrent, &second, "10.77.0.3");
        assert!(place.received(&second));
        // Encrypted, and nothing else.
        let settings =
            "'outgoing_interfaces': '10.77.0.4', 'out_enc_policy': 0, 'in_enc_policy': 0, 'allowed_enc_level': 2,";
        libtorrent(&torrent.display().to_string(), &third, "10.77.0.4", settings);
        assert!(place.received(&third));
        // By the magnet link: metadata and piece layers come from the seeder.
        let answer = client().get(place.at(".torrent")).send().await.unwrap();
        let link = header(&answer, "link").strip_prefix('<').unwrap().split("&ws=").next().unwrap();
        libtorrent(link, &fourth, "10.77.0.2", "'outgoing_interfaces': '10.77.0.2',");
        assert!(place.received(&fourth));
        // And the torrent of BEP 52, by its magnet link: piece layers come from the seeder, too.
        let answer = client().get(place.at(".v2.torrent")).send().await.unwrap();
        let link = header(&answer, "link").strip_prefix('<').unwrap().split("&ws=").next().unwrap();
        assert!(link.contains("urn:btmh:"), "{link}");
        libtorrent(link, &fifth, "10.77.0.2", "'outgoing_interfaces': '10.77.0.2',");
        assert!(place.received(&fifth));
        assert!(sent().await >= 5.0 * SIZE as f64, "{} by the peer wire", sent().await);
    });
}

#[test]
fn webtorrent_fetches_it_over_tcp() {
    let _made = node::webtorrent();
    in_namespace(|| async {
        let place = Place::open("10.77.0.1", SIZE, &[]).await;
        let (torrent, to) = (place.torrent_of_peers().await, place.folder("webtorrent"));
        let script = "const WebTorrent = require('webtorrent'), [torrent, path] = process.argv.slice(1)\n\
            const client = new WebTorrent({ dht: false, lsd: false, utp: false, webSeeds: false })\n\
            client.add(torrent, { path }, (it) => it.on('done', () => client.destroy(() => process.exit(0))))\n\
            setTimeout(() => process.exit(1), 60_000)\n";
        run(node::script(script).arg(&torrent).arg(&to));
        assert!(place.received(&to));
        let sent = place.uploader.metric("videocloud_uploader_seeded_bytes_total").await;
        assert!(sent >= SIZE as f64, "{sent} by the peer wire");
    });
}

#[test]
fn web_seeds_alone_are_enough() {
    let _made = venv::libtorrent();
    in_namespace(|| async {
        let place = Place::with("10.77.0.1", SIZE, &[]).await;
        let torrent = place.torrent().await;
        let (first, second) = (place.folder("aria2"), place.folder("libtorrent"));
        run(aria2(&first).args(["--listen-port=6882", "--interface=10.77.0.2"]).arg(&torrent));
        assert!(place.received(&first));
        libtorrent(&torrent.display().to_string(), &second, "10.77.0.3", "");
        assert!(place.received(&second));
    });
}

#[test]
fn a_metalink_names_mirrors_and_pieces() {
    in_namespace(|| async {
        let place = Place::open("10.77.0.1", SIZE, &[]).await;
        let to = place.folder("aria2");
        let mut leech = aria2(&to);
        // Only what the document says is used, and every piece of it is checked.
        run(leech.args(["--check-integrity=true", "--follow-metalink=mem"]).arg(place.at(".meta4")));
        assert!(place.received(&to));
    });
}
