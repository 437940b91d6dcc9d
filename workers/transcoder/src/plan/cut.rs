//! Chunk borders on the grid, and where each chunk starts to read.

use videocloud_protocol::task::Chunking;

use super::timeline::Timeline;
use super::{ChunkPlan, Expected, Plan, Timing, cost, grid, rolls, ticks_digest};
use crate::probe::Container;

impl Plan {
    /// Cuts an exact timeline into chunks. Borders are segment starts; the last chunk joins its neighbour when it would be
    /// shorter than half a chunk.
    pub(super) fn cut(&mut self, timeline: &Timeline, container: Container, interlaced: bool, chunking: Chunking) {
        let ticks = timeline.ticks.as_slice();
        let (Some(&origin), stride) = (ticks.first(), self.stride as usize) else { return };
        let sound = self.facts.audio.iter().map(|audio| audio.start_micros).min();
        let lead = sound.map_or(0, |micros| origin - self.clock.from_micros(micros)).max(0);
        self.timing = Timing::Exact { start: origin, end: timeline.end, lead };

        let cell = self.clock.seconds(self.keyframe_seconds);
        let keys = grid::starts(ticks, origin, cell, stride);
        let edges = keys.windows(2).map(|pair| pair[1] - pair[0]).chain(keys.last().map(|last| ticks.len() - last));
        self.longest_gop = edges.max().unwrap_or(0) as u64 + 1;

        let borders = match self.chunk_ticks(ticks.len() as u64, chunking) {
            Some(length) => {
                let mut borders = grid::starts(ticks, origin, length, stride);
                if let [.., last] = borders.as_slice()
                    && borders.len() > 1
                    && (timeline.end - ticks[*last]) * 2 < length
                {
                    borders.pop();
                }
                borders
            }
            None => vec![0],
        };
        let ends = borders.iter().skip(1).copied().chain([ticks.len()]);
        let mut chunks = Vec::with_capacity(borders.len());
        for (index, (from, to)) in borders.iter().copied().zip(ends).enumerate() {
            let start = ticks[from];
            let keys = keys[keys.partition_point(|key| *key < from)..].iter().take_while(|key| **key < to);
            chunks.push(ChunkPlan {
                index: u32::try_from(index).unwrap_or(u32::MAX),
                start,
                end: ticks.get(to).copied().unwrap_or(timeline.end),
                seek_micros: if index == 0 { None } else { self.seek(timeline, start, container, interlaced) },
                keys: keys.map(|key| ticks[*key] - start).collect(),
                expected: self.expected(&ticks[from..to], index > 0),
                ahead: rolls::ahead(&ticks[to..], timeline.end, stride),
                reads: Vec::new(),
            });
        }
        self.chunks = chunks;
    }

    /// The chunk length in ticks: a multiple of the segment length; `None` when the source is not cut.
    fn chunk_ticks(&self, frames: u64, chunking: Chunking) -> Option<i64> {
        if chunking.seconds == 0 || cost::cpu_seconds(&self.renditions, frames) < f64::from(chunking.min_cpu_seconds) {
            return None;
        }
        let segments = chunking.seconds.div_ceil(self.segment_seconds).max(1);
        Some(self.clock.seconds(segments * self.segment_seconds))
    }

    /// Where to start reading for a chunk whose first frame is at `start`: the keyframe at or before it. Matroska seeks up to
    /// 3/23 s early, so the target is moved forward by that much, but never past `start`. Filters that look back get a second.
    fn seek(&self, timeline: &Timeline, start: i64, container: Container, interlaced: bool) -> Option<i64> {
        let wanted = if interlaced { start - self.clock.seconds(1) } else { start };
        let key = timeline.key_before(wanted)?;
        let micros = self.clock.micros_up(key);
        Some(match container {
            Container::Matroska => micros.saturating_add(130_435).min(self.clock.micros_up(start)),
            _ => micros,
        })
    }

    /// What comes out of a chunk with these frames; `cold` when the encoder would begin in the middle of the picture.
    fn expected(&self, ticks: &[i64], cold: bool) -> Vec<Expected> {
        let mut kinds: Vec<u32> =
            self.renditions.iter().filter_map(|r| r.picture).map(|picture| picture.keep_every).collect();
        kinds.push(1);
        kinds.sort_unstable();
        kinds.dedup();
        let start = ticks.first().copied().unwrap_or(0);
        kinds
            .into_iter()
            .map(|keep_every| {
                let kept = || ticks.iter().step_by(keep_every as usize).map(|tick| tick - start);
                let warm = if cold { rolls::warm(ticks, keep_every, self.stride) } else { rolls::Warm::default() };
                Expected { keep_every, frames: kept().count() as u64, ticks_sha256: ticks_digest(kept()), warm }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use videocloud_protocol::ids::RenditionKey;
    use videocloud_protocol::task::RenditionOrder;

    use super::*;
    use crate::probe::Packet;
    use crate::probe::facts::{Ratio, SourceFacts, VideoFacts};
    use crate::profile;

    fn plan(pts: &[i64], keys: usize, chunk: u32, container: Container) -> Plan {
        let packets: Vec<Packet> = pts
            .iter()
            .enumerate()
            .map(|(n, pts)| Packet {
                pts: Some(*pts),
                dts: None,
                duration: 1001,
                size: 9,
                position: None,
                key: n % keys == 0,
                discard: false,
            })
            .collect();
        let video = VideoFacts {
            stream: 0,
            codec: "h264".into(),
            width: 1920,
            height: 1080,
            sample_aspect: Ratio { num: 1, den: 1 },
            rotation: 0,
            time_base: Ratio { num: 1, den: 30_000 },
            rate: Ratio { num: 30_000, den: 1001 },
            declared_frames: None,
            interlaced: false,
            hdr: false,
        };
        let facts = SourceFacts {
            container: "mov".into(),
            duration_millis: None,
            video: Some(video),
            audio: vec![],
            text: vec![],
        };
        let settings = profile::builtin("720p").unwrap().remove(0);
        let orders = [RenditionOrder { key: RenditionKey::from_bytes([1; 32]), settings }];
        let chunking = Chunking { seconds: chunk, min_cpu_seconds: 0 };
        Plan::make(facts, container, &packets, &orders, chunking).unwrap()
    }

    #[test]
    fn borders_are_frames_and_seeks_are_keyframes() {
        let pts: Vec<i64> = (0..1800).map(|n| 108_000_000 + n * 1001).collect();
        let plan = plan(&pts, 48, 20, Container::Mov);
        assert_eq!(plan.chunks.len(), 3);
        let second = &plan.chunks[1];
        // The first frame at or after 20 s is number 600 (20.02 s); the keyframe before it is number 576.
        assert_eq!(second.start, 108_000_000 + 600 * 1001);
        assert_eq!(second.seek_micros, Some(plan.clock.micros_up(108_000_000 + 576 * 1001)));
        // The third begins with number 1,199 (40.007 s).
        assert_eq!(second.expected[0].frames, 599);
        assert_eq!(plan.chunks[0].end, second.start);
        assert_eq!(plan.frames(), Some(1800));
        assert_eq!(plan.lead(), 0);
    }

    #[test]
    fn a_short_rest_joins_its_neighbour() {
        let pts: Vec<i64> = (0..1400).map(|n| n * 1001).collect();
        assert_eq!(plan(&pts, 48, 20, Container::Mov).chunks.len(), 2);
        assert_eq!(plan(&pts, 48, 0, Container::Mov).chunks.len(), 1);
    }

    proptest! {
        #[test]
        fn every_frame_is_in_one_chunk_whatever_its_length(
            steps in proptest::collection::vec(1i64..90_000, 2..400), chunk in 0u32..40, keys in 1usize..90,
        ) {
            let pts: Vec<i64> = steps.iter().scan(0, |tick, step| { *tick += step; Some(*tick) }).collect();
            let cut = plan(&pts, keys, chunk, Container::Matroska);
            let whole = plan(&pts, keys, 0, Container::Matroska);
            prop_assert_eq!(cut.frames(), Some(pts.len() as u64));
            prop_assert!(cut.chunks.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].start < pair[1].start));
            let all_keys = |plan: &Plan| -> Vec<i64> {
                plan.chunks.iter().flat_map(|c| c.keys.iter().map(|key| key + c.start)).collect()
            };
            prop_assert_eq!(all_keys(&cut), all_keys(&whole));
            for chunk in &cut.chunks {
                prop_assert_eq!(chunk.keys.first(), Some(&0));
                prop_assert!(chunk.seek_micros.is_none_or(|seek| seek <= cut.clock.micros_up(chunk.start)));
            }
        }
    }
}
