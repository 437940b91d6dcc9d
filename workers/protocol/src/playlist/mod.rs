//! HLS and DASH as pure text made from rendition manifests. The edge makes them on the fly, the standalone transcoder on disk.
//!
//! [`Presentation`] is a set of renditions of one source; [`hls`] and [`dash`] write it down; [`path`] is the one place that
//! knows what the pieces are called, so that the text and the server that answers for it cannot disagree. No I/O here.

pub mod dash;
pub mod hls;
pub mod path;
mod presentation;
#[cfg(test)]
mod tests;
pub mod thumbnails;

pub use path::Resource;
pub use presentation::{AudioGroup, Presentation, Variant};

/// How a playlist points at segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing<'a> {
    /// Segment URLs of the edge, each answered with a byte range of the track's file.
    Segments {
        /// The query of a signed URL (`expires=…&signature=…`), appended to every URI; empty for none.
        query: &'a str,
    },
    /// Byte ranges of the track's file beside the playlist, for a plain folder on a static server.
    ByteRanges,
}

impl Addressing<'_> {
    /// Segment URLs without a signature.
    pub const PLAIN: Addressing<'static> = Addressing::Segments { query: "" };

    /// `uri` with the query, if there is one.
    fn sign(&self, uri: &str) -> String {
        match self {
            Self::Segments { query } if !query.is_empty() => format!("{uri}?{query}"),
            Self::Segments { .. } | Self::ByteRanges => uri.to_owned(),
        }
    }
}

/// Microseconds from tick 0 to `ticks`, rounded to the nearest, as players compute from decimal text.
fn micros(ticks: u64, timescale: u32) -> u64 {
    let scale = u128::from(timescale.max(1));
    u64::try_from((u128::from(ticks) * 1_000_000 + scale / 2) / scale).unwrap_or(u64::MAX)
}

/// `micros` as decimal seconds.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
