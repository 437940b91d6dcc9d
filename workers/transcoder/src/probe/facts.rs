//! Typed facts of a source: what ffprobe said, checked and without the strings that only a person would read.

use serde::{Deserialize, Serialize};
use videocloud_protocol::content::MediaFacts;

/// A source that passed the allow lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceFacts {
    /// Name of the container's demuxer.
    pub container: String,
    /// Declared duration, milliseconds.
    pub duration_millis: Option<u64>,
    /// The picture that is transcoded: the first video stream that is no cover picture.
    pub video: Option<VideoFacts>,
    /// Audio tracks in order.
    pub audio: Vec<AudioFacts>,
    /// Text subtitles in order.
    pub text: Vec<TextFacts>,
}

/// A video stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoFacts {
    /// Index among all streams of the file.
    pub stream: u32,
    /// Codec by ffmpeg's name, on the allow list.
    pub codec: String,
    /// Stored width, pixels.
    pub width: u32,
    /// Stored height, pixels.
    pub height: u32,
    /// Width of a pixel over its height.
    pub sample_aspect: Ratio,
    /// Clockwise rotation for display: 0, 90, 180 or 270 degrees.
    pub rotation: u16,
    /// Seconds per tick.
    pub time_base: Ratio,
    /// Mean frames per second as declared; 0/1 when unknown.
    pub rate: Ratio,
    /// Frames the container declares.
    pub declared_frames: Option<u64>,
    /// Fields that must be woven together.
    pub interlaced: bool,
    /// PQ or HLG transfer.
    pub hdr: bool,
}

/// An audio stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioFacts {
    /// Index among all streams of the file.
    pub stream: u32,
    /// Codec by ffmpeg's name, on the allow list.
    pub codec: String,
    /// Channels.
    pub channels: u32,
    /// BCP 47 or ISO 639 language of letters, digits and hyphens; `und` when unknown.
    pub language: String,
    /// Time of the first sample, microseconds on the file's clock.
    pub start_micros: i64,
}

/// A text subtitle stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TextFacts {
    /// Index among all streams of the file.
    pub stream: u32,
    /// Language as in [`AudioFacts::language`].
    pub language: String,
}

/// A fraction as containers write them; the denominator is never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratio {
    /// Numerator.
    pub num: u32,
    /// Denominator.
    pub den: u32,
}

impl Ratio {
    /// Reads `num/den` or `num:den`; `None` when it is neither, or undefined.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (num, den) = text.split_once(['/', ':'])?;
        let (num, den) = (num.parse().ok()?, den.parse().ok()?);
        (den > 0).then_some(Self { num, den })
    }

    /// As a number.
    #[must_use]
    pub fn value(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }
}

impl VideoFacts {
    /// Width and height as they are shown: square pixels, after rotation.
    #[must_use]
    pub fn display_size(&self) -> (u32, u32) {
        // Stretch the side that grows, so that no line of the stored picture is lost.
        let aspect = self.sample_aspect.value();
        let stretch = |side: u32, by: f64| (f64::from(side) * by).round() as u32;
        let (width, height) = if aspect >= 1.0 {
            (stretch(self.width, aspect), self.height)
        } else {
            (self.width, stretch(self.height, 1.0 / aspect))
        };
        if self.rotation % 180 == 90 { (height, width) } else { (width, height) }
    }

    /// Frames per second times 1,000, 0 when unknown.
    #[must_use]
    pub fn rate_milli(&self) -> u32 {
        (self.rate.value() * 1000.0).round() as u32
    }
}

impl SourceFacts {
    /// What is kept in manifests and shown to people.
    #[must_use]
    pub fn summary(&self) -> MediaFacts {
        let (width, height) = self.video.as_ref().map(VideoFacts::display_size).unwrap_or_default();
        MediaFacts {
            container: self.container.clone(),
            duration_millis: self.duration_millis.unwrap_or(0),
            width,
            height,
            frame_rate_milli: self.video.as_ref().map_or(0, VideoFacts::rate_milli),
            video_codec: self.video.as_ref().map(|video| video.codec.clone()).unwrap_or_default(),
            audio_codec: self.audio.first().map(|audio| audio.codec.clone()).unwrap_or_default(),
            audio_tracks: u32::try_from(self.audio.len()).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anamorphic_and_rotated_sizes() {
        let mut video = VideoFacts {
            stream: 0,
            codec: "h264".into(),
            width: 720,
            height: 576,
            sample_aspect: Ratio { num: 64, den: 45 },
            rotation: 0,
            time_base: Ratio { num: 1, den: 25 },
            rate: Ratio { num: 25, den: 1 },
            declared_frames: None,
            interlaced: false,
            hdr: false,
        };
        assert_eq!(video.display_size(), (1024, 576));
        video.rotation = 90;
        assert_eq!(video.display_size(), (576, 1024));
        video.sample_aspect = Ratio { num: 1, den: 2 };
        assert_eq!(video.display_size(), (1152, 720));
    }
}
