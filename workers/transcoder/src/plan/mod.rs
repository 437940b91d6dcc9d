//! From packet times to a plan: which ticks, which chunks, which keyframes, where to seek. Pure: no files, no processes.
//!
//! A plan decides everything that is checked later: an encode is right when its frames have exactly the planned ticks and its
//! keyframes are the planned ones. What the encoder is told is in [`crate::encode`].

pub mod clock;
pub mod cost;
mod cut;
pub mod grid;
pub mod ladder;
pub mod reads;
pub mod rolls;
pub mod timeline;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::rendition::VideoCodec;
use videocloud_protocol::task::{Chunking, RenditionOrder};

use crate::probe::facts::{Ratio, SourceFacts};
use crate::probe::{Container, Packet};
use clock::Clock;
use ladder::RenditionPlan;
use timeline::Timeline;

/// Frames a second on the fixed grid of sources without dependable times or rate.
const FALLBACK_RATE: Ratio = Ratio { num: 25, den: 1 };

/// The whole plan of a run, as the plan step leaves it for chunks and finish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What the source is (after copying it into another container, where that is needed).
    pub facts: SourceFacts,
    /// Ticks.
    pub clock: Clock,
    /// How frames get their times.
    pub timing: Timing,
    /// What is made.
    pub renditions: Vec<RenditionPlan>,
    /// Seconds between keyframes.
    pub keyframe_seconds: u32,
    /// Seconds of a segment, a multiple of `keyframe_seconds`.
    pub segment_seconds: u32,
    /// Every how many-th frame all renditions keep: keyframes and chunk borders are among those.
    pub stride: u32,
    /// The longest distance between keyframes, in frames; the encoder must not add its own before.
    pub longest_gop: u64,
    /// The chunks in order; none when there is no picture.
    pub chunks: Vec<ChunkPlan>,
}

/// How frames get their times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Timing {
    /// Every frame keeps its own.
    Exact {
        /// Tick of the first frame, on the source's clock.
        start: i64,
        /// Tick where the last frame ends, on the source's clock.
        end: i64,
        /// Ticks from the beginning of the presentation to the first frame: not 0 when sound begins earlier.
        lead: i64,
    },
    /// The source's times are not dependable: frames are laid on a fixed grid, in one chunk.
    Grid {
        /// Frames per second.
        rate: Ratio,
    },
    /// There is no picture.
    SoundOnly,
}

/// One chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkPlan {
    /// Which, from 0.
    pub index: u32,
    /// Tick of its first frame, on the source's clock.
    pub start: i64,
    /// Tick where it ends: the first frame of the next chunk.
    pub end: i64,
    /// Where to start reading, microseconds on the source's clock; `None` from the beginning.
    pub seek_micros: Option<i64>,
    /// Its keyframes, ticks from `start`. Empty on a fixed grid.
    pub keys: Vec<i64>,
    /// What must come out, for each distinct `keep_every` of the renditions. Empty on a fixed grid.
    pub expected: Vec<Expected>,
    /// Tick up to which frames after `end` are encoded for the encoder to look at and thrown away ([`rolls`]); `None` for none.
    #[serde(default)]
    pub ahead: Option<i64>,
    /// The bytes of the source it is encoded from; empty for all.
    #[serde(default)]
    pub reads: Vec<reads::ByteRange>,
}

/// The frames of a chunk in renditions that keep every so many-th.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// Every how many-th frame is kept.
    pub keep_every: u32,
    /// Frames.
    pub frames: u64,
    /// [`ticks_digest`] of their ticks from the chunk's start.
    pub ticks_sha256: String,
    /// Frames that are encoded before them and thrown away.
    #[serde(default)]
    pub warm: rolls::Warm,
}

/// SHA-256 in hex over ticks as big-endian 64-bit numbers: equal exactly when all times are.
pub fn ticks_digest(ticks: impl IntoIterator<Item = i64>) -> String {
    let mut hasher = Sha256::new();
    for tick in ticks {
        hasher.update(tick.to_be_bytes());
    }
    hex::encode(hasher.finalize())
}

impl Plan {
    /// Plans `orders` on a source with these facts and packets.
    ///
    /// # Errors
    /// `BadSpec` when the orders cannot be made together, `BadInput` when there is nothing to make them from.
    pub fn make(
        facts: SourceFacts,
        container: Container,
        packets: &[Packet],
        orders: &[RenditionOrder],
        chunking: Chunking,
    ) -> Result<Self, Failure> {
        let (keyframe_seconds, segment_seconds) = rhythm(orders)?;
        let renditions = ladder::resolve(orders, facts.video.as_ref());
        let stride = renditions.iter().filter_map(|r| r.picture).map(|picture| picture.keep_every).max().unwrap_or(1);
        let mut plan = Self {
            clock: Clock { timescale: 1, source: Ratio { num: 1, den: 1 } },
            timing: Timing::SoundOnly,
            renditions,
            keyframe_seconds,
            segment_seconds,
            stride,
            longest_gop: 0,
            chunks: Vec::new(),
            facts,
        };
        let Some(video) = plan.facts.video.clone() else {
            if plan.renditions.iter().all(|rendition| rendition.settings.audio.is_none()) {
                let why = "failed to plan: the source has sound only and the profile drops sound";
                return Err(Failure::new(FailureClass::BadSpec, reason::BAD_SPEC, why));
            }
            return Ok(plan);
        };
        plan.clock = Clock::of(video.time_base);
        let timeline = if container == Container::Avi {
            Err(timeline::Irregular::Missing)
        } else {
            Timeline::of(packets, plan.clock)
        };
        match timeline {
            Ok(timeline) => {
                check_declared(video.declared_frames, packets.len())?;
                plan.cut(&timeline, container, video.interlaced, chunking);
            }
            Err(timeline::Irregular::Empty) if packets.iter().all(|packet| packet.discard) => {
                let why = "failed to plan: the video track has no frames";
                return Err(Failure::new(FailureClass::BadInput, reason::CORRUPT_MEDIA, why));
            }
            Err(why) => {
                tracing::info!(%why, "the source's times are not dependable: one chunk on a fixed grid");
                plan.lay_on_grid(video.rate);
            }
        }
        Ok(plan)
    }

    /// Frames of the source that are shown; `None` on a fixed grid.
    #[must_use]
    pub fn frames(&self) -> Option<u64> {
        match self.timing {
            Timing::Exact { .. } => self
                .chunks
                .iter()
                .map(|chunk| chunk.expected.iter().find(|expected| expected.keep_every == 1).map(|e| e.frames))
                .sum(),
            Timing::Grid { .. } | Timing::SoundOnly => None,
        }
    }

    /// The plan as it was before rate factors were chosen.
    #[must_use]
    pub fn untuned(&self) -> Self {
        let mut plan = self.clone();
        plan.renditions.iter_mut().for_each(|rendition| rendition.tuned = None);
        plan
    }

    /// Whether tracks can be played while later chunks are still encoded: not worth it with one chunk, and without dependable
    /// times nothing is known before the end.
    #[must_use]
    pub fn grows(&self) -> bool {
        matches!(self.timing, Timing::Exact { .. }) && self.chunks.len() > 1
    }

    /// The tick of the output at which the first frame is shown: not 0 when sound begins earlier.
    #[must_use]
    pub fn lead(&self) -> i64 {
        match self.timing {
            Timing::Exact { lead, .. } => lead,
            Timing::Grid { .. } | Timing::SoundOnly => 0,
        }
    }

    /// Ticks by which composition offsets of `rendition` are shifted so that none is negative: two frames where the encoder
    /// reorders them, as much as x264 and x265 do. Known before anything is encoded, so that a track can be written as it grows.
    #[must_use]
    pub fn shift(&self, rendition: &RenditionPlan) -> u32 {
        let Some(picture) = rendition.picture else { return 0 };
        match rendition.settings.video {
            VideoCodec::H264 | VideoCodec::Hevc => {
                let rate = if picture.rate_milli == 0 { 25_000 } else { picture.rate_milli };
                let frames = (u64::from(self.clock.timescale) * 2000).div_ceil(u64::from(rate));
                u32::try_from(frames.max(4)).unwrap_or(u32::MAX / 4)
            }
            VideoCodec::H264Baseline | VideoCodec::Vp9 | VideoCodec::Av1 => 0,
        }
    }

    fn lay_on_grid(&mut self, rate: Ratio) {
        let rate = if (1.0..=240.0).contains(&rate.value()) { rate } else { FALLBACK_RATE };
        // A clock on which a frame lasts a whole number of ticks, and not too few.
        let timescale = rate.num.saturating_mul(1000_u32.div_ceil(rate.num.max(1)));
        self.clock = Clock { timescale, source: Ratio { num: 1, den: timescale } };
        self.timing = Timing::Grid { rate };
        self.longest_gop = (rate.value() * f64::from(self.keyframe_seconds)).ceil() as u64 + 1;
        self.chunks = vec![ChunkPlan {
            index: 0,
            start: 0,
            end: 0,
            seek_micros: None,
            keys: Vec::new(),
            expected: Vec::new(),
            ahead: None,
            reads: Vec::new(),
        }];
    }
}

/// The one rhythm of keyframes and segments of all orders.
fn rhythm(orders: &[RenditionOrder]) -> Result<(u32, u32), Failure> {
    let bad = |why: &str| Failure::new(FailureClass::BadSpec, reason::BAD_SPEC, format!("failed to plan: {why}"));
    let first = orders.first().ok_or_else(|| bad("no rendition is asked for"))?;
    let of = |order: &RenditionOrder| (order.settings.keyframe_seconds, order.settings.segment_seconds);
    if orders.iter().any(|order| of(order) != of(first)) {
        return Err(bad("renditions of one run must have equal keyframe and segment lengths"));
    }
    let (keyframe, segment) = of(first);
    if keyframe == 0 || segment == 0 || segment % keyframe != 0 {
        return Err(bad("the segment length must be a multiple of the keyframe distance"));
    }
    Ok((u32::from(keyframe), u32::from(segment)))
}

/// A container that declares clearly more frames than it holds was cut off.
fn check_declared(declared: Option<u64>, packets: usize) -> Result<(), Failure> {
    let held = packets as u64;
    match declared {
        Some(declared) if declared > held => Err(Failure::new(
            FailureClass::BadInput,
            reason::CORRUPT_MEDIA,
            format!(
                "failed to plan: the source is cut off: it declares {declared} frames and holds {held}; fetch it again"
            ),
        )),
        Some(_) | None => Ok(()),
    }
}
