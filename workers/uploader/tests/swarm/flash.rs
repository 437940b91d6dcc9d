//! A flash crowd: seven libtorrent peers and no seed but ours, which tells the later ones of one piece at a time.

use std::process::Command;

use super::place::{Place, in_namespace, run};
use crate::support::venv;

const SIZE: usize = 4 << 20;
const PEERS: usize = 7;

#[test]
fn a_crowd_passes_on_what_it_was_told_of() {
    let _made = venv::libtorrent();
    in_namespace(|| async {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("table.csv");
        std::fs::write(&table, "content,bittorrent,http\n*,1000000,0\n").unwrap();
        let place = Place::open("10.77.0.1", SIZE, &["--table", &table.display().to_string()]).await;
        let torrent = place.torrent_of_peers().await;
        let to = place.folder("crowd");
        let script = "import libtorrent as lt, os, sys, time\n\
            held = []\n\
            for n in range(int(sys.argv[3])):\n\
            \x20   at = '10.77.0.%d' % (n + 2)\n\
            \x20   session = lt.session({'listen_interfaces': at + ':6881', 'outgoing_interfaces': at, 'enable_dht': False,\n\
            \x20       'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False})\n\
            \x20   params = lt.add_torrent_params()\n\
            \x20   params.ti = lt.torrent_info(sys.argv[1])\n\
            \x20   params.save_path = os.path.join(sys.argv[2], str(n))\n\
            \x20   held.append((session, session.add_torrent(params)))\n\
            deadline = time.monotonic() + 90\n\
            while not all(handle.status().is_seeding for _, handle in held):\n\
            \x20   assert time.monotonic() < deadline, str([handle.status().progress for _, handle in held])\n\
            \x20   time.sleep(0.05)\n";
        let mut crowd = Command::new(venv::libtorrent().join("bin/python"));
        crowd.args(["-W", "ignore", "-c", script]).arg(&torrent).arg(&to).arg(PEERS.to_string());
        run(&mut crowd);
        for peer in 0..PEERS {
            assert!(place.received(&to.join(peer.to_string())), "{peer}");
        }
        let sent = place.uploader.metric("videocloud_uploader_seeded_bytes_total").await;
        assert!(sent < 5.0 * SIZE as f64, "{sent} bytes for {PEERS} peers of {SIZE} each");
    });
}
