//! A session against a seed in memory: orders are carried out, and what a peer may not do ends it.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use sha1::{Digest, Sha1};
use videocloud_protocol::torrent::Info;
use videocloud_protocol::torrent::bencode::{Value, dict};

use super::bits::Bits;
use super::fault::PeerFault;
use super::message::{Block, Message};
use super::session::{Event, Session};
use crate::schedule::{Span, Time};
use crate::torrent::Plan;

const PIECE: usize = 40_000;

fn torrent(length: usize) -> (Arc<Plan>, Vec<u8>) {
    let data: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
    let hashes: Vec<u8> = data.chunks(PIECE).flat_map(Sha1::digest).collect();
    let info = dict([
        ("name", Value::Bytes(b"a")),
        ("piece length", Value::Int(PIECE as i64)),
        ("pieces", Value::Bytes(&hashes)),
        ("length", Value::Int(length as i64)),
    ]);
    let info = Info::parse(info.encode().into()).unwrap();
    (Arc::new(Plan::new(Arc::new(info), 0, None).unwrap()), data)
}

fn count(plan: &Plan) -> u32 {
    plan.info().pieces() as u32
}

fn span(start: usize, end: usize) -> Span {
    Span::new(start as u64, end as u64).unwrap()
}

/// What the session says.
fn said(session: &mut Session<()>) -> Vec<Message> {
    let mut out = session.out().split();
    std::iter::from_fn(|| Message::take(&mut out).unwrap()).collect()
}

/// A session with a seed that has everything and does not choke.
fn open(plan: &Arc<Plan>) -> Session<()> {
    let mut session = Session::new(Arc::clone(plan), Time::ZERO, (true, true), &Bits::none(count(plan)));
    session.on(Time::ZERO, Message::HaveAll).unwrap();
    assert!(session.holds().is_empty());
    session.on(Time::ZERO, Message::Unchoke).unwrap();
    assert_eq!(session.holds().total(), plan.file().length);
    assert!(said(&mut session).contains(&Message::Interested));
    session
}

fn piece(data: &[u8], block: Block) -> Message {
    let from = block.index as usize * PIECE + block.begin as usize;
    let data = Bytes::copy_from_slice(&data[from..from + block.length as usize]);
    Message::Piece { index: block.index, begin: block.begin, data }
}

proptest! {
    #[test]
    fn an_order_is_carried_out(
        length in 1_usize..400_000, from in any::<prop::sample::Index>(), late in 0_usize..4, chokes in 0_u32..4,
    ) {
        let (plan, data) = torrent(length);
        let mut session = open(&plan);
        let from = from.index(length);
        session.fetch(Time::ZERO, span(from, length));
        let (mut now, mut asked, mut found) = (Time::ZERO, VecDeque::new(), Vec::new());
        let (mut chokes, mut turns) = (chokes, 0);
        while found.len() < length - from / PIECE * PIECE {
            turns += 1;
            prop_assert!(turns < 1000);
            now += Duration::from_millis(100);
            session.fill(now, |_| Some(()));
            for message in said(&mut session) {
                if let Message::Request(block) = message {
                    asked.push_back(block);
                }
            }
            if chokes > 0 && turns % 3 == 0 {
                chokes -= 1;
                session.on(now, Message::Choke).unwrap();
                for block in asked.drain(..) {
                    session.on(now, Message::Reject(block)).unwrap();
                }
                session.on(now, Message::Unchoke).unwrap();
            }
            while asked.len() > late {
                let block = asked.pop_front().unwrap();
                session.on(now, piece(&data, block)).unwrap();
            }
            if asked.len() <= late && turns > 20 {
                asked.drain(..).for_each(|block| session.on(now, piece(&data, block)).unwrap());
            }
            while let Some(event) = session.event() {
                match event {
                    Event::Piece { content, bytes, .. } => {
                        prop_assert_eq!(content.start() as usize, from / PIECE * PIECE + found.len());
                        found.extend(bytes.concat());
                    }
                    Event::Holds => {}
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            session.tick(now).unwrap();
        }
        prop_assert!(found == data[from / PIECE * PIECE..]);
    }

    #[test]
    fn foreign_bytes_end_it_or_do_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..600), kinds in proptest::collection::vec(0_u8..25, 0..20)) {
        let (plan, _) = torrent(200_000);
        let mut session = open(&plan);
        session.fetch(Time::ZERO, span(0, 200_000));
        session.fill(Time::ZERO, |_| Some(()));
        // Frames with any inside, so that more than the length is looked at.
        let mut buffer = BytesMut::new();
        for (kind, part) in kinds.iter().zip(bytes.chunks(30)) {
            buffer.extend((part.len() as u32 + 1).to_be_bytes());
            buffer.extend([*kind]);
            buffer.extend_from_slice(part);
        }
        while let Ok(Some(message)) = Message::take(&mut buffer) {
            if session.on(Time::ZERO, message).is_err() {
                break;
            }
            session.fill(Time::ZERO, |_| Some(()));
            while let Some(event) = session.event() {
                let given = matches!(event, Event::Piece { .. });
                prop_assert!(!given);
            }
        }
    }
}

#[test]
fn what_ends_a_session() {
    let (plan, data) = torrent(200_000);
    let first = Block { index: 0, begin: 0, length: 16_384 };
    let asking = || {
        let mut session = open(&plan);
        session.fetch(Time::ZERO, span(0, 200_000));
        session.fill(Time::ZERO, |_| Some(()));
        session
    };
    let mut corrupt = data.clone();
    corrupt[39_999] ^= 1;
    let mut session = asking();
    let blocks: Vec<Block> = said(&mut session)
        .into_iter()
        .filter_map(|said| if let Message::Request(block) = said { Some(block) } else { None })
        .collect();
    let fault = blocks.iter().find_map(|block| session.on(Time::ZERO, piece(&corrupt, *block)).err());
    assert_eq!(fault, Some(PeerFault::Corrupt(0)));

    let protocol = |messages: Vec<Message>| {
        let mut session = asking();
        let fault = messages.into_iter().find_map(|message| session.on(Time::ZERO, message).err());
        assert!(matches!(fault, Some(PeerFault::Protocol(_))), "{fault:?}");
    };
    protocol(vec![Message::Have(5)]);
    protocol(vec![Message::Bitfield(Bytes::from_static(&[0xf8]))]);
    protocol(vec![Message::HaveAll]);
    protocol(vec![piece(&data, first), piece(&data, first)]);
    let mut short = piece(&data, first);
    if let Message::Piece { data, .. } = &mut short {
        data.truncate(100);
    }
    protocol(vec![short]);

    let mut session = asking();
    assert_eq!(session.tick(Duration::from_secs(29)), Ok(()));
    assert_eq!(session.tick(Duration::from_secs(30)), Err(PeerFault::Snubbed));
    let mut idle = open(&plan);
    assert_eq!(idle.tick(Duration::from_secs(90)), Ok(()));
    assert_eq!(said(&mut idle), [Message::KeepAlive]);
    assert_eq!(idle.tick(Duration::from_secs(180)), Err(PeerFault::Silent));
}

#[test]
fn a_peer_that_rejects_what_it_said_it_had() {
    let (plan, _) = torrent(200_000);
    let mut session = open(&plan);
    session.fetch(Time::ZERO, span(0, 200_000));
    session.fill(Time::ZERO, |_| Some(()));
    session.on(Time::ZERO, Message::Reject(Block { index: 0, begin: 0, length: 16_384 })).unwrap();
    let events: Vec<Event<()>> = std::iter::from_fn(|| session.event()).collect();
    assert_eq!(events.last(), Some(&Event::Broken));
    assert_eq!(session.holds().total(), 160_000);
}

#[test]
fn cancelled_blocks_may_still_come() {
    let (plan, data) = torrent(200_000);
    let mut session = open(&plan);
    session.fetch(Time::ZERO, span(0, 200_000));
    session.fill(Time::ZERO, |_| Some(()));
    let blocks: Vec<Block> = said(&mut session)
        .into_iter()
        .filter_map(|said| if let Message::Request(block) = said { Some(block) } else { None })
        .collect();
    session.stop(Time::ZERO);
    let cancelled = said(&mut session);
    assert_eq!(cancelled.len(), blocks.len());
    for block in &blocks {
        session.on(Time::ZERO, piece(&data, *block)).unwrap();
    }
    assert!(session.on(Time::ZERO, piece(&data, blocks[0])).is_err());
}

#[test]
fn a_cancelled_request_is_rejected_and_asked_again() {
    let (plan, data) = torrent(200_000);
    let mut session = open(&plan);
    let requests = |session: &mut Session<()>| {
        session.fetch(Time::ZERO, span(0, 200_000));
        session.fill(Time::ZERO, |_| Some(()));
        let all = said(session).into_iter();
        all.filter_map(|said| if let Message::Request(block) = said { Some(block) } else { None }).collect::<Vec<_>>()
    };
    let first = requests(&mut session);
    let again = requests(&mut session);
    assert_eq!(first, again);
    // The rejections belong to what was cancelled; the blocks still come.
    first.iter().for_each(|block| session.on(Time::ZERO, Message::Reject(*block)).unwrap());
    assert_eq!(session.holds().total(), 200_000);
    again.iter().for_each(|block| session.on(Time::ZERO, piece(&data, *block)).unwrap());
    let pieces = std::iter::from_fn(|| session.event()).filter(|event| matches!(event, Event::Piece { .. })).count();
    assert_eq!(pieces, 5);
}

#[test]
fn a_session_by_parts_asks_for_no_more_than_its_order_and_judges_nothing() {
    let (plan, mut data) = torrent(3 * PIECE + 500);
    let wanted = span(PIECE + 20_000, 3 * PIECE + 100);
    data[2 * PIECE] ^= 1;
    let mut session = open(&plan).by_parts(true);
    session.fetch(Time::ZERO, wanted);
    session.fill(Time::ZERO, |_| Some(()));
    let asked = said(&mut session);
    assert_eq!(asked.len(), 2 + 3 + 1);
    for message in asked {
        let Message::Request(block) = message else { unreachable!("{message:?}") };
        session.on(Time::ZERO, piece(&data, block)).unwrap();
    }
    let mut position = wanted.start();
    while let Some(event) = session.event() {
        let Event::Piece { content, bytes, .. } = event else { continue };
        assert!(content.start() <= position && position < content.end());
        assert_eq!(bytes.concat(), data[content.start() as usize..content.end() as usize]);
        position = content.end();
    }
    assert!(position >= wanted.end());
}

#[test]
fn a_peer_is_given_what_it_was_told_of_while_it_is_not_choked() {
    let (plan, _) = torrent(200_000);
    let mut ours = Bits::none(count(&plan));
    ours.set(1, true);
    let mut session: Session<()> = Session::new(Arc::clone(&plan), Time::ZERO, (true, false), &ours);
    assert_eq!(said(&mut session), [Message::Bitfield(ours.bytes())]);
    let block = |index, begin, length| Block { index, begin, length };
    let asks = |session: &mut Session<()>, block| session.on(Time::ZERO, Message::Request(block)).unwrap();
    asks(&mut session, block(1, 0, 16_384));
    assert_eq!(said(&mut session), [Message::Reject(block(1, 0, 16_384))], "choked");
    session.on(Time::ZERO, Message::Interested).unwrap();
    assert!(session.wants());
    session.choke_peer(false);
    session.tell(Time::ZERO, &[1, 2, 9]);
    assert_eq!(said(&mut session), [Message::Unchoke, Message::Have(2)]);
    // Of another piece, past the end, of no length, too long.
    let bad = [block(0, 0, 16_384), block(1, 30_000, 16_384), block(2, 0, 0), block(4, 0, 200_000), block(9, 0, 1)];
    bad.into_iter().for_each(|block| asks(&mut session, block));
    assert_eq!(said(&mut session), bad.map(Message::Reject));
    [block(1, 0, 16_384), block(2, 16_384, 16_384), block(1, 32_768, 7232)]
        .into_iter()
        .for_each(|block| asks(&mut session, block));
    session.on(Time::ZERO, Message::Cancel(block(2, 16_384, 16_384))).unwrap();
    assert_eq!(said(&mut session), [Message::Reject(block(2, 16_384, 16_384))]);
    assert_eq!(session.owed(), Some(block(1, 0, 16_384)));
    session.give(Time::ZERO, block(1, 0, 16_384), Some(Bytes::from_static(b"data")));
    assert_eq!(said(&mut session), [Message::Piece { index: 1, begin: 0, data: Bytes::from_static(b"data") }]);
    session.give(Time::ZERO, block(1, 0, 16_384), None);
    assert_eq!(said(&mut session), [Message::Reject(block(1, 0, 16_384))], "it could not be read back");
    session.choke_peer(true);
    assert_eq!(said(&mut session), [Message::Choke, Message::Reject(block(1, 32_768, 7232))]);
    assert_eq!(session.owed(), None);
}
