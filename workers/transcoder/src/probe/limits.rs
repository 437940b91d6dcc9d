//! How much of a thing is still a video. Beyond it, an input is a bomb or a mistake, and is refused before it is decoded.

use videocloud_protocol::failure::{Failure, FailureClass, reason};

use super::facts::SourceFacts;
use super::sniff::Container;

/// Pixels of one picture: 8192 x 4320.
pub const MAX_PIXELS: u64 = 8192 * 4320;
/// The longest side of a picture, pixels.
pub const MAX_SIDE: u32 = 16_384;
/// Streams of all kinds.
pub const MAX_STREAMS: u32 = 128;
/// Audio tracks that are carried over; more are left out.
pub const MAX_AUDIO_TRACKS: usize = 16;
/// Text tracks that are carried over; more are left out.
pub const MAX_TEXT_TRACKS: usize = 32;
/// Frames of the video track: 24 hours at 60 frames per second.
pub const MAX_FRAMES: usize = 24 * 3600 * 60;
/// Duration: 24 hours, milliseconds.
pub const MAX_DURATION_MILLIS: u64 = 24 * 3600 * 1000;
/// Bytes of ffprobe's description of the streams.
pub const MAX_DESCRIPTION: usize = 8 << 20;

/// Refuses sources past the limits.
pub(super) fn check(facts: &SourceFacts) -> Result<(), Failure> {
    let refuse = |why: String| {
        Err(Failure::new(
            FailureClass::BadInput,
            reason::LIMITS_EXCEEDED,
            format!("failed to accept the source: {why}"),
        ))
    };
    if let Some(video) = &facts.video {
        let (width, height) = (video.width, video.height);
        let pixels = u64::from(width) * u64::from(height);
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS {
            return refuse(format!("its pictures are {width}x{height}, at most 8192x4320 pixels are allowed"));
        }
        if video.declared_frames.is_some_and(|frames| frames > MAX_FRAMES as u64) {
            return refuse(format!(
                "it declares {} frames, at most {MAX_FRAMES} are allowed",
                video.declared_frames.unwrap_or(0)
            ));
        }
    }
    // Streams declare nothing: the time of their first packet is taken from that of the last, and a clock that jumps lies in
    // between. They are looked at again when they are copied.
    let guessed = [Container::MpegTs, Container::MpegPs, Container::Flv].map(Container::demuxer);
    let declared = facts.duration_millis.filter(|_| !guessed.contains(&facts.container.as_str()));
    if declared.is_some_and(|millis| millis > MAX_DURATION_MILLIS) {
        return refuse("it lasts longer than 24 hours".to_owned());
    }
    Ok(())
}
