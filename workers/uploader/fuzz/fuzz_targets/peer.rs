//! What a peer may send, any bytes, plain or as an encrypted opening: nothing beyond the content is ever to be read, and what waits to be
//! sent stays bounded.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use videocloud_protocol::peer_wire::acceptance::Acceptor;
use videocloud_protocol::peer_wire::message::Message;
use videocloud_protocol::torrent::{InfoHash, Metainfo, make::Hasher};
use videocloud_uploader::seeding::session::Session;

const SIZE: u64 = 600_000;

static TORRENT: LazyLock<Option<Arc<Metainfo>>> = LazyLock::new(|| {
    let mut hasher = Hasher::new(SIZE);
    hasher.update(&[7; SIZE as usize]);
    Some(hasher.finish()?.torrents("a.mp4", true).ok()?.v2)
});

fuzz_target!(|bytes: &[u8]| {
    let Some(torrent) = &*TORRENT else { panic!("no torrent") };
    let Some((&flags, rest)) = bytes.split_first() else { return };
    if flags & 1 == 1 {
        let Some((key, rest)) = rest.split_first_chunk() else { return };
        let Ok(sought) = Acceptor::new().0.secret(key) else { return };
        let _ = sought.find(rest);
        let Ok(mut offered) = sought.swarm(InfoHash([5; 20])) else { return };
        let _ = offered.read(&mut BytesMut::from(rest));
        return;
    }
    let mut now = Duration::ZERO;
    let mut session = Session::new(Arc::clone(torrent), (flags & 2 != 0, flags & 4 != 0), flags & 8 != 0, now);
    session.choke(flags & 16 != 0);
    let mut buffer = BytesMut::from(rest);
    while let Ok(Some(message)) = Message::take_within(&mut buffer, session.longest()) {
        now += Duration::from_millis(10);
        if session.on(now, message).is_err() {
            return;
        }
        if flags & 32 != 0 {
            session.tell(now.as_millis() as u32 / 10 % 4);
        }
        while let Some(run) = session.next_run(64 << 10) {
            assert!(run.length > 0 && run.offset + run.length <= run.end && run.end <= SIZE);
        }
        assert!(session.waiting() < 4 << 20);
        let _ = (session.take_had(), session.take_news(), session.interested());
    }
});
