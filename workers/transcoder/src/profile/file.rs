//! Reads the spec of a `TranscodeProfile` from YAML: the fields of the custom resource, with its defaults.

use serde::Deserialize;
use videocloud_protocol::rendition::{
    AudioCodec, AudioSettings, Container, Frame, Packaging, RateControl, RenditionSettings, Sprite, VideoCodec,
};

use super::ProfileError;

#[derive(Deserialize)]
struct Document {
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    codec: Codec,
    width: u32,
    height: u32,
    rate_control: Rate,
    #[serde(default)]
    preset: Preset,
    #[serde(default = "four")]
    encoder_threads: u8,
    frame_rate_max_milli: Option<u32>,
    #[serde(default)]
    tone_map: ToneMap,
    #[serde(default = "two")]
    keyframe_seconds: u8,
    #[serde(default = "four")]
    segment_seconds: u8,
    #[serde(default)]
    container: FileContainer,
    #[serde(default = "everything")]
    packaging: Vec<Form>,
    #[serde(default)]
    audio: Audio,
    #[serde(default)]
    captions: Captions,
    #[serde(default)]
    thumbnails: Thumbnails,
}

#[derive(Deserialize)]
enum Codec {
    H264,
    #[serde(rename = "HEVC")]
    Hevc,
    #[serde(rename = "AV1")]
    Av1,
    #[serde(rename = "VP9")]
    Vp9,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rate {
    crf: u8,
    target_vmaf: Option<u8>,
    max_bitrate: u64,
    buffer_size: Option<u64>,
}

#[derive(Deserialize, Default)]
enum Preset {
    VeryFast,
    Fast,
    #[default]
    Medium,
    Slow,
    VerySlow,
}

#[derive(Deserialize, Default, PartialEq)]
enum ToneMap {
    #[default]
    Auto,
    Keep,
}

#[derive(Deserialize, Default)]
enum FileContainer {
    #[default]
    #[serde(rename = "MP4")]
    Mp4,
    #[serde(rename = "3GP")]
    ThreeGp,
}

#[derive(Deserialize, PartialEq)]
enum Form {
    #[serde(rename = "HLS")]
    Hls,
    #[serde(rename = "DASH")]
    Dash,
    File,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Audio {
    codec: Sound,
    bitrate: u32,
    channels: u8,
    loudness: Option<i32>,
}

impl Default for Audio {
    fn default() -> Self {
        Self { codec: Sound::Aac, bitrate: 128_000, channels: 2, loudness: None }
    }
}

#[derive(Deserialize)]
enum Sound {
    #[serde(rename = "AAC")]
    Aac,
    Opus,
}

#[derive(Deserialize, Default, PartialEq)]
enum Captions {
    #[default]
    Drop,
    #[serde(rename = "WebVTT")]
    WebVtt,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Thumbnails {
    poster: bool,
    poster_at_percent: u8,
    sprite: Option<SpriteSheets>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct SpriteSheets {
    interval_seconds: u8,
    tile_width: u16,
    columns: u8,
}

impl Default for SpriteSheets {
    fn default() -> Self {
        Self { interval_seconds: 5, tile_width: 160, columns: 10 }
    }
}

impl Default for Thumbnails {
    fn default() -> Self {
        Self { poster: true, poster_at_percent: 10, sprite: None }
    }
}

fn two() -> u8 {
    2
}

fn four() -> u8 {
    4
}

fn everything() -> Vec<Form> {
    vec![Form::Hls, Form::Dash, Form::File]
}

/// Reads every `TranscodeProfile` of `yaml` (documents separated by `---`); `path` is for messages.
///
/// # Errors
/// [`ProfileError`] when it is no such object or a value is out of range.
pub fn parse(yaml: &str, path: &str) -> Result<Vec<RenditionSettings>, ProfileError> {
    let unreadable = |source| ProfileError::Yaml { path: path.to_owned(), source };
    serde_yaml_ng::Deserializer::from_str(yaml)
        .map(|document| settings(Document::deserialize(document).map_err(unreadable)?))
        .collect()
}

fn settings(document: Document) -> Result<RenditionSettings, ProfileError> {
    let Document { kind, metadata: Metadata { name }, spec } = document;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let named = !name.is_empty() && name.len() <= 63 && name.bytes().all(plain) && !name.starts_with('.');
    let crf_limit = if matches!(spec.codec, Codec::H264 | Codec::Hevc) { 51 } else { 63 };
    let sides = [spec.width, spec.height];
    let segments = spec.keyframe_seconds > 0 && spec.segment_seconds > 0;
    let checks = [
        (kind == "TranscodeProfile", "its kind is not TranscodeProfile"),
        (named, "its name is not made of lower-case letters, digits, - and ."),
        (
            sides.iter().all(|side| side % 2 == 0 && (16..=7680).contains(side)),
            "width and height must be even, 16 to 7680",
        ),
        (spec.rate_control.crf <= crf_limit, "crf is 0 to 51 (H264, HEVC) or 63"),
        (spec.rate_control.max_bitrate >= 16_000, "maxBitrate must be at least 16000 bits per second"),
        (
            segments && spec.segment_seconds % spec.keyframe_seconds.max(1) == 0,
            "segmentSeconds must be a multiple of keyframeSeconds",
        ),
        ((1..=32).contains(&spec.encoder_threads), "encoderThreads is 1 to 32"),
        (spec.rate_control.target_vmaf.is_none_or(|target| (60..=98).contains(&target)), "targetVmaf is 60 to 98"),
        (spec.thumbnails.poster_at_percent <= 100, "posterAtPercent is 0 to 100"),
        (
            spec.thumbnails.sprite.as_ref().is_none_or(|sprite| {
                (1..=60).contains(&sprite.interval_seconds)
                    && (32..=640).contains(&sprite.tile_width)
                    && (1..=20).contains(&sprite.columns)
            }),
            "of a sprite, intervalSeconds is 1 to 60, tileWidth 32 to 640, columns 1 to 20",
        ),
    ];
    if let Some((_, why)) = checks.iter().find(|(good, _)| !good) {
        return Err(ProfileError::Invalid { name, why });
    }
    let file = spec.packaging.contains(&Form::File).then_some(match spec.container {
        FileContainer::Mp4 => Container::Mp4,
        FileContainer::ThreeGp => Container::ThreeGp,
    });
    let rate = spec.rate_control;
    Ok(RenditionSettings {
        name,
        video: match (spec.codec, file) {
            (Codec::H264, Some(Container::ThreeGp)) => VideoCodec::H264Baseline,
            (Codec::H264, _) => VideoCodec::H264,
            (Codec::Hevc, _) => VideoCodec::Hevc,
            (Codec::Av1, _) => VideoCodec::Av1,
            (Codec::Vp9, _) => VideoCodec::Vp9,
        },
        frame: Frame { width: spec.width, height: spec.height },
        rate: RateControl {
            crf: rate.crf,
            max_bits_per_second: rate.max_bitrate,
            buffer_bits: rate.buffer_size.unwrap_or(rate.max_bitrate * 2),
            target_vmaf: rate.target_vmaf,
        },
        preset: match spec.preset {
            Preset::VerySlow => 2,
            Preset::Slow => 4,
            Preset::Medium => 5,
            Preset::Fast => 6,
            Preset::VeryFast => 8,
        },
        encoder_threads: spec.encoder_threads,
        max_frame_rate_milli: spec.frame_rate_max_milli,
        tone_map: spec.tone_map == ToneMap::Auto,
        audio: Some(AudioSettings {
            codec: match spec.audio.codec {
                Sound::Aac => AudioCodec::Aac,
                Sound::Opus => AudioCodec::Opus,
            },
            bits_per_second: spec.audio.bitrate.clamp(8_000, 640_000),
            channels: spec.audio.channels.clamp(1, 2),
            loudness_decilufs: spec.audio.loudness.map(|lufs| lufs.clamp(-70, -5) * 10),
        }),
        captions: spec.captions == Captions::WebVtt,
        packaging: Packaging {
            hls: spec.packaging.contains(&Form::Hls),
            dash: spec.packaging.contains(&Form::Dash),
            file,
            poster: spec.thumbnails.poster,
            poster_at_percent: spec.thumbnails.poster_at_percent,
            sprite: spec.thumbnails.sprite.map(|sprite| Sprite {
                interval_seconds: sprite.interval_seconds,
                tile_width: sprite.tile_width,
                columns: sprite.columns,
            }),
        },
        keyframe_seconds: spec.keyframe_seconds,
        segment_seconds: spec.segment_seconds,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SMALL: &str = "
apiVersion: videocloud.dev/v1alpha1
kind: TranscodeProfile
metadata: {name: small}
spec:
  codec: H264
  width: 352
  height: 288
  rateControl: {crf: 28, maxBitrate: 384000}
  container: 3GP
  packaging: [File]
";

    #[test]
    fn defaults_are_those_of_the_custom_resource() {
        let settings = parse(SMALL, "small.yaml").unwrap().remove(0);
        assert_eq!((settings.video, settings.preset, settings.encoder_threads), (VideoCodec::H264Baseline, 5, 4));
        assert_eq!(settings.rate.buffer_bits, 768_000);
        assert_eq!(
            settings.packaging,
            Packaging {
                hls: false,
                dash: false,
                file: Some(Container::ThreeGp),
                poster: true,
                poster_at_percent: 10,
                sprite: None
            }
        );
    }

    #[test]
    fn profiles_of_the_chart_are_understood() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/videocloud/profiles");
        let mut read = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let parsed = parse(&std::fs::read_to_string(&path).unwrap(), &path.display().to_string());
            read += parsed.unwrap_or_else(|error| panic!("{}: {error}", path.display())).len();
        }
        assert!(read >= 4, "{read}");
    }

    #[test]
    fn mistakes_are_named() {
        let error = |yaml: String| parse(&yaml, "small.yaml").unwrap_err().to_string();
        assert!(error(SMALL.replace("width: 352", "width: 351")).contains("even"));
        assert!(error(SMALL.replace("codec: H264", "codec: H264\n  extraArgs: -vf x")).contains("extraArgs"));
        assert!(error(SMALL.replace("name: small", "name: ../up")).contains("name"));
    }
}
