//! What a source can do wrong.

use crate::schedule::Fault;

/// Why a source did not deliver: what the scheduler does about it, the reason word for status, and a sentence for people.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// What it means for scheduling.
    pub fault: Fault,
    /// A word of [`videocloud_protocol::failure::reason`].
    pub reason: &'static str,
    /// What happened, to what, and what helps. Holds no userinfo and no query string.
    pub message: String,
}

impl SourceError {
    /// It will never work.
    #[must_use]
    pub fn gone(reason: &'static str, message: impl Into<String>) -> Self {
        Self { fault: Fault::Gone, reason, message: message.into() }
    }

    /// It may work later.
    #[must_use]
    pub fn transient(reason: &'static str, message: impl Into<String>) -> Self {
        Self { fault: Fault::Transient, reason, message: message.into() }
    }
}
