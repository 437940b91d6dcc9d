//! A clip of ten seconds made by ffmpeg, published as a content with two renditions whose tracks are real CMAF files.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;
use videocloud_protocol::{
    content::{ContentHashes, ContentManifest, MediaFacts, Verification, Visibility},
    ids::{ClaimKey, ContentId, RenditionKey},
    rendition::{
        AudioCodec, AudioSettings, Frame, Packaging, Progressive, RateControl, RenditionManifest, RenditionSettings,
        Segment, Sprites, Track, TrackKind, TreeFile, VideoCodec,
    },
};
use videocloud_store::{Store, TreePath};

use super::{content_id, tools};

/// Ticks per second of every track.
const TIMESCALE: u32 = 24_000;

pub struct Published {
    pub content: ContentId,
    pub original: PathBuf,
    pub renditions: Vec<(&'static str, RenditionManifest)>,
}

/// The files, made once for all tests of the process: it takes ffmpeg a second or two.
fn files() -> &'static Path {
    static FILES: OnceLock<TempDir> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let ffmpeg = || {
            let mut command = tools::ffmpeg("ffmpeg");
            command.args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y"]);
            command
        };
        let sources = ["testsrc2=size=640x360:rate=24:duration=10", "sine=frequency=440:duration=10"];
        tools::run(
            ffmpeg()
                .args(["-f", "lavfi", "-i", sources[0], "-f", "lavfi", "-i", sources[1]])
                .args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "48"])
                .args(["-c:a", "aac", "-b:a", "64k", "-ar", "48000", "-movflags", "+faststart"])
                .arg(at("original.mp4")),
        );
        let cmaf = |command: &mut Command, to: &str| {
            let command =
                command.args(["-movflags", "empty_moov+default_base_moof+frag_keyframe+negative_cts_offsets"]);
            tools::run(command.args(["-frag_duration", "2000000"]).arg(at(to)));
        };
        let original = at("original.mp4");
        for (name, height) in [("high", "360"), ("low", "180")] {
            let mut video = ffmpeg();
            video.arg("-i").arg(&original).args(["-an", "-vf", &format!("scale=-2:{height}"), "-c:v", "libx264"]);
            video.args(["-preset", "ultrafast", "-bf", "0", "-g", "48", "-sc_threshold", "0"]);
            video.args(["-video_track_timescale", &TIMESCALE.to_string()]);
            cmaf(&mut video, &format!("{name}-video.mp4"));
            let progressive = at(&format!("{name}.mp4"));
            tools::run(ffmpeg().arg("-i").arg(at(&format!("{name}-video.mp4"))).args(["-c", "copy"]).arg(progressive));
        }
        cmaf(ffmpeg().arg("-i").arg(&original).args(["-vn", "-c:a", "copy"]), "audio.mp4");
        tools::run(ffmpeg().arg("-i").arg(&original).args(["-frames:v", "1"]).arg(at("poster.jpg")));
        folder
    };
    FILES.get_or_init(make).path()
}

/// The bytes of one of the files.
pub fn file(name: &str) -> Vec<u8> {
    fs::read(files().join(name)).unwrap()
}

/// Publishes the clip in `store`.
pub async fn publish(store: &Store) -> Published {
    let original = files().join("original.mp4");
    let content = content_id(&original);
    publish_content(store, &original, Visibility::Public).await;
    let mut renditions = Vec::new();
    for (seed, name, height) in [(1, "high", 360), (2, "low", 180)] {
        renditions.push((name, rendition(store, seed, name, height, content).await));
    }
    Published { content, original, renditions }
}

/// Publishes a file as a content.
pub async fn publish_content(store: &Store, file: &Path, visibility: Visibility) -> ContentManifest {
    let bytes = fs::read(file).unwrap();
    let manifest = ContentManifest {
        id: content_id(file),
        size: bytes.len() as u64,
        mime: "video/mp4".into(),
        hashes: ContentHashes::default(),
        verification: Verification::SingleSource,
        visibility,
        created: 1_700_000_000,
    };
    let claim = ClaimKey::derive([manifest.id.as_bytes().as_slice()]);
    let staging = store.stage(&claim).await.unwrap();
    staging.write_at(0, bytes.into()).await.unwrap();
    staging.publish(&manifest).await.unwrap();
    manifest
}

async fn rendition(store: &Store, seed: u8, name: &str, height: u32, source: ContentId) -> RenditionManifest {
    let key = RenditionKey::from_bytes([seed; 32]);
    let staging = store.stage_tree(&key).unwrap();
    let mut published = Vec::new();
    for (path, from, mime) in [
        ("video.mp4", format!("{name}-video.mp4"), "video/mp4"),
        ("audio-1.mp4", "audio.mp4".into(), "audio/mp4"),
        ("progressive.mp4", format!("{name}.mp4"), "video/mp4"),
        ("poster.jpg", "poster.jpg".into(), "image/jpeg"),
        ("thumbnails-1.jpg", "poster.jpg".into(), "image/jpeg"),
    ] {
        let (path, from) = (path.parse::<TreePath>().unwrap(), files().join(from));
        let size = staging.put_file(&path, &from).await.unwrap();
        published.push(TreeFile { path, size, mime: mime.into(), sha256: content_id(&from).to_string() });
    }
    let video = TrackKind::Video { width: height * 16 / 9, height, frame_rate_milli: 24_000 };
    let audio = TrackKind::Audio { language: "en".into(), channels: 1, sample_rate: 48_000 };
    let manifest = RenditionManifest {
        key,
        source,
        settings: settings(name, height),
        media: MediaFacts::default(),
        attempt: staging.attempt().to_owned(),
        files: published,
        tracks: vec![
            track("video", video, "avc1.42c01e", &files().join(format!("{name}-video.mp4")), TIMESCALE),
            track("audio-1", audio, "mp4a.40.2", &files().join("audio.mp4"), 48_000),
        ],
        progressive: Some(Progressive { file: "progressive.mp4".parse().unwrap(), extension: "mp4".into() }),
        poster: Some("poster.jpg".parse().unwrap()),
        sprites: Some(sprites()),
        quality: None,
        duration_millis: 10_000,
        frames: 240,
        created: 1_700_000_000,
    };
    staging.publish(&manifest).await.unwrap();
    manifest
}

/// One sheet of two pictures.
fn sprites() -> Sprites {
    Sprites {
        sheets: vec!["thumbnails-1.jpg".parse().unwrap()],
        tile_width: 160,
        tile_height: 90,
        columns: 2,
        rows: 1,
        interval_millis: 5000,
        count: 2,
    }
}

fn settings(name: &str, height: u32) -> RenditionSettings {
    RenditionSettings {
        name: name.into(),
        video: VideoCodec::H264,
        frame: Frame { width: height * 16 / 9, height },
        rate: RateControl { crf: 23, max_bits_per_second: 3_000_000, buffer_bits: 6_000_000, target_vmaf: None },
        preset: 5,
        encoder_threads: 1,
        max_frame_rate_milli: None,
        tone_map: false,
        audio: Some(AudioSettings {
            codec: AudioCodec::Aac,
            bits_per_second: 64_000,
            channels: 1,
            loudness_decilufs: None,
        }),
        captions: false,
        packaging: Packaging { hls: true, dash: true, file: None, poster: true, poster_at_percent: 10, sprite: None },
        keyframe_seconds: 2,
        segment_seconds: 2,
    }
}

/// Indexes a fragmented file: everything before the first `moof` is its head, each `moof` with its `mdat` a segment.
fn track(name: &str, kind: TrackKind, codec: &str, file: &Path, timescale: u32) -> Track {
    let bytes = fs::read(file).unwrap();
    let (mut at, mut starts) = (0, Vec::new());
    while at + 8 <= bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        match &bytes[at + 4..at + 8] {
            b"moof" => starts.push(at),
            // The index of random access points at the end belongs to no segment.
            b"mfra" => break,
            _ => {}
        }
        at += size;
    }
    let ends = starts[1..].iter().copied().chain([at]);
    let segment = |(start, end): (&usize, usize)| Segment {
        offset: *start as u64,
        size: (end - start) as u64,
        ticks: u64::from(timescale) * 10 / starts.len() as u64,
    };
    let segments: Vec<Segment> = starts.iter().zip(ends).map(segment).collect();
    let path = if name == "video" { "video.mp4" } else { "audio-1.mp4" };
    Track {
        name: name.parse().unwrap(),
        kind,
        codec: codec.into(),
        file: path.parse().unwrap(),
        init_size: starts[0] as u64,
        timescale,
        start_ticks: 0,
        keyframes: segments
            .iter()
            .filter(|_| name == "video")
            .map(|segment| Segment { size: segment.size / 2, ..*segment })
            .collect(),
        segments,
        bits_per_second: 500_000,
        peak_bits_per_second: 900_000,
    }
}
