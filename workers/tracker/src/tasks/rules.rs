//! Which of two results of one task stands. Results arrive in any order and more than once.

use videocloud_protocol::task::TaskResult;

/// What is known of a task's end. Stored by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Done.
    Succeeded,
    /// Failed for good.
    Failed,
    /// Failed in a way that another try may mend: the task goes on.
    Retrying,
}

impl Standing {
    /// Every standing.
    pub const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Retrying];

    /// The standing a result asks for.
    #[must_use]
    pub const fn of(result: &TaskResult) -> Self {
        match result {
            TaskResult::Succeeded(_) => Self::Succeeded,
            TaskResult::Failed { failure, .. } if failure.class.is_terminal() => Self::Failed,
            TaskResult::Failed { .. } => Self::Retrying,
        }
    }

    /// The word stored in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Retrying => "retrying",
        }
    }

    /// The standing of a stored word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.name() == name)
    }

    /// Whether nothing but a better result changes the task any more: progress that comes later is late.
    #[must_use]
    pub const fn is_end(self) -> bool {
        !matches!(self, Self::Retrying)
    }

    /// Whether a new result replaces the one that stands. Success beats every failure (the bytes are there), and a terminal
    /// failure beats one that is not; between equals the later stands, so that a repeated report is answered alike.
    #[must_use]
    pub const fn replaced_by(self, new: Self) -> bool {
        match (self, new) {
            (Self::Retrying, _) | (_, Self::Succeeded) | (Self::Failed, Self::Failed) => true,
            (Self::Succeeded, Self::Failed | Self::Retrying) | (Self::Failed, Self::Retrying) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_order_of_results_ends_alike_when_one_succeeded() {
        for first in Standing::ALL {
            let after = if first.replaced_by(Standing::Succeeded) { Standing::Succeeded } else { first };
            assert_eq!(after, Standing::Succeeded);
            assert_eq!(Standing::Succeeded.replaced_by(first), first == Standing::Succeeded);
        }
        assert!(!Standing::Failed.replaced_by(Standing::Retrying));
        assert_eq!(Standing::ALL.map(|s| Standing::from_name(s.name())), Standing::ALL.map(Some));
    }
}
