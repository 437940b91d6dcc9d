//! Who of the peers is given something: those who gave most to us lately, and one in turn, so that who has nothing yet can begin
//! (BEP 3, "choking"). Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::discover::FindId;
use crate::schedule::Time;

/// Peers that are given something for what they gave.
const SLOTS: usize = 7;
/// Time between two reviews.
const REVIEW: Duration = Duration::from_secs(10);
/// How long one that is given something in turn keeps its place.
const TURN: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Member {
    wants: bool,
    choked: bool,
    /// Bytes it gave since the last review.
    gave: u64,
    /// When it last had the turn.
    had: Option<Time>,
}

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Choker {
    members: BTreeMap<FindId, Member>,
    turn: Option<(FindId, Time)>,
    reviewed: Option<Time>,
}

impl Choker {
    /// A peer that is given nothing yet.
    pub(super) fn join(&mut self, id: FindId) {
        self.members.insert(id, Member { choked: true, ..Member::default() });
    }

    /// A peer went.
    pub(super) fn leave(&mut self, id: FindId) {
        self.members.remove(&id);
        self.turn = self.turn.filter(|(turn, _)| *turn != id);
    }

    /// Hears from a peer whether it wants something and what it gave since it last said so; tells whether it is choked.
    pub(super) fn weigh(&mut self, now: Time, id: FindId, wants: bool, gave: u64) -> bool {
        let Some(member) = self.members.get_mut(&id) else { return true };
        member.gave += gave;
        let news = std::mem::replace(&mut member.wants, wants) != wants;
        let due = self.reviewed.is_none_or(|before| now >= before + REVIEW);
        let places = self.members.values().filter(|member| !member.choked).count() <= SLOTS;
        if due || news && (places || !wants) {
            self.review(now, due);
        }
        self.members.get(&id).is_none_or(|member| member.choked)
    }

    /// Gives the places away. What peers gave counts anew after a `whole` review.
    fn review(&mut self, now: Time, whole: bool) {
        let mut wanting: Vec<(u64, FindId)> =
            self.members.iter().filter(|(_, member)| member.wants).map(|(id, member)| (member.gave, *id)).collect();
        wanting.sort_unstable_by_key(|(gave, id)| (std::cmp::Reverse(*gave), *id));
        let (best, others) = wanting.split_at(wanting.len().min(SLOTS));
        let stays = |(turn, since): &(FindId, Time)| now < *since + TURN && others.iter().any(|(_, id)| id == turn);
        self.turn = self.turn.filter(stays).or_else(|| {
            // Whoever never had it, and then who had it longest ago.
            let next = others.iter().min_by_key(|(_, id)| (self.members.get(id).and_then(|member| member.had), *id));
            next.map(|(_, id)| (*id, now))
        });
        for (id, member) in &mut self.members {
            let turn = self.turn.is_some_and(|(turn, _)| turn == *id);
            member.choked = !turn && !best.iter().any(|(_, best)| best == id);
            if turn {
                member.had = Some(now);
            }
            if whole {
                member.gave = 0;
            }
        }
        if whole {
            self.reviewed = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Duration::from_secs(seconds)
    }

    #[test]
    fn who_gives_is_given_and_the_others_have_their_turn() {
        let mut choker = Choker::default();
        (0..12).for_each(|id| choker.join(FindId(id)));
        let open = |choker: &Choker| -> Vec<u64> {
            choker.members.iter().filter(|(_, member)| !member.choked).map(|(id, _)| id.0).collect()
        };
        // All want something; the last seven give.
        for id in 0..12 {
            choker.weigh(at(0), FindId(id), true, if id >= 5 { 100 * id } else { 0 });
        }
        choker.weigh(at(10), FindId(0), true, 0);
        assert_eq!((open(&choker).len(), &open(&choker)[1..]), (8, &[5, 6, 7, 8, 9, 10, 11][..]));
        let mut turns = Vec::new();
        for second in (20..200).step_by(10) {
            for id in 5..12 {
                choker.weigh(at(second), FindId(id), true, 100);
            }
            turns.extend(open(&choker).into_iter().filter(|id| *id < 5));
        }
        turns.dedup();
        turns.truncate(5);
        turns.sort_unstable();
        assert_eq!(turns, [0, 1, 2, 3, 4]);
        assert!(choker.weigh(at(200), FindId(99), true, 1), "a stranger");
    }

    #[test]
    fn a_place_that_is_free_is_taken_at_once_and_one_that_wants_nothing_has_none() {
        let mut choker = Choker::default();
        (0..3).for_each(|id| choker.join(FindId(id)));
        assert!(choker.weigh(at(0), FindId(0), false, 0));
        assert!(!choker.weigh(at(1), FindId(1), true, 0));
        assert!(!choker.weigh(at(1), FindId(2), true, 0));
        assert!(choker.weigh(at(2), FindId(1), false, 0));
        choker.leave(FindId(2));
        assert!(!choker.weigh(at(3), FindId(0), true, 0));
    }
}
