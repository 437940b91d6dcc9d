//! Sessions without sockets: what honest and hostile peers get.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use proptest::prelude::*;
use videocloud_protocol::{
    peer_wire::{
        extension::{self, METADATA, Metadata},
        message::{Block, HashAsk, Message},
    },
    torrent::{
        Metainfo,
        make::{Hasher, Torrents},
        merkle,
    },
};

use super::session::{MAX_BLOCK, QUEUE, Session, Violation};

const SIZE: usize = 600_000;
const BLOCK: u32 = 16 << 10;
const START: Duration = Duration::ZERO;

fn torrents() -> Torrents {
    let mut hasher = Hasher::new(SIZE as u64);
    hasher.update(&[7; SIZE]);
    hasher.finish().unwrap().torrents("a.mp4", true).unwrap()
}

fn torrent() -> Arc<Metainfo> {
    torrents().v2
}

fn session(fast: bool) -> Session {
    let mut session = Session::new(torrent(), (fast, true), false, START);
    session.take_out();
    session.choke(false);
    session
}

fn said(session: &mut Session) -> Vec<Message> {
    let mut buffer = BytesMut::from(&session.take_out()[..]);
    std::iter::from_fn(|| Message::take(&mut buffer).unwrap()).collect()
}

const fn block(index: u32, begin: u32) -> Block {
    Block { index, begin, length: BLOCK }
}

#[test]
fn it_says_what_it_has_as_the_peer_understands_it() {
    let mut fast = Session::new(torrent(), (true, true), false, START);
    let [Message::HaveAll, Message::Extended { id: 0, payload }] = &said(&mut fast)[..] else { panic!() };
    let said_to_do = extension::abilities(payload);
    assert_eq!(said_to_do.metadata_size, Some(torrent().info.raw().len()));
    assert_eq!((said_to_do.queue, said_to_do.upload_only), (Some(QUEUE as u32), true));
    let mut old = Session::new(torrent(), (false, false), false, START);
    assert_eq!(said(&mut old), [Message::Bitfield(vec![0b1110_0000].into())]);
}

#[test]
fn blocks_that_follow_one_another_make_one_run() {
    let mut session = session(true);
    for asked in [block(0, 0), block(0, BLOCK), block(0, 4 * BLOCK), block(1, 0), block(1, BLOCK)] {
        session.on(START, Message::Request(asked)).unwrap();
    }
    let run = session.next_run(1 << 20).unwrap();
    assert_eq!((run.offset, run.length, run.end, run.blocks.len()), (0, 2 * u64::from(BLOCK), 256 << 10, 2));
    assert_eq!(session.next_run(1 << 20).unwrap().blocks, [block(0, 4 * BLOCK)]);
    // At least one block, however little is allowed.
    assert_eq!(session.next_run(1).unwrap().blocks, [block(1, 0)]);
    session.on(START, Message::Cancel(block(1, BLOCK))).unwrap();
    assert_eq!(
        (session.next_run(1), said(&mut session)),
        (None, vec![Message::Unchoke, Message::Reject(block(1, BLOCK))])
    );
}

#[test]
fn who_is_choked_gets_nothing_and_is_told_so() {
    let mut session = session(true);
    session.on(START, Message::Request(block(0, 0))).unwrap();
    session.choke(true);
    session.on(START, Message::Request(block(1, 0))).unwrap();
    assert_eq!(session.next_run(1 << 20), None);
    let refused = [Message::Unchoke, Message::Choke, Message::Reject(block(0, 0)), Message::Reject(block(1, 0))];
    assert_eq!(said(&mut session), refused);
}

#[test]
fn haves_are_counted_once() {
    let mut session = session(true);
    session.on(START, Message::Bitfield(vec![0b1000_0000].into())).unwrap();
    assert_eq!(session.take_had(), 0);
    for piece in [0, 1, 1] {
        session.on(START, Message::Have(piece)).unwrap();
    }
    // What comes later in a bitfield is news as well, each piece once.
    session.on(START, Message::Bitfield(vec![0b0110_0000].into())).unwrap();
    assert_eq!((session.take_had(), session.take_news()), ((SIZE - (256 << 10)) as u64, vec![1, 2]));
    assert!(session.finished() && session.take_had() == 0);
    assert_eq!(session.on(START, Message::Have(3)), Err(Violation::OutOfRange));
}

#[test]
fn metadata_and_hashes_are_given_within_reason() {
    let (mut session, torrent) = (session(true), torrent());
    let hello = b"d1:md11:ut_metadatai9eee".to_vec();
    session.on(START, Message::Extended { id: 0, payload: hello.into() }).unwrap();
    session.take_out();
    let ask = |part| Message::Extended { id: METADATA, payload: Metadata::Request(part).encode().into() };
    session.on(START, ask(0)).unwrap();
    session.on(START, ask(u32::MAX)).unwrap();
    let [Message::Extended { id: 9, payload: data }, Message::Extended { id: 9, payload: none }] =
        &said(&mut session)[..]
    else {
        panic!()
    };
    assert_eq!(Metadata::decode(data), Some(Metadata::Data { part: 0, bytes: torrent.info.raw().clone() }));
    assert_eq!(Metadata::decode(none), Some(Metadata::Reject(u32::MAX)));
    let root = torrent.info.files()[0].root.unwrap();
    let question = HashAsk { root, layer: 4, index: 0, length: 2, proofs: 1 };
    session.on(START, Message::HashRequest(question)).unwrap();
    let [Message::Hashes(_, hashes)] = &said(&mut session)[..] else { panic!() };
    assert!(merkle::proves(&hashes[..2], 0, &hashes[2..], &root));
    for wrong in
        [HashAsk { layer: 0, ..question }, HashAsk { length: 3, ..question }, HashAsk { root: [0; 32], ..question }]
    {
        session.on(START, Message::HashRequest(wrong)).unwrap();
        assert_eq!(said(&mut session), [Message::HashReject(wrong)]);
    }
    // It costs us something: not without end.
    let flooded = (0..100).find_map(|_| session.on(START, ask(0)).err());
    assert_eq!(flooded, Some(Violation::Flood));
}

#[test]
fn a_peer_in_the_dark_gets_what_it_was_told_of() {
    let mut session = Session::new(torrent(), (true, false), true, START);
    assert_eq!(said(&mut session), [Message::HaveNone]);
    session.choke(false);
    session.tell(2);
    session.tell(2);
    session.on(START, Message::Request(block(0, 0))).unwrap();
    session.on(START, Message::Request(block(2, 0))).unwrap();
    assert_eq!(said(&mut session), [Message::Unchoke, Message::Have(2), Message::Reject(block(0, 0))]);
    assert_eq!(session.next_run(1 << 20).unwrap().blocks, [block(2, 0)]);
    session.show_all();
    assert_eq!(said(&mut session), [Message::Have(0), Message::Have(1)]);
    session.on(START, Message::Request(block(0, 0))).unwrap();
    assert!(session.next_run(1 << 20).is_some());
}

proptest! {
    #[test]
    fn whatever_is_asked_for_lies_in_the_content(
        asks in proptest::collection::vec((0_u32..5, any::<u32>(), any::<u32>()), 1..600),
        small in any::<bool>(),
        fast in any::<bool>(),
    ) {
        let mut session = session(fast);
        for (index, begin, length) in asks {
            let (begin, length) = if small { (begin % 300_000, length % (2 * MAX_BLOCK)) } else { (begin, length) };
            if session.on(START, Message::Request(Block { index, begin, length })).is_err() {
                break;
            }
        }
        while let Some(run) = session.next_run(100_000) {
            prop_assert!(run.offset + run.length <= run.end && run.end <= SIZE as u64 && run.length > 0);
            prop_assert_eq!(run.length, run.blocks.iter().map(|block| u64::from(block.length)).sum::<u64>());
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused_within_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut session = session(true);
        let mut buffer = BytesMut::from(&bytes[..]);
        while let Ok(Some(message)) = Message::take_within(&mut buffer, session.longest()) {
            if session.on(START, message).is_err() {
                break;
            }
        }
        prop_assert!(session.waiting() < 1 << 20);
    }
}
