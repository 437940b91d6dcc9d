//! Who is named to whom, who is let in.

use std::{collections::HashMap, net::IpAddr};

use videocloud_protocol::token::TokenKey;

use super::*;
use crate::swarms::{Cursor, MAX_WANT, Roster, Seeder};

#[test]
fn peers_are_told_of_each_other_and_seeders_of_leechers_only() {
    let mut stage = Stage::new(|_| {});
    assert_eq!(stage.announce(&peer(1), 0).unwrap().found.leechers, 1);
    assert_eq!(stage.named(), Vec::<u16>::new());
    stage.announce(&seeder(2), 0).unwrap();
    assert_eq!(stage.named(), [1001]);
    let answer = stage.announce(&seeder(3), 0).unwrap();
    assert_eq!((stage.named(), answer.found.seeders, answer.found.leechers), (vec![1001], 2, 1));
    stage.announce(&peer(1), 1).unwrap();
    assert_eq!(stage.named(), [1002, 1003]);
    // Nobody is named who cannot be reached, or has gone.
    stage.announce(&Announce { port: 0, ..peer(4) }, 1).unwrap();
    stage.announce(&Announce { event: Event::Stopped, ..seeder(2) }, 1).unwrap();
    assert!(stage.named().is_empty());
    let answer = stage.announce(&peer(1), 2).unwrap();
    assert_eq!((stage.named(), answer.found.seeders, answer.found.leechers), (vec![1003], 1, 2));
    let none = Announce { want: 0, ..peer(1) };
    stage.announce(&none, 3).unwrap();
    assert!(stage.named().is_empty());
}

#[test]
fn answers_are_bounded_distinct_and_reach_everybody() {
    let mut stage = Stage::new(|_| {});
    for n in 0..3000 {
        stage.announce(&peer(n), 0).unwrap();
    }
    let mut times: HashMap<u16, u32> = HashMap::new();
    for _ in 0..600 {
        stage.announce(&Announce { want: u32::MAX, ..peer(9) }, 1).unwrap();
        let named = stage.named();
        assert_eq!(named.len(), MAX_WANT as usize);
        assert!(named.windows(2).all(|pair| pair[0] != pair[1]) && !named.contains(&1009));
        named.into_iter().for_each(|port| *times.entry(port).or_default() += 1);
    }
    // 40 times each on average; chance leaves nobody out.
    assert_eq!(times.len(), 2999);
}

#[test]
fn near_peers_come_first_up_to_a_quarter() {
    let mut stage = Stage::new(|settings| settings.max_per_network = 1000);
    for n in 0..100 {
        stage.announce(&Announce { address: IpAddr::from([192, 0, 2, 1]), ..peer(n) }, 0).unwrap();
        stage.announce(&peer(1000 + n), 0).unwrap();
    }
    let near = Announce { address: IpAddr::from([192, 0, 2, 9]), want: 80, ..peer(5000) };
    stage.announce(&near, 0).unwrap();
    let count = stage.named().iter().filter(|port| **port < 2000).count();
    // A quarter, and of the other sixty a random part of 80 near and 100 far ones.
    assert!(stage.named().len() == 80 && (20..80).contains(&count), "{count}");
}

#[test]
fn a_network_has_its_part_of_a_swarm_and_others_are_served_nonetheless() {
    let mut stage = Stage::new(|settings| settings.max_per_network = 4);
    let crowd = |n: u16| Announce { address: IpAddr::from([192, 0, 2, 7]), ..peer(n) };
    for n in 0..100 {
        assert!(stage.announce(&crowd(n), 0).unwrap().found.leechers <= 4);
    }
    assert_eq!(stage.named().len(), 4);
    assert_eq!(stage.announce(&peer(500), 0).unwrap().found.leechers, 5);
    // Those that are in stay in, and make room when they go.
    stage.announce(&Announce { event: Event::Stopped, ..crowd(0) }, 1).unwrap();
    assert_eq!(stage.announce(&crowd(99), 1).unwrap().found.leechers, 5);
    assert_eq!(stage.announce(&crowd(98), 1).unwrap().found.leechers, 5);
    let v6 = |n: u16| Announce { address: IpAddr::from([0x2001, 0xdb8, 7, n, 0, 0, 0, n]), ..peer(600 + n) };
    for n in 0..10 {
        stage.announce(&v6(n), 0).unwrap();
    }
    assert_eq!(stage.announce(&peer(500), 2).unwrap().found.leechers, 9);
}

#[test]
fn whoever_cannot_be_reached_is_named_to_nobody_and_seeds_nothing() {
    let mut stage = Stage::new(|_| {});
    let away = |announce: Announce| Announce { port: announce.port + 2000, ..announce };
    for n in 1..=2 {
        stage.announce(&away(seeder(n)), 0).unwrap();
    }
    let (mut cursor, own) = (Cursor::default(), "10.0.0.0/8".parse().unwrap());
    let mut tried = stage.swarms.untried(&mut cursor, 1, &[own]);
    tried.extend(stage.swarms.untried(&mut cursor, 9, &[own]));
    assert_eq!(tried.len(), 2);
    assert!(stage.swarms.untried(&mut cursor, 9, &[own]).is_empty(), "each once");
    let first = tried.iter().find(|candidate| candidate.address.port() == 3001).unwrap();
    stage.swarms.tried(first, false);
    stage.announce(&peer(3), 1).unwrap();
    assert_eq!(stage.named(), [3002]);
    // Only one of them counts in what is measured.
    for turn in 1..=4 {
        stage.announce(&away(seeder(1)), turn * INTERVAL).unwrap();
        stage.announce(&away(seeder(2)), turn * INTERVAL).unwrap();
    }
    assert_eq!(stage.sample(2).unwrap().seeders_milli, 1000);
    // Elsewhere it is another matter.
    stage.announce(&Announce { port: 3009, ..seeder(1) }, 4 * INTERVAL + 1).unwrap();
    stage.announce(&peer(3), 4 * INTERVAL + 2).unwrap();
    assert_eq!(stage.named(), [3002, 3009]);
    // What is said of where it was counts no more.
    stage.swarms.tried(first, false);
    stage.announce(&peer(3), 4 * INTERVAL + 3).unwrap();
    assert_eq!(stage.named(), [3002, 3009]);
}

#[test]
fn unknown_torrents_and_wrong_keys_are_refused() {
    let mut stage = Stage::new(|_| {});
    let unknown = Announce { info_hash: InfoHash::from_bytes([9; 20]), ..peer(1) };
    assert_eq!(stage.announce(&unknown, 0).unwrap_err(), Refused::Unknown);
    assert!(stage.swarms.scrape(&unknown.info_hash).is_none());
    stage.announce(&peer(1), 0).unwrap();
    let thief = Announce { key: 6, address: IpAddr::from([10, 9, 9, 9]), port: 9, ..peer(1) };
    assert_eq!(stage.announce(&thief, 1).unwrap_err(), Refused::WrongKey);
    stage.announce(&peer(2), 1).unwrap();
    assert_eq!(stage.named(), [1001]);
    // Who has the key may move; who is in the same place may have been started anew.
    stage.announce(&Announce { port: 9, ..Announce { key: 5, ..thief } }, 2).unwrap();
    stage.announce(&Announce { key: 8, port: 10, ..thief }, 3).unwrap();
    stage.announce(&peer(2), 4).unwrap();
    assert_eq!(stage.named(), [10]);
    // An open tracker takes any torrent, and forgets it with its last peer.
    let mut open = Stage::new(|settings| settings.open = true);
    open.announce(&unknown, 0).unwrap();
    assert!(open.swarms.serves(&unknown.info_hash));
    open.announce(&Announce { event: Event::Stopped, ..unknown }, 1).unwrap();
    open.pass(3 * INTERVAL);
    open.swarms.sweep(3 * INTERVAL);
    assert!(!open.swarms.serves(&unknown.info_hash) && open.swarms.serves(&V1));
}

#[test]
fn torrents_of_a_namespace_need_their_secret() {
    let mut stage = Stage::new(|_| {});
    let (hash, content) = (InfoHash::from_bytes([8; 20]), ContentId::from_bytes([8; 32]));
    let hashes = Hashes { swarm: hash, alias: None };
    stage.swarms.know_hashes(&hashes, Known { content, size: 1, secret: true });
    let secret = stage.swarms.secret_of(&content).unwrap();
    assert_eq!(secret, TokenKey::new(&[7; 16]).unwrap().announce_secret(&hash));
    assert_eq!(stage.swarms.secret_of(&CONTENT), None);
    let (announce, mut peers) = (Announce { info_hash: hash, ..peer(1) }, Peers::default());
    for wrong in [None, Some(""), Some("0123456789abcdef0123456789abcdef")] {
        let answer = stage.swarms.announce(&announce, wrong, 0, &mut Worker::default(), &mut peers);
        assert_eq!(answer.unwrap_err(), Refused::BadSecret);
    }
    stage.swarms.announce(&announce, Some(&secret), 0, &mut Worker::default(), &mut peers).unwrap();
    // Fetched by somebody without credentials meanwhile: public from now on, whatever is said later.
    stage.swarms.know_hashes(&hashes, Known { content, size: 1, secret: false });
    stage.swarms.know_hashes(&hashes, Known { content, size: 1, secret: true });
    assert!(stage.announce(&announce, 1).is_ok());
}

#[test]
fn a_hybrid_torrent_is_one_swarm_and_names_whom_one_can_speak_to() {
    let mut stage = Stage::new(|_| {});
    stage.announce(&peer(1), 0).unwrap();
    let second = |n: u16| Announce { info_hash: V2, ..peer(n) };
    let answer = stage.announce(&second(2), 0).unwrap();
    assert_eq!((stage.named(), answer.found.leechers), (vec![], 2));
    // Speaks both, as hybrid clients announce.
    stage.announce(&peer(3), 0).unwrap();
    assert_eq!(stage.announce(&second(3), 0).unwrap().found.leechers, 3);
    assert_eq!(stage.named(), [1002]);
    stage.announce(&second(2), 1).unwrap();
    assert_eq!(stage.named(), [1003]);
    stage.announce(&peer(1), 1).unwrap();
    assert_eq!(stage.named(), [1003]);
    assert_eq!(stage.swarms.scrape(&V2), stage.swarms.scrape(&V1));
}

#[test]
fn owners_come_first_and_change_with_the_roster() {
    let mut stage = Stage::new(|_| {});
    let edge = |name: &str, port: u16| Seeder {
        name: name.into(),
        cluster: String::new(),
        addresses: vec![([192, 0, 2, 1], port).into(), "[2001:db8::1]:77".parse().unwrap()],
    };
    stage.swarms.set_roster(Roster::new(1, vec![edge("a", 7)], HashMap::new()));
    let answer = stage.announce(&peer(1), 0).unwrap();
    assert_eq!((stage.named(), stage.peers.v6.len()), (vec![7], 1));
    assert!(answer.found.seeders >= 1 && answer.found.leechers == 1);
    // One that lacks nothing, or wants nobody, is told of none.
    stage.announce(&seeder(2), 0).unwrap();
    assert_eq!(stage.named(), [1001]);
    stage.announce(&Announce { want: 0, ..peer(1) }, 0).unwrap();
    assert!(stage.named().is_empty());
    stage.swarms.set_roster(Roster::new(2, vec![edge("b", 8)], HashMap::new()));
    stage.announce(&peer(1), 1).unwrap();
    assert_eq!(stage.peers.v4[0].port(), 8);
    assert_eq!(stage.named(), [8, 1002]);
}

#[test]
fn peers_that_are_gone_are_swept() {
    let mut stage = Stage::new(|_| {});
    for n in 0..50 {
        stage.announce(&peer(n), u64::from(n) * 1000).unwrap();
    }
    // Two intervals and a half after the announce of the 25th.
    let now = 25_000 + INTERVAL * 5 / 2;
    stage.pass(now);
    assert_eq!(stage.swarms.sweep(now), (1, 25));
    assert_eq!(stage.swarms.scrape(&V1).unwrap().incomplete, 25);
    stage.announce(&peer(30), now).unwrap();
    assert_eq!(stage.named().len(), 24);
}
