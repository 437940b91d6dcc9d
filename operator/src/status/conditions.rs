//! Conditions: found, compared and merged.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition as Shown, Time},
    jiff::Timestamp,
};

/// A condition as a controller decides it: no time, no generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its type, of [`videocloud_crds::conditions::types`].
    pub kind: &'static str,
    /// `Some(true)` is True, `Some(false)` False, `None` Unknown.
    pub status: Option<bool>,
    /// One CamelCase word.
    pub reason: String,
    /// For a person.
    pub message: String,
}

impl Condition {
    /// A condition.
    #[must_use]
    pub fn new(kind: &'static str, status: Option<bool>, reason: &str, message: impl Into<String>) -> Self {
        Self { kind, status, reason: word(reason), message: message.into() }
    }

    const fn word(&self) -> &'static str {
        match self.status {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        }
    }
}

/// A reason the API server takes: a worker's word, or `Failed` when it is none.
fn word(reason: &str) -> String {
    let good = reason.len() <= 128
        && reason.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && reason.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if good { reason.to_owned() } else { "Failed".to_owned() }
}

/// The condition of a type.
#[must_use]
pub fn find<'a>(conditions: &'a [Shown], kind: &str) -> Option<&'a Shown> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

/// Whether the condition of a type is True.
#[must_use]
pub fn is_true(conditions: &[Shown], kind: &str) -> bool {
    find(conditions, kind).is_some_and(|condition| condition.status == "True")
}

/// The conditions to show: those decided, with the transition time of the shown one unless the status flips.
#[must_use]
pub fn merge(shown: &[Shown], decided: &[Condition], generation: Option<i64>, now: Timestamp) -> Vec<Shown> {
    let one = |condition: &Condition| {
        let since = find(shown, condition.kind)
            .filter(|old| old.status == condition.word())
            .map_or(Time(now), |old| old.last_transition_time.clone());
        Shown {
            type_: condition.kind.to_owned(),
            status: condition.word().to_owned(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
            last_transition_time: since,
            observed_generation: generation,
        }
    };
    decided.iter().map(one).collect()
}

/// Whether two lists say the same, times aside.
#[must_use]
pub fn same(a: &[Shown], b: &[Shown]) -> bool {
    let said =
        |c: &Shown| (c.type_.clone(), c.status.clone(), c.reason.clone(), c.message.clone(), c.observed_generation);
    a.len() == b.len() && a.iter().map(said).eq(b.iter().map(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_on_flips_only() {
        let at = |second| Timestamp::from_second(second).unwrap_or_default();
        let ready = |status, reason: &str| [Condition::new("Ready", status, reason, "")];
        let first = merge(&[], &ready(Some(false), "Downloading"), Some(1), at(10));
        let second = merge(&first, &ready(Some(false), "Transcoding"), Some(1), at(20));
        let third = merge(&second, &ready(Some(true), "Playable"), Some(1), at(30));
        let times: Vec<i64> =
            [&first, &second, &third].iter().map(|list| list[0].last_transition_time.0.as_second()).collect();
        assert_eq!(times, [10, 10, 30]);
        assert!(!same(&first, &second));
        assert!(same(&second, &merge(&second, &ready(Some(false), "Transcoding"), Some(1), at(99))));
    }

    #[test]
    fn reasons_are_words() {
        assert_eq!(Condition::new("Ready", None, "Not a word!", "").reason, "Failed");
        assert_eq!(Condition::new("Ready", None, "", "").reason, "Failed");
        assert_eq!(Condition::new("Ready", None, "NotFound", "").reason, "NotFound");
    }
}
