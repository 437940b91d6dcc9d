//! Super-seeding (BEP 16): while nobody else has the whole, each peer is told of one piece at a time, and of the next when it passed that
//! one on, so that every byte we send is one that the swarm has not had. Pure.

use std::{collections::HashMap, time::Duration};

use super::slots::Member;

/// A peer whose piece nobody else was seen to have is told of another after this long: it may be out of reach of the others.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was told to whom.
#[derive(Debug)]
pub struct Reveal {
    pieces: u32,
    /// How often each piece was told; the next one is the first of those told least.
    told: Vec<u16>,
    cursor: u32,
    pending: HashMap<Member, (u32, Duration)>,
}

impl Reveal {
    /// Nothing told yet.
    #[must_use]
    pub fn new(pieces: u32) -> Self {
        Self { pieces, told: vec![0; pieces as usize], cursor: 0, pending: HashMap::new() }
    }

    /// The piece to tell a peer that waits for none, of those it lacks.
    pub fn next(&mut self, member: Member, now: Duration, has: impl Fn(u32) -> bool) -> Option<u32> {
        if self.pending.get(&member).is_some_and(|(_, since)| now.saturating_sub(*since) < PATIENCE) {
            return None;
        }
        let lacking = |piece: &u32| !has(*piece);
        let order = (0..self.pieces).map(|step| (self.cursor + step) % self.pieces.max(1));
        let piece = order.filter(lacking).min_by_key(|piece| self.told[*piece as usize])?;
        self.told[piece as usize] = self.told[piece as usize].saturating_add(1);
        self.cursor = (piece + 1) % self.pieces;
        self.pending.insert(member, (piece, now));
        Some(piece)
    }

    /// `member` came to have `piece`. Returns who is to be told of another: whoever passed the piece on, or `member` itself where nobody
    /// else is there to pass it to.
    pub fn had(&mut self, member: Member, piece: u32, alone: bool) -> Vec<Member> {
        let passed = |(other, (pending, _)): (&Member, &(u32, Duration))| {
            let done = *pending == piece && (*other != member || alone);
            done.then_some(*other)
        };
        let done: Vec<Member> = self.pending.iter().filter_map(passed).collect();
        for member in &done {
            self.pending.remove(member);
        }
        done
    }

    /// One went.
    pub fn leave(&mut self, member: Member) {
        self.pending.remove(&member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_of_another_piece_and_of_the_next_once_it_passed_that_on() {
        let mut reveal = Reveal::new(4);
        assert_eq!(reveal.next(1, Duration::ZERO, |_| false), Some(0));
        assert_eq!(reveal.next(2, Duration::ZERO, |_| false), Some(1));
        assert_eq!(reveal.next(1, Duration::ZERO, |_| false), None);
        // It has it now, and nobody else does.
        assert!(reveal.had(1, 0, false).is_empty());
        assert_eq!(reveal.had(2, 0, false), [1]);
        assert_eq!(reveal.next(1, Duration::ZERO, |piece| piece == 0), Some(2));
        // What it has already is not told.
        assert_eq!(reveal.next(3, Duration::ZERO, |piece| piece != 1), Some(1));
        assert_eq!(reveal.next(4, Duration::ZERO, |_| true), None);
        // Nobody was seen to have it: after a while the next one is told all the same.
        assert_eq!(reveal.next(3, PATIENCE, |piece| piece != 2), Some(2));
        reveal.leave(2);
        assert_eq!(reveal.next(2, Duration::ZERO, |piece| piece == 0), Some(3));
    }

    #[test]
    fn alone_it_is_told_as_it_goes() {
        let mut reveal = Reveal::new(3);
        let mut has = Vec::new();
        while let Some(piece) = reveal.next(1, Duration::ZERO, |piece| has.contains(&piece)) {
            has.push(piece);
            assert_eq!(reveal.had(1, piece, true), [1]);
        }
        assert_eq!(has, [0, 1, 2]);
    }
}
