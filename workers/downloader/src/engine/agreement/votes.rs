//! Who is odd where mirrors differ. Pure.

use std::collections::{BTreeMap, HashMap};

use crate::schedule::SourceId;

/// Hash of what a mirror has in a block; `None` for the very bytes that the followed source gave.
pub(super) type Answer = Option<[u8; 32]>;

/// What the answers for one block mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Others have still to be asked.
    Open,
    /// The followed source has what most have; these have not.
    Odd(Vec<SourceId>),
    /// Most have other bytes than the followed source.
    FollowedIsOdd,
    /// As many say one thing as another.
    Tie(Vec<SourceId>),
}

/// Answers for the blocks about which somebody differs.
#[derive(Debug, Default)]
pub(super) struct Votes {
    blocks: BTreeMap<u64, HashMap<SourceId, Answer>>,
}

impl Votes {
    /// `id` has this in `block`. A block that all have alike is not remembered.
    pub(super) fn cast(&mut self, block: u64, id: SourceId, answer: Answer) {
        if answer.is_some() || self.blocks.contains_key(&block) {
            self.blocks.entry(block).or_default().insert(id, answer);
        }
    }

    /// The first block that `id` has to be asked about.
    pub(super) fn question(&self, id: SourceId) -> Option<u64> {
        self.blocks.iter().find(|(_, answers)| !answers.contains_key(&id)).map(|(block, _)| *block)
    }

    /// Whether anybody differs anywhere.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Judges the first block that can be judged, given who can still answer, and forgets it.
    pub(super) fn judge(&mut self, voters: &[SourceId]) -> Verdict {
        let verdicts = self.blocks.iter().map(|(block, answers)| (*block, verdict(answers, voters)));
        let Some((block, verdict)) = verdicts.into_iter().find(|(_, verdict)| *verdict != Verdict::Open) else {
            return Verdict::Open;
        };
        self.blocks.remove(&block);
        verdict
    }
}

fn verdict(answers: &HashMap<SourceId, Answer>, voters: &[SourceId]) -> Verdict {
    let mut counts: HashMap<Answer, usize> = HashMap::from([(None, 1)]);
    answers.values().for_each(|answer| *counts.entry(*answer).or_default() += 1);
    let open = voters.iter().filter(|voter| !answers.contains_key(voter)).count();
    let (winner, most) = counts.iter().max_by_key(|(_, count)| **count).map_or((None, 0), |(a, count)| (*a, *count));
    let second = counts.iter().filter(|(answer, _)| **answer != winner).map(|(_, count)| *count).max().unwrap_or(0);
    let unlike = || answers.iter().filter(|(_, answer)| **answer != winner).map(|(id, _)| *id).collect::<Vec<_>>();
    match (most > second + open, winner) {
        (true, None) => Verdict::Odd(unlike()),
        (true, Some(_)) => Verdict::FollowedIsOdd,
        (false, _) if open > 0 => Verdict::Open,
        (false, _) => Verdict::Tie(answers.iter().filter(|(_, answer)| answer.is_some()).map(|(id, _)| *id).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SourceId = SourceId(1);
    const B: SourceId = SourceId(2);
    const C: SourceId = SourceId(3);
    const X: Answer = Some([1; 32]);
    const Y: Answer = Some([2; 32]);

    fn judged(answers: &[(SourceId, Answer)], voters: &[SourceId]) -> Verdict {
        let mut votes = Votes::default();
        votes.cast(0, A, X);
        answers.iter().for_each(|(id, answer)| votes.cast(0, *id, *answer));
        votes.judge(voters)
    }

    #[test]
    fn one_against_one_is_a_tie_and_a_third_decides() {
        assert_eq!(judged(&[], &[A]), Verdict::Tie(vec![A]));
        assert_eq!(judged(&[], &[A, B]), Verdict::Open);
        assert_eq!(judged(&[(B, None)], &[A, B]), Verdict::Odd(vec![A]));
        assert_eq!(judged(&[(B, X)], &[A, B]), Verdict::FollowedIsOdd);
        assert_eq!(judged(&[(B, X), (C, None)], &[A, B, C]).sorted(), Verdict::Tie(vec![A, B]));
    }

    #[test]
    fn all_different_is_a_tie() {
        assert_eq!(judged(&[(B, Y)], &[A, B]).sorted(), Verdict::Tie(vec![A, B]));
    }

    #[test]
    fn only_blocks_with_a_difference_are_asked_about() {
        let mut votes = Votes::default();
        votes.cast(3, A, None);
        assert!(votes.is_empty());
        votes.cast(4, A, X);
        assert_eq!((votes.question(A), votes.question(B)), (None, Some(4)));
    }

    impl Verdict {
        fn sorted(mut self) -> Self {
            if let Self::Odd(ids) | Self::Tie(ids) = &mut self {
                ids.sort_unstable();
            }
            self
        }
    }
}
