//! The times of the frames that are shown, from the packets of the source.

use super::clock::Clock;
use crate::probe::Packet;

/// Every shown frame's presentation time, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Strictly increasing ticks.
    pub ticks: Vec<i64>,
    /// Where the last frame ends.
    pub end: i64,
    /// Presentation times of keyframes, increasing; seeks start there. Includes ones that are not shown.
    pub keys: Vec<i64>,
}

/// Why a source has no dependable times and becomes one chunk on a fixed grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Irregular {
    /// A frame without a presentation time.
    #[error("a frame has no presentation time")]
    Missing,
    /// Two frames at one time.
    #[error("two frames have the same presentation time")]
    Repeated,
    /// No frame at all.
    #[error("there is no frame")]
    Empty,
}

impl Timeline {
    /// Reads the timeline off the packets.
    ///
    /// # Errors
    /// [`Irregular`] when the times do not name every frame once.
    pub fn of(packets: &[Packet], clock: Clock) -> Result<Self, Irregular> {
        let mut keys: Vec<i64> = packets
            .iter()
            .filter(|packet| packet.key)
            .filter_map(|packet| packet.pts)
            .map(|pts| clock.ticks(pts))
            .collect();
        keys.sort_unstable();
        let shown = || packets.iter().filter(|packet| !packet.discard);
        let mut ticks = Vec::with_capacity(packets.len());
        for packet in shown() {
            ticks.push(clock.ticks(packet.pts.ok_or(Irregular::Missing)?));
        }
        ticks.sort_unstable();
        if ticks.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Irregular::Repeated);
        }
        let last = *ticks.last().ok_or(Irregular::Empty)?;
        let declared = shown().find(|packet| packet.pts.is_some_and(|pts| clock.ticks(pts) == last));
        let declared = declared.map(|packet| clock.ticks(packet.duration)).filter(|duration| *duration > 0);
        // Without a declared duration the last frame stands as long as the one before it.
        let before = ticks.len().checked_sub(2).and_then(|index| ticks.get(index)).map(|tick| last - tick);
        let duration = declared.or(before).unwrap_or_else(|| clock.seconds(1) / 25).max(1);
        Ok(Self { ticks, end: last + duration, keys })
    }

    /// The latest keyframe at or before `tick`, or the very first.
    #[must_use]
    pub fn key_before(&self, tick: i64) -> Option<i64> {
        let after = self.keys.partition_point(|key| *key <= tick);
        after.checked_sub(1).and_then(|index| self.keys.get(index)).copied()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::probe::facts::Ratio;

    fn packet(pts: Option<i64>, key: bool) -> Packet {
        Packet { pts, dts: None, duration: 1001, size: 1, position: None, key, discard: false }
    }

    #[test]
    fn coding_order_becomes_showing_order() {
        let clock = Clock::of(Ratio { num: 1, den: 30_000 });
        let packets: Vec<_> = [0, 3003, 1001, 2002].map(|pts| packet(Some(pts), pts == 0 || pts == 3003)).into();
        let timeline = Timeline::of(&packets, clock).unwrap();
        assert_eq!((timeline.ticks.as_slice(), timeline.end), (&[0, 1001, 2002, 3003][..], 4004));
        assert_eq!(
            (timeline.key_before(3002), timeline.key_before(3003), timeline.key_before(-1)),
            (Some(0), Some(3003), None)
        );
        assert_eq!(Timeline::of(&[packet(None, true)], clock), Err(Irregular::Missing));
        assert_eq!(Timeline::of(&[packet(Some(1), true); 2], clock), Err(Irregular::Repeated));
        assert_eq!(Timeline::of(&[], clock), Err(Irregular::Empty));
    }
}
