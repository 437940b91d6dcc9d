//! The rendition a TranscodeJob asks for: settings resolved to an allow list of numbers and words, and the key they give.

use std::time::Duration;

use videocloud_crds::{
    TranscodeJob, TranscodeSettings,
    conditions::{shared, transcode as reasons, video},
    transcode::{AudioCodec, Captions, ChunkingMode, Container, Packaging, Preset, Sprite, ToneMap, VideoCodec},
};
use videocloud_protocol::{
    ids::ContentId,
    rendition::{self, AudioSettings, Frame, RateControl, RenditionSettings, rendition_key},
    task::{Chunking, RenditionOrder},
};

use super::dereference::Facts;
use crate::jobs::RunBounds;

/// Work (CPU seconds) below which a source is not cut.
const MIN_CPU_SECONDS: u32 = 120;

/// Why there is no rendition to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotYet {
    /// Whether waiting may help: something else must appear first.
    pub(super) waits: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// A rendition and how to make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rendition {
    pub(super) source: ContentId,
    pub(super) order: RenditionOrder,
    /// The settings as the user's kind writes them, for status.
    pub(super) settings: TranscodeSettings,
    pub(super) chunking: Chunking,
    pub(super) bounds: RunBounds,
    pub(super) queue: Option<String>,
    /// Largest distance of another rendition that will do.
    pub(super) max_distance: u32,
}

/// A TranscodeJob whose spec can be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Valid {
    pub(super) rendition: Result<Rendition, NotYet>,
    pub(super) suspended: bool,
}

/// Reads the spec of `job`.
pub(super) fn validate(job: &TranscodeJob, facts: &Facts) -> Valid {
    let video_suspended = facts.video.as_ref().is_some_and(|video| video.spec.suspend);
    Valid { rendition: read(job, facts), suspended: job.spec.suspend || video_suspended }
}

/// Reads the rendition.
pub(super) fn read(job: &TranscodeJob, facts: &Facts) -> Result<Rendition, NotYet> {
    let spec = &job.spec;
    let wait = |reason, message: String| NotYet { waits: true, reason, message };
    let Some(video) = &facts.video else {
        let message = format!("VideoObject {} does not exist in this namespace.", spec.video_ref.name);
        return Err(wait(reasons::VIDEO_NOT_FOUND, message));
    };
    let settings = match (&spec.profile_ref, &spec.settings) {
        (Some(name), _) => match &facts.profile {
            Some(profile) => profile.spec.clone(),
            None => {
                let message = format!("TranscodeProfile {name} does not exist. Create it, or name another.");
                return Err(wait(video::PROFILE_NOT_FOUND, message));
            }
        },
        (None, Some(settings)) => settings.clone(),
        (None, None) => {
            let message = "Neither profileRef nor settings is given.".to_owned();
            return Err(NotYet { waits: false, reason: shared::INVALID_SPEC, message });
        }
    };
    let Some(source) = facts.source else {
        let message = format!("VideoObject {} is not in the store yet.", spec.video_ref.name);
        return Err(wait(reasons::WAITING_FOR_VIDEO, message));
    };
    let name = spec.profile_ref.as_ref().map_or(facts.name.name.as_ref(), |name| name.as_str());
    let resolved =
        resolve(name, &settings).map_err(|message| NotYet { waits: false, reason: shared::INVALID_SPEC, message })?;
    let reuse = video.spec.renditions.iter().find(|asked| Some(&asked.profile_ref) == spec.profile_ref.as_ref());
    let seconds = match spec.chunking.mode {
        ChunkingMode::Auto => number(spec.chunking.seconds),
        ChunkingMode::Single => 0,
    };
    Ok(Rendition {
        source,
        order: RenditionOrder { key: rendition_key(&source, &resolved), settings: resolved },
        settings,
        chunking: Chunking { seconds, min_cpu_seconds: MIN_CPU_SECONDS },
        bounds: RunBounds {
            parallelism: number(spec.parallelism),
            backoff_limit: number(spec.backoff_limit),
            deadline: Duration::from_secs(u64::from(number(spec.active_deadline_seconds))),
            priority_class: spec.priority_class_name.as_ref().map(ToString::to_string),
        },
        queue: spec.queue_name.as_ref().map(ToString::to_string),
        max_distance: reuse.map_or(0, |asked| number(asked.reuse.max_distance)),
    })
}

fn number(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

fn byte(value: i32, field: &str) -> Result<u8, String> {
    u8::try_from(value).map_err(|_| format!("{field} {value} is out of range"))
}

fn sprite(asked: &Sprite) -> Result<rendition::Sprite, String> {
    Ok(rendition::Sprite {
        interval_seconds: byte(asked.interval_seconds, "thumbnails.sprite.intervalSeconds")?,
        tile_width: u16::try_from(asked.tile_width)
            .map_err(|_| "thumbnails.sprite.tileWidth is out of range".to_owned())?,
        columns: byte(asked.columns, "thumbnails.sprite.columns")?,
    })
}

/// The settings as workers take them.
pub(super) fn resolve(name: &str, settings: &TranscodeSettings) -> Result<RenditionSettings, String> {
    let TranscodeSettings {
        codec,
        width,
        height,
        rate_control,
        preset,
        encoder_threads,
        frame_rate_max_milli,
        tone_map,
        keyframe_seconds,
        segment_seconds,
        container,
        packaging,
        audio,
        captions,
        thumbnails,
    } = settings;
    let max = rate_control.max_bitrate.get();
    Ok(RenditionSettings {
        name: name.to_owned(),
        video: match (codec, container) {
            (VideoCodec::H264, Container::ThreeGp) => rendition::VideoCodec::H264Baseline,
            (VideoCodec::H264, Container::Mp4) => rendition::VideoCodec::H264,
            (VideoCodec::Hevc, _) => rendition::VideoCodec::Hevc,
            (VideoCodec::Av1, _) => rendition::VideoCodec::Av1,
            (VideoCodec::Vp9, _) => rendition::VideoCodec::Vp9,
        },
        frame: Frame { width: number(*width), height: number(*height) },
        rate: RateControl {
            crf: byte(rate_control.crf, "rateControl.crf")?,
            max_bits_per_second: max,
            buffer_bits: rate_control.buffer_size.map_or(max.saturating_mul(2), |bits| bits.get()),
            target_vmaf: rate_control.target_vmaf.map(|target| byte(target, "rateControl.targetVmaf")).transpose()?,
        },
        preset: match preset {
            Preset::VerySlow => 2,
            Preset::Slow => 4,
            Preset::Medium => 5,
            Preset::Fast => 6,
            Preset::VeryFast => 8,
        },
        encoder_threads: byte(*encoder_threads, "encoderThreads")?,
        max_frame_rate_milli: frame_rate_max_milli.map(number),
        tone_map: *tone_map == ToneMap::Auto,
        audio: Some(AudioSettings {
            codec: match audio.codec {
                AudioCodec::Aac => rendition::AudioCodec::Aac,
                AudioCodec::Opus => rendition::AudioCodec::Opus,
            },
            bits_per_second: u32::try_from(audio.bitrate.get())
                .map_err(|_| "audio.bitrate is out of range".to_owned())?,
            channels: byte(audio.channels, "audio.channels")?,
            loudness_decilufs: audio.loudness.map(|lufs| lufs * 10),
        }),
        captions: *captions == Captions::WebVtt,
        packaging: rendition::Packaging {
            hls: packaging.contains(&Packaging::Hls),
            dash: packaging.contains(&Packaging::Dash),
            file: packaging.contains(&Packaging::File).then_some(match container {
                Container::Mp4 => rendition::Container::Mp4,
                Container::ThreeGp => rendition::Container::ThreeGp,
            }),
            poster: thumbnails.poster,
            poster_at_percent: byte(thumbnails.poster_at_percent, "thumbnails.posterAtPercent")?,
            sprite: thumbnails.sprite.as_ref().map(sprite).transpose()?,
        },
        keyframe_seconds: byte(*keyframe_seconds, "keyframeSeconds")?,
        segment_seconds: byte(*segment_seconds, "segmentSeconds")?,
    })
}
