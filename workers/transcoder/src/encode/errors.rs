//! Damage that leaves every frame in place: decoders conceal it, count on, and end with 0. Only their words tell.

use crate::child::Tail;

/// Words of decoders and demuxers over broken data.
const DAMAGE: [&str; 14] = [
    "error while decoding",
    "Error submitting packet to decoder",
    "Invalid NAL unit",
    "Invalid data found",
    "concealing",
    "corrupt decoded frame",
    "corrupt input packet",
    "bytestream",
    "Error splitting the input",
    "invalid level prefix",
    "cabac decode",
    "Packet corrupt",
    "left block unavailable",
    "top block unavailable",
];

/// The first kept line that tells of damage.
#[must_use]
pub fn damage(stderr: &Tail) -> Option<&str> {
    stderr.iter().find(|line| DAMAGE.iter().any(|words| line.contains(words)))
}
