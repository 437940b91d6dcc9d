//! Bad input, and a tracker that goes on.

use tempfile::TempDir;
use videocloud_protocol::ids::InfoHash;
use videocloud_tracker::bittorrent::{Outcome, Protocol};

use crate::{
    support::key,
    wire::{SECRET, Tracker, UNKNOWN, Udp, WORDS, Words, connect, number, query, settings},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_over_udp_get_no_more_than_they_send() {
    let folder = TempDir::new().unwrap();
    let tracker = Tracker::start(&folder, settings(|_| {})).await;
    let (peer, other) = (tracker.peer(1), tracker.peer(2));
    let good = peer.connect(1);
    // Guessed, another's (an address is an IP: this host's other sockets share it, so flip a bit), of no time, torn, of no kind.
    for id in [0, 1, u64::MAX, good ^ 1] {
        peer.send(&peer.bytes(id, WORDS));
        peer.send(&[&id.to_be_bytes()[..], &[0, 0, 0, 2, 0, 0, 0, 9], &[1; 20]].concat());
    }
    for junk in [&[][..], &[0], &[0; 15], &[0xff; 98], &[0; 1500], &connect(1)[..15]] {
        peer.send(junk);
    }
    // All of that was read before this, by the thread of this socket's address: the first answer is this one's.
    let answer = peer.connect(99);
    assert_eq!(answer, good);
    let counts = &tracker.running.tracker.counts;
    assert_eq!(counts.get(Protocol::Udp, Outcome::Announced), 0);
    assert_eq!(other.announce(WORDS).len(), 20);
    assert_eq!(counts.get(Protocol::Udp, Outcome::Stranger), 8);
    assert_eq!(counts.get(Protocol::Udp, Outcome::Malformed), 6);
    tracker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absurd_words_over_udp_are_taken_for_what_they_are() {
    let folder = TempDir::new().unwrap();
    let tracker = Tracker::start(&folder, settings(|_| {})).await;
    let peers: Vec<Udp> = (1..=40).map(|number| tracker.peer(number)).collect();
    // Port 0 is counted and never named; absurd counters and events and wants do no harm.
    peers[0].announce(Words { port: 0, ..WORDS });
    let absurd = Words { downloaded: u64::MAX, uploaded: u64::MAX, left: u64::MAX, event: 77, want: i32::MAX, ..WORDS };
    for peer in &peers[1..] {
        assert!(peer.announce(absurd).len() <= 1232);
    }
    let answer = peers[1].announce(absurd);
    assert_eq!((number(&answer, 12), number(&answer, 16), answer.len()), (40, 0, 20 + 6 * 38));
    assert!(answer[20..].chunks(6).all(|peer| peer == [127, 0, 0, 1, 0x1a, 0xe1]));
    let answer = peers[1].announce(Words { want: i32::MIN, ..WORDS });
    assert_eq!(answer.len(), 20 + 6 * 38);
    let answer = peers[1].announce(Words { hash: UNKNOWN, ..WORDS });
    assert_eq!((number(&answer, 0), &answer[8..]), (3, &b"unregistered torrent"[..]));
    assert_eq!(peers[1].scrape(UNKNOWN), [0, 0, 0]);
    assert_eq!(peers[1].scrape(WORDS.hash), [0, 0, 40]);
    // A path in the datagram carries the secret (BEP 41).
    let secret = key().announce_secret(&InfoHash::from_bytes(SECRET));
    let with = |secret: &str| {
        let connection = peers[1].connect(1);
        let path = format!("/{secret}/announce");
        let mut bytes = peers[1].bytes(connection, Words { hash: SECRET, ..WORDS });
        bytes.extend([2, u8::try_from(path.len()).unwrap()]);
        bytes.extend(path.as_bytes());
        peers[1].send(&bytes);
        number(&peers[1].receive(), 0)
    };
    assert_eq!((with(&secret), with("x"), number(&peers[1].announce(Words { hash: SECRET, ..WORDS }), 0)), (1, 3, 3));
    tracker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_announces_are_answered_or_told_why_not() {
    let folder = TempDir::new().unwrap();
    let tracker = Tracker::start(&folder, settings(|_| {})).await;
    let announce = |query: String| format!("/announce{query}");
    let first = tracker.get(&announce(query(WORDS.hash, 1, "&port=7001&event=started"))).await;
    assert!(first.starts_with(b"d8:completei0e10:incompletei1e8:intervali300e12:min intervali150e5:peers0:e"));
    let second = tracker.get(&announce(query(WORDS.hash, 2, "&port=7002&numwant=999999999"))).await;
    assert!(second.ends_with(b"5:peers6:\x7f\0\0\x01\x1b\x59e"), "{second:?}");
    // Over UDP they are in the same swarm.
    assert_eq!(tracker.peer(3).announce(WORDS).len(), 20 + 12);
    for (target, reason) in [
        ("/announce".to_owned(), "missing info_hash"),
        ("/announce?info_hash=short".to_owned(), "malformed info_hash"),
        (announce(query(WORDS.hash, 1, "")), "missing port"),
        (announce(query(WORDS.hash, 1, "&port=70000")), "malformed port"),
        (announce(query(UNKNOWN, 1, "&port=1")), "unregistered torrent"),
        (announce(query(SECRET, 1, "&port=1")), "this torrent needs its own announce URL"),
        (
            format!("/{}/announce{}", "0".repeat(32), query(SECRET, 1, "&port=1")),
            "this torrent needs its own announce URL",
        ),
        ("/scrape".to_owned(), "missing info_hash"),
    ] {
        assert_eq!(tracker.failure(&target).await, reason, "{target}");
    }
    let secret = key().announce_secret(&InfoHash::from_bytes(SECRET));
    let own = tracker.get(&format!("/{secret}/announce{}", query(SECRET, 1, "&port=1"))).await;
    assert!(own.starts_with(b"d8:complete"));
    let scrape = tracker.get(&format!("/scrape{}&x=1", query(WORDS.hash, 1, ""))).await;
    assert!(scrape.ends_with(b"d8:completei0e10:downloadedi0e10:incompletei3eeee"), "{scrape:?}");
    tracker.get(&announce(query(WORDS.hash, 1, "&port=7001&event=stopped"))).await;
    assert_eq!(tracker.peer(9).scrape(WORDS.hash), [0, 0, 2]);
    tracker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_cut_off_and_says_so_in_the_metrics() {
    let folder = TempDir::new().unwrap();
    let tracker = Tracker::start(&folder, settings(|settings| settings.announces_per_address = 20)).await;
    let peer = tracker.peer(1);
    let connection = peer.connect(1);
    for _ in 0..200 {
        peer.send(&peer.bytes(connection, WORDS));
    }
    // Connection ids are still given: they cost nothing and grant nothing. Answers to announces come before.
    peer.send(&connect(5));
    let answers = std::iter::from_fn(|| Some(peer.receive()).filter(|answer| answer[..4] != [0; 4])).count();
    // At most twice: the flood may have met the turn of a window.
    assert!((20..=40).contains(&answers), "{answers}");
    let counted = tracker.running.tracker.counts.get(Protocol::Udp, Outcome::TooMany);
    assert!(counted >= 100, "{counted}");
    assert_eq!(
        tracker.failure(&format!("/announce{}", query(WORDS.hash, 2, "&port=1"))).await,
        "too many announces, slow down"
    );
    let metrics = String::from_utf8(tracker.get("/metrics").await).unwrap();
    let line = "videocloud_tracker_bittorrent_requests_total{protocol=\"udp\",outcome=\"too_many\"}";
    assert!(metrics.contains(line), "{metrics}");
    tracker.stop().await;
}
