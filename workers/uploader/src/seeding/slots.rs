//! Who of a swarm is unchoked. A seed has no rates of its peers to go by: slots go round, those that wait longest come first and those
//! that had one longest leave first. Pure.

use std::{collections::BTreeMap, time::Duration};

use crate::rates::UNLIMITED;

/// How long a slot is kept while others wait.
const TURN: Duration = Duration::from_secs(30);
/// Bytes per second that make one more slot worth having.
const RATE: u64 = 50_000;
/// Fewest and most slots.
const BOUNDS: (usize, usize) = (4, 1000);

/// Slots of a swarm of `rate` bytes per second.
#[must_use]
pub fn count(rate: u64) -> usize {
    if rate == UNLIMITED {
        return BOUNDS.1;
    }
    usize::try_from(rate / RATE).unwrap_or(usize::MAX).clamp(BOUNDS.0, BOUNDS.1)
}

/// Names a connection of a swarm.
pub type Member = u64;

#[derive(Debug, Clone, Copy)]
struct Place {
    interested: bool,
    choked: bool,
    since: Duration,
}

/// The slots of one swarm.
#[derive(Debug, Default)]
pub struct Slots {
    members: BTreeMap<Member, Place>,
}

/// A change: who, and whether it is choked from now on.
pub type Turn = (Member, bool);

impl Slots {
    /// One came; it is choked.
    pub fn join(&mut self, member: Member, now: Duration) {
        self.members.insert(member, Place { interested: false, choked: true, since: now });
    }

    /// One went.
    pub fn leave(&mut self, member: Member) {
        self.members.remove(&member);
    }

    /// One wants something, or nothing any more. True when that is news.
    pub fn interest(&mut self, member: Member, interested: bool, now: Duration) -> bool {
        let Some(place) = self.members.get_mut(&member).filter(|place| place.interested != interested) else {
            return false;
        };
        place.interested = interested;
        if place.choked {
            place.since = now;
        }
        true
    }

    /// Brings the slots in order: to be called when somebody comes, goes or changes its mind, and every ten seconds.
    pub fn review(&mut self, slots: usize, now: Duration) -> Vec<Turn> {
        let mut turns = Vec::new();
        let (mut holders, mut waiting) = (Vec::new(), Vec::new());
        for (member, place) in &mut self.members {
            match (place.interested, place.choked) {
                (true, true) => waiting.push((place.since, *member)),
                (true, false) => holders.push((place.since, *member)),
                (false, false) => {
                    (place.choked, place.since) = (true, now);
                    turns.push((*member, true));
                }
                (false, true) => {}
            }
        }
        holders.sort_unstable();
        waiting.sort_unstable();
        let free = slots.saturating_sub(holders.len());
        let over = holders.len().saturating_sub(slots);
        let had = holders.iter().filter(|(since, _)| now.saturating_sub(*since) >= TURN).count();
        let out = over.max(had.min(waiting.len().saturating_sub(free)));
        let leaving = holders.iter().take(out).map(|(_, member)| (*member, true));
        let room = slots.saturating_sub(holders.len() - out);
        let coming = waiting.iter().take(room).map(|(_, member)| (*member, false));
        for (member, choked) in leaving.chain(coming) {
            if let Some(place) = self.members.get_mut(&member) {
                (place.choked, place.since) = (choked, now);
                turns.push((member, choked));
            }
        }
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn crowd(count: u64) -> Slots {
        let mut slots = Slots::default();
        for member in 0..count {
            slots.join(member, at(0));
            assert!(slots.interest(member, true, at(member)) && !slots.interest(member, true, at(99)));
        }
        slots
    }

    #[test]
    fn slots_follow_the_rate() {
        assert_eq!((count(0), count(50_000), count(1_000_000), count(UNLIMITED)), (4, 4, 20, 1000));
    }

    #[test]
    fn everybody_gets_its_turn() {
        let mut slots = crowd(5);
        assert_eq!(slots.review(2, at(10)), [(0, false), (1, false)]);
        assert!(slots.review(2, at(20)).is_empty());
        assert_eq!(slots.review(2, at(40)), [(0, true), (1, true), (2, false), (3, false)]);
        assert_eq!(slots.review(2, at(70)), [(2, true), (3, true), (4, false), (0, false)]);
        // Fewer slots at once; one that goes makes room at once.
        assert_eq!(slots.review(1, at(71)), [(0, true)]);
        slots.leave(4);
        assert_eq!(slots.review(1, at(72)), [(1, false)]);
        // Who wants nothing any more gives its slot up.
        slots.interest(1, false, at(73));
        assert_eq!(slots.review(1, at(73)), [(1, true), (2, false)]);
    }

    #[test]
    fn nobody_leaves_while_nobody_waits() {
        let mut slots = crowd(3);
        assert_eq!(slots.review(3, at(0)).len(), 3);
        assert!(slots.review(3, at(1000)).is_empty());
    }
}
