//! Why a piece of work failed, in the few classes that decide what happens next, and the exit codes that carry them.
//!
//! A class decides (retry, more memory, give up); a reason is the CamelCase word that becomes a condition's reason; a message
//! is for a person. None of them ever holds userinfo, a query string or a secret.

use serde::{Deserialize, Serialize};

/// What a failure means for the work. Wire form and exit code are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FailureClass {
    /// The bytes are wrong or unusable: digest, size, not media, corrupt, a bomb. Terminal.
    BadInput,
    /// The order itself cannot be carried out. Terminal.
    BadSpec,
    /// No source is left that could give the bytes. Terminal until sources change or a retry is asked for.
    SourceFailed,
    /// No progress within the deadline. Terminal until a retry is asked for.
    Stalled,
    /// A fault that another try may not meet. Retried.
    Transient,
    /// Memory or scratch space ran out. Retried, with more where there is more.
    Resources,
    /// The store has no room. Retried while room is made.
    StoreFull,
    /// The worker was told to stop. Retried.
    Interrupted,
}

impl FailureClass {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::BadInput,
        Self::BadSpec,
        Self::SourceFailed,
        Self::Stalled,
        Self::Transient,
        Self::Resources,
        Self::StoreFull,
        Self::Interrupted,
    ];

    /// Whether another try of the same order is pointless.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::BadInput | Self::BadSpec | Self::SourceFailed | Self::Stalled)
    }

    /// The process exit code. Codes 20 to 29 are terminal, which a Job's `podFailurePolicy` relies on.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::BadInput => 20,
            Self::BadSpec => 21,
            Self::SourceFailed => 22,
            Self::Stalled => 23,
            Self::Transient => 30,
            Self::Resources => 31,
            Self::StoreFull => 32,
            Self::Interrupted => 143,
        }
    }

    /// The class that exits with `code`, if one does.
    #[must_use]
    pub fn from_exit_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|class| i32::from(class.exit_code()) == code)
    }
}

/// A failure as it is reported: class, reason (CamelCase, becomes a condition's reason) and message (one or two sentences:
/// what happened, to what, what to do).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{reason}: {message}")]
pub struct Failure {
    /// What it means for the work.
    pub class: FailureClass,
    /// One CamelCase word, for example `DigestMismatch`; see [`reason`].
    pub reason: String,
    /// For a person; at most [`Failure::MAX_MESSAGE`] characters.
    pub message: String,
}

impl Failure {
    /// Longest message kept, in characters.
    pub const MAX_MESSAGE: usize = 1024;

    /// A failure with its message cut to [`Failure::MAX_MESSAGE`] characters.
    #[must_use]
    pub fn new(class: FailureClass, reason: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let message = if message.chars().count() > Self::MAX_MESSAGE {
            message.chars().take(Self::MAX_MESSAGE - 1).chain(['…']).collect()
        } else {
            message
        };
        Self { class, reason: reason.to_owned(), message }
    }
}

/// The reasons workers give, in one place, so that documentation and tests can name them.
pub mod reason {
    /// The server answered 404 or 410.
    pub const NOT_FOUND: &str = "NotFound";
    /// The server answered 401 or 403.
    pub const FORBIDDEN: &str = "Forbidden";
    /// The host's name does not resolve.
    pub const NAME_NOT_RESOLVED: &str = "NameNotResolved";
    /// The address behind the link is private, loopback, link-local or otherwise not allowed.
    pub const ADDRESS_FORBIDDEN: &str = "AddressForbidden";
    /// The server's certificate or handshake failed.
    pub const TLS_FAILED: &str = "TlsFailed";
    /// The server refused, reset or timed out, again and again.
    pub const UNREACHABLE: &str = "Unreachable";
    /// Redirects went round, too far, or from https to http.
    pub const BAD_REDIRECT: &str = "BadRedirect";
    /// The server broke the protocol: wrong ranges, encodings, lengths.
    pub const PROTOCOL_ERROR: &str = "ProtocolError";
    /// The content behind the link changed while it was fetched.
    pub const CHANGED: &str = "ContentChanged";
    /// The source gave bytes that a hash, or all other sources, disprove.
    pub const WRONG_BYTES: &str = "WrongBytes";
    /// The source delivered more bytes that do not count (wrong, twice, beyond what was asked) than it may.
    pub const WASTED_BYTES: &str = "WastedBytes";
    /// The whole-file digest is not the one asked for.
    pub const DIGEST_MISMATCH: &str = "DigestMismatch";
    /// The size is not the one asked for.
    pub const SIZE_MISMATCH: &str = "SizeMismatch";
    /// More bytes than announced or allowed.
    pub const TOO_LARGE: &str = "TooLarge";
    /// No bytes at all.
    pub const EMPTY: &str = "Empty";
    /// The bytes are a page, a playlist or something else that is no video or audio.
    pub const NOT_MEDIA: &str = "NotMedia";
    /// The sources disagree and nothing says which is right.
    pub const SOURCES_DISAGREE: &str = "SourcesDisagree";
    /// Media that cannot be decoded whole.
    pub const CORRUPT_MEDIA: &str = "CorruptMedia";
    /// Media past the limits: dimensions, streams, frames.
    pub const LIMITS_EXCEEDED: &str = "LimitsExceeded";
    /// A codec or container off the allow list.
    pub const UNSUPPORTED_MEDIA: &str = "UnsupportedMedia";
    /// The output did not pass its checks.
    pub const VALIDATION_FAILED: &str = "ValidationFailed";
    /// No progress within the deadline.
    pub const DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";
    /// The store has no room.
    pub const STORE_FULL: &str = "StoreFull";
    /// The scratch volume has no room.
    pub const SCRATCH_FULL: &str = "ScratchFull";
    /// Memory ran out.
    pub const OUT_OF_MEMORY: &str = "OutOfMemory";
    /// Told to stop.
    pub const INTERRUPTED: &str = "Interrupted";
    /// The order cannot be read or carried out.
    pub const BAD_SPEC: &str = "BadSpec";
    /// A kind of link this build cannot fetch.
    pub const UNSUPPORTED_SOURCE: &str = "UnsupportedSource";
    /// A fault inside; another try may work.
    pub const INTERNAL: &str = "InternalError";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_distinct_and_terminal_ones_are_in_their_range() {
        for class in FailureClass::ALL {
            assert_eq!(FailureClass::from_exit_code(i32::from(class.exit_code())), Some(class));
            assert_eq!(class.is_terminal(), (20..30).contains(&class.exit_code()), "{class:?}");
        }
    }

    #[test]
    fn messages_are_bounded() {
        let failure = Failure::new(FailureClass::Transient, reason::INTERNAL, "é".repeat(5000));
        assert_eq!(failure.message.chars().count(), Failure::MAX_MESSAGE);
    }
}
