//! Frames on both sides of a chunk that are encoded and thrown away, so that a border costs no quality.
//!
//! An encoder's rate control begins with a guess, which the first picture of a chunk would bear; and its look-ahead spends bits on
//! a picture by what refers to it later, so that the last ones of a chunk would get too few (up to 3.7 VMAF less than in one
//! piece). Before a chunk its own first frames are encoded once more, which needs no byte of the source that is not read anyway;
//! after it, the first of the next chunk. Both groups are closed by a keyframe: nothing that is kept refers to them.

use serde::{Deserialize, Serialize};
use videocloud_protocol::rendition::VideoCodec;

/// Frames of a rendition before a chunk: enough for pictures that are predicted from others, whose quality tells that of the first.
const WARM: usize = 6;
/// Frames of a rendition after a chunk: three groups of the usual B-pictures. More of either cost more than can be seen.
pub const AHEAD: usize = 12;

/// What is encoded before a chunk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Warm {
    /// Frames of the rendition; 0 for none.
    pub frames: u32,
    /// Ticks they last: by so much the chunk's own frames are later in what the encoder sees.
    pub ticks: i64,
}

/// The warm-up of a chunk whose source frames are at `ticks`, for renditions that keep every `keep_every`-th. A multiple of the
/// `stride`, so that the same frames may be keyframes; none for a chunk that has no more frames than that.
#[must_use]
pub fn warm(ticks: &[i64], keep_every: u32, stride: u32) -> Warm {
    let (keep, step) = (keep_every.max(1) as usize, (stride / keep_every.max(1)).max(1) as usize);
    let frames = WARM.next_multiple_of(step);
    match (ticks.first(), ticks.get(frames * keep)) {
        (Some(first), Some(after)) => Warm { frames: u32::try_from(frames).unwrap_or(0), ticks: after - first },
        _ => Warm::default(),
    }
}

/// The tick up to which frames after a chunk are encoded, when `rest` are those of the chunks after it; `None` for the last.
#[must_use]
pub fn ahead(rest: &[i64], end: i64, stride: usize) -> Option<i64> {
    rest.first()?;
    Some(rest.get(AHEAD * stride.max(1)).copied().unwrap_or(end))
}

/// Whether encoders of `codec` gain by it: those whose rate control remembers.
#[must_use]
pub fn help(codec: VideoCodec) -> bool {
    match codec {
        VideoCodec::H264 | VideoCodec::H264Baseline | VideoCodec::Hevc => true,
        VideoCodec::Av1 | VideoCodec::Vp9 => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_lasts_until_the_frame_after_it_and_keeps_the_stride() {
        let ticks: Vec<i64> = (0..40).map(|n| 500 + n * n).collect();
        assert_eq!(warm(&ticks, 1, 1), Warm { frames: 6, ticks: 36 });
        assert_eq!(warm(&ticks, 2, 2), Warm { frames: 6, ticks: 144 });
        assert_eq!(warm(&ticks, 1, 3), Warm { frames: 6, ticks: 36 });
        assert_eq!(warm(&ticks[..6], 1, 1), Warm::default());
        assert_eq!(warm(&[], 1, 1), Warm::default());
    }

    #[test]
    fn only_the_last_chunk_has_nothing_after_it() {
        assert_eq!(ahead(&[], 90, 1), None);
        assert_eq!(ahead(&[70, 80], 90, 1), Some(90));
        let rest: Vec<i64> = (0..40).collect();
        assert_eq!(ahead(&rest, 40, 2), Some(24));
    }
}
