//! Which peers an answer names: owners come first (see `owners`), then near ones up to a quarter, then a random part, shuffled.

use std::net::IpAddr;

use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::SliceRandom};

use super::{
    announce::{MAX_WANT, Peers},
    peer::{Peer, network},
};

/// Who asks for which peers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// Its own position, which is not named.
    pub(super) own: usize,
    pub(super) address: IpAddr,
    /// Which hash it used: who knows only the other cannot be spoken to.
    pub(super) by: u8,
    pub(super) want: usize,
    /// It lacks nothing: other seeders are of no use.
    pub(super) leechers_only: bool,
    pub(super) v4: bool,
    pub(super) v6: bool,
}

/// What selection works with; one per thread.
#[derive(Debug)]
pub(super) struct Scratch {
    random: SmallRng,
    picked: Vec<u32>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { random: SmallRng::seed_from_u64(rand::random()), picked: Vec::with_capacity(2 * MAX_WANT as usize) }
    }
}

/// Peers looked at beyond twice those wanted, before giving up on a swarm full of seeders or of the other family.
const PATIENCE: usize = 64;

/// Appends to `found` up to what is wanted.
pub(super) fn select(peers: &[Peer], wish: &Wish, scratch: &mut Scratch, found: &mut Peers) {
    let want = wish.want.min(MAX_WANT as usize);
    if want == 0 || peers.is_empty() {
        return;
    }
    let Scratch { random, picked } = scratch;
    picked.clear();
    let home = network(wish.address);
    // Near ones are kept at the front.
    let mut near = 0;
    let look_at = peers.len().min(2 * want + PATIENCE);
    // One window in each half, so that neighbours in memory are not always named together, and none twice.
    let halves = if look_at == peers.len() { [peers, &[]] } else { peers.split_at(peers.len() / 2).into() };
    for (half, begin, most) in [(halves[0], 0, want), (halves[1], halves[0].len(), 2 * want)] {
        let (length, most) = if look_at == peers.len() { (half.len(), 2 * want) } else { (look_at / 2, most) };
        if half.is_empty() {
            break;
        }
        // Windows wrap, or peers at the ends would be named seldom.
        let start = random.random_range(0..half.len());
        let (after, before) = (&half[start..], &half[..start]);
        let positions = (begin + start..).zip(after).chain((begin..).zip(before));
        for (at, peer) in positions.take(length) {
            let reachable = wish.v4 && peer.v4().is_some() || wish.v6 && peer.v6().is_some();
            if !reachable
                || peer.is_hidden()
                || at == wish.own
                || !peer.speaks(wish.by)
                || wish.leechers_only && peer.is_seeder()
            {
                continue;
            }
            let Ok(position) = u32::try_from(at) else { continue };
            picked.push(position);
            if peer.networks().any(|network| network == home) {
                let last = picked.len() - 1;
                picked.swap(near, last);
                near += 1;
            }
            if picked.len() >= most {
                break;
            }
        }
    }
    if picked.len() > want {
        // At most a quarter by nearness: the rest keeps the swarm one.
        let kept = near.min(want.div_ceil(4));
        for at in kept..want {
            let other = random.random_range(at..picked.len());
            picked.swap(at, other);
        }
        picked.truncate(want);
    }
    picked.shuffle(random);
    for position in picked.iter() {
        let peer = &peers[*position as usize];
        found.v4.extend(peer.v4().filter(|_| wish.v4));
        found.v6.extend(peer.v6().filter(|_| wish.v6));
    }
}
