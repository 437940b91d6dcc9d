//! What a source can do wrong.

use videocloud_protocol::failure::reason;

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
    /// Length of the content in bytes, as the source said on this occasion.
    pub size: Option<u64>,
}

impl SourceError {
    /// It will never work.
    #[must_use]
    pub fn gone(reason: &'static str, message: impl Into<String>) -> Self {
        Self { fault: Fault::Gone, reason, message: message.into(), size: None }
    }

    /// It may work later.
    #[must_use]
    pub fn transient(reason: &'static str, message: impl Into<String>) -> Self {
        Self { fault: Fault::Transient, reason, message: message.into(), size: None }
    }

    /// It has `size` bytes, and that is another number than is expected.
    #[must_use]
    pub fn short(host: &str, size: u64) -> Self {
        let message = format!("{host} has {size} bytes under this link, fewer than announced");
        Self { size: Some(size), ..Self::gone(reason::SIZE_MISMATCH, message) }
    }
}
