//! What a peer, a tracker or a DHT node may send, any bytes: a session never brings bytes that were not verified, and never owes
//! what is not there.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use videocloud_downloader::schedule::Span;
use videocloud_downloader::source::bittorrent::bits::Bits;
use videocloud_downloader::source::bittorrent::message::Message;
use videocloud_downloader::source::bittorrent::session::{Event, Session};
use videocloud_downloader::source::bittorrent::{dht, extension, tracker};
use videocloud_downloader::torrent::Plan;
use videocloud_protocol::torrent::Info;
use videocloud_protocol::torrent::bencode::{Value, dict};

/// Five pieces, whose hashes nothing has.
static PLAN: LazyLock<Option<Arc<Plan>>> = LazyLock::new(|| {
    let info = dict([
        ("name", Value::Bytes(b"a")),
        ("piece length", Value::Int(16_384)),
        ("pieces", Value::Bytes(&[0; 100])),
        ("length", Value::Int(5 * 16_384 - 7)),
    ]);
    let info = Info::parse(info.encode().into()).ok()?;
    Plan::new(Arc::new(info), 0, None).ok().map(Arc::new)
});

fuzz_target!(|bytes: &[u8]| {
    let _ = (extension::abilities(bytes), extension::exchanged(bytes), dht::answer(bytes));
    let _ = (extension::Metadata::decode(&Bytes::copy_from_slice(bytes)), tracker::read_http(bytes));
    let _ = (tracker::read_udp(bytes, false), tracker::read_udp(bytes, true));

    let (Some(plan), Some(all)) = (&*PLAN, Span::new(0, 5 * 16_384 - 7)) else { panic!("no plan") };
    for parts in [false, true] {
        let session: Session<()> = Session::new(Arc::clone(plan), Duration::ZERO, (true, true), &first());
        talk(session.by_parts(parts), bytes, all, parts);
    }
});

/// The first piece alone is there.
fn first() -> Bits {
    let mut ours = Bits::none(5);
    ours.set(0, true);
    ours
}

/// Lets the peer of `session` say `bytes`. No whole piece has its hash, for that is zeros.
fn talk(mut session: Session<()>, bytes: &[u8], all: Span, parts: bool) {
    session.fetch(Duration::ZERO, all);
    let mut buffer = BytesMut::from(bytes);
    let mut now = Duration::ZERO;
    while let Ok(Some(message)) = Message::take(&mut buffer) {
        now += Duration::from_millis(100);
        if session.on(now, message).is_err() || session.tick(now).is_err() {
            return;
        }
        session.fill(now, |_| Some(()));
        session.choke_peer(now.as_millis().is_multiple_of(700));
        while let Some(block) = session.owed() {
            assert!(block.index == 0 && block.length > 0 && block.begin + block.length <= 16_384);
        }
        session.out().clear();
        while let Some(event) = session.event() {
            if let Event::Piece { content, bytes, .. } = event {
                let length: usize = bytes.iter().map(|bytes| bytes.len()).sum();
                assert!(parts && content.end() <= all.end() && length as u64 == content.len());
            }
        }
        assert!(session.holds().total() <= all.len());
    }
}
