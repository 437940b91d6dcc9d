//! Which bytes of an MP4 source each chunk needs: its head (everything but the media), the first packets, which any demuxer looks
//! at before it seeks, and the packets from the chunk's keyframe to a little past the last frame that is encoded.
//!
//! Only MP4 names the place of every packet before a byte of it is read. Ranges are a saving, never a risk: what is encoded from
//! them is checked as always, and a failure is tried again with the whole file ([`crate::task`]).

use serde::{Deserialize, Serialize};

use super::{Plan, Timing};
use crate::probe::Packet;

/// Packets at the beginning of the file that are read to learn about the streams.
const FIRST: usize = 48;
/// Packets after the last frame that are read before the encoder is told to end.
const AHEAD: usize = 40;
/// Holes smaller than this are fetched too: a request costs more than they do. Sound lies in them.
const HOLE: u64 = 256 * 1024;
/// More ranges than this: the file is interleaved so badly that it is read whole.
const MOST: usize = 512;

/// Bytes `start..end` of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// Byte after the last.
    pub end: u64,
}

impl Plan {
    /// Notes the byte ranges of every chunk after the first. `heads` are the ranges of the file that are no media
    /// ([`crate::mp4::layout`]), `packets` those of the video in coding order. Leaves them empty (the whole file) where a packet's
    /// place is unknown.
    pub fn locate(&mut self, packets: &[Packet], heads: &[ByteRange]) {
        let Timing::Exact { .. } = self.timing else { return };
        let Some(places) = packets.iter().map(place).collect::<Option<Vec<_>>>() else { return };
        let ticks: Vec<i64> = packets.iter().map(|packet| packet.pts.map_or(0, |pts| self.clock.ticks(pts))).collect();
        let first = places.get(..places.len().min(FIRST)).unwrap_or_default();
        let mut keys: Vec<usize> = (0..packets.len()).filter(|n| packets[*n].key).collect();
        keys.sort_unstable_by_key(|n| ticks[*n]);
        // The earliest time from each packet on: packets are in coding order, so times go back and forth a little.
        let mut earliest = ticks.clone();
        for n in (1..earliest.len()).rev() {
            earliest[n - 1] = earliest[n - 1].min(earliest[n]);
        }
        for chunk in &mut self.chunks {
            let from = chunk.seek_micros.and_then(|micros| {
                let after = keys.partition_point(|n| self.clock.micros_up(ticks[*n]) <= micros);
                after.checked_sub(1).map(|index| keys[index])
            });
            let from = from.unwrap_or(0);
            let last = earliest.partition_point(|tick| *tick < chunk.ahead.unwrap_or(chunk.end)).saturating_sub(1);
            let media = places.get(from..(last + 1 + AHEAD).min(places.len())).unwrap_or_default();
            let reads = merge([heads, first, media].concat());
            chunk.reads = if reads.len() <= MOST { reads } else { Vec::new() };
        }
    }
}

fn place(packet: &Packet) -> Option<ByteRange> {
    let start = packet.position?;
    packet.pts?;
    Some(ByteRange { start, end: start.checked_add(packet.size)? })
}

/// Sorts, and joins what overlaps or lies close.
fn merge(mut ranges: Vec<ByteRange>) -> Vec<ByteRange> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<ByteRange> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(HOLE) => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn merged_ranges_hold_every_byte_and_keep_their_distance(
            starts in proptest::collection::vec((0u64..100_000_000, 0u64..1_000_000), 0..60),
        ) {
            let ranges: Vec<_> = starts.iter().map(|(start, size)| ByteRange { start: *start, end: start + size }).collect();
            let merged = merge(ranges.clone());
            prop_assert!(merged.windows(2).all(|pair| pair[0].end + HOLE < pair[1].start));
            for range in &ranges {
                prop_assert!(merged.iter().any(|wide| wide.start <= range.start && range.end <= wide.end));
            }
        }
    }
}
