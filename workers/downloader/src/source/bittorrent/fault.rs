//! Why a peer is not spoken to any more, and the patience one is met with.

use std::time::Duration;

use super::message::MessageError;

/// A peer that is asked and gives no whole block for this long is dropped (slowloris, dead).
pub(super) const BLOCK_TIMEOUT: Duration = Duration::from_secs(30);
/// A peer that says nothing at all for this long is dropped.
pub(super) const SILENCE: Duration = Duration::from_secs(180);
/// Bytes of pieces that a peer may begin and then not finish.
pub(super) const MAY_WASTE: u64 = 64 << 20;

/// Why a peer is not spoken to any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    /// Its bytes are no messages.
    #[error("it sent {0}")]
    Message(#[from] MessageError),
    /// It broke the protocol.
    #[error("it sent {0}")]
    Protocol(&'static str),
    /// A piece it sent does not have its hash.
    #[error("piece {0} that it sent does not have its hash")]
    Corrupt(u32),
    /// It was asked and did not give a block in time.
    #[error("it gave no block for {} s", BLOCK_TIMEOUT.as_secs())]
    Snubbed,
    /// It took back what it had promised too often, in the midst of pieces.
    #[error("it gave more than {} MiB of pieces that it then did not finish", MAY_WASTE >> 20)]
    Wasteful,
    /// It said nothing.
    #[error("it said nothing for {} s", SILENCE.as_secs())]
    Silent,
}
