//! The books of a swarm balance after every round, whatever happens in it.

use super::flow::{CLOUD, NO_PIECE};
use super::peer::PieceSet;
use super::play::populate;
use super::scenario::Pieces;
use super::swarm::{ROUND, Swarm, TICK};

fn small() -> Pieces {
    Pieces {
        swarms: 3,
        arrivals: 0.1,
        warm_up: 0.0,
        measured: 1800.0,
        cool_down: 600.0,
        piece: 64e3,
        pieces: 70,
        patience: Some(300.0),
        ..Pieces::default()
    }
}

fn count(set: &PieceSet) -> usize {
    let mut count = 0;
    set.for_each(|_| count += 1);
    count
}

/// Counts again what is kept by increments.
fn assert_consistent(swarm: &Swarm) {
    let world = swarm.world;
    let alive: Vec<u32> = (0..swarm.peers.len() as u32).filter(|&slot| swarm.peers[slot as usize].alive).collect();
    let mut known = swarm.alive.clone();
    known.sort_unstable();
    assert_eq!(known, alive);
    assert_eq!(swarm.leechers, alive.iter().filter(|&&slot| swarm.peers[slot as usize].leeches()).count());
    for piece in 0..world.pieces {
        let copies = alive.iter().filter(|&&slot| swarm.peers[slot as usize].have.has(piece as u16)).count();
        assert_eq!(copies as u32, swarm.copies[piece], "copies of piece {piece}");
        let injected = swarm.flows.iter().filter(|f| f.from == CLOUD && usize::from(f.piece) == piece).count();
        assert_eq!(injected, usize::from(swarm.injected[piece]), "cloud flows of piece {piece}");
    }
    assert_eq!(swarm.cloud_flows, swarm.flows.iter().filter(|flow| flow.from == CLOUD).count());
    for &slot in &alive {
        let peer = &swarm.peers[slot as usize];
        assert_eq!(usize::from(peer.held), count(&peer.have));
        let parts: f64 = peer.parts.iter().map(|part| world.piece - part.left).sum();
        let held = f64::from(peer.held) * world.piece + parts;
        assert!((held - peer.bytes).abs() < 1e-3, "{} bytes got, {held} held", peer.bytes);
        for part in &peer.parts {
            let flows = swarm.flows.iter().filter(|flow| flow.to == slot && flow.piece == part.piece).count();
            assert_eq!(flows, usize::from(part.flows), "flows of a part");
            assert!(peer.pending.has(part.piece) && !peer.have.has(part.piece));
        }
        assert_eq!(count(&peer.pending), peer.parts.len());
        let mut serving: Vec<u32> = swarm.flows.iter().filter(|f| f.from == slot).map(|f| f.to).collect();
        let mut kept = peer.serving.clone();
        serving.sort_unstable();
        kept.sort_unstable();
        assert_eq!(kept, serving);
        assert_eq!(peer.by_cloud, swarm.flows.iter().any(|flow| flow.from == CLOUD && flow.to == slot));
    }
    for flow in &swarm.flows {
        assert!(swarm.peers[flow.to as usize].leeches());
        if flow.from != CLOUD && flow.piece != NO_PIECE {
            assert!(swarm.peers[flow.from as usize].have.has(flow.piece), "a byte out of nothing");
        }
    }
}

#[test]
fn books_balance_in_every_round() {
    let mut finished = 0;
    for mut swarm in populate(&small(), 7) {
        for round in 0..240_u32 {
            let before = swarm.ledger;
            let budget = f64::from(round % 4) * 100e3;
            swarm.play_round(budget);
            assert_consistent(&swarm);
            let after = swarm.ledger;
            let seconds = f64::from(ROUND) * TICK;
            let (cloud, peers) = (after.cloud - before.cloud, after.peers - before.peers);
            assert!((after.received - before.received - cloud - peers).abs() < 1e-3, "bytes out of nothing");
            assert!(cloud <= budget * seconds + 1e-3, "the cloud uploaded {cloud} of {budget} a second");
        }
        swarm.end();
        for viewer in swarm.viewers.iter().filter(|viewer| viewer.finished) {
            assert!((viewer.bytes - small().size()).abs() < 1e-3);
            assert!(viewer.seconds + 1e-6 >= small().size() / small().limit, "faster than the line");
        }
        finished += swarm.viewers.iter().filter(|viewer| viewer.finished).count();
    }
    assert!(finished > 100, "only {finished} finished");
}

#[test]
fn nobody_exceeds_a_line_in_any_tick() {
    let world = Pieces { limit: 60e3, ..small() };
    for mut swarm in populate(&world, 3) {
        for _ in 0..120 {
            swarm.play_round(400e3);
            let mut into = vec![0.0; swarm.peers.len()];
            let mut out = vec![0.0; swarm.peers.len()];
            let mut cloud = 0.0;
            for flow in &swarm.flows {
                into[flow.to as usize] += flow.rate;
                if flow.from == CLOUD {
                    cloud += flow.rate;
                } else {
                    out[flow.from as usize] += flow.rate;
                }
            }
            assert!(cloud <= 400e3 * (1.0 + 1e-9));
            for (slot, peer) in swarm.peers.iter().enumerate().filter(|(_, peer)| peer.alive) {
                assert!(into[slot] <= world.limit * (1.0 + 1e-9), "{} into one line", into[slot]);
                assert!(out[slot] <= peer.arrival.upload * (1.0 + 1e-9), "{} out of one line", out[slot]);
            }
        }
    }
}
