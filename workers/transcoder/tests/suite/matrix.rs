//! Codecs by containers by frame rates: every frame once, in order, at its own time, over four chunk borders.

use std::path::Path;

use futures::StreamExt;
use videocloud_protocol::rendition::RenditionSettings;
use videocloud_transcoder::run;

use super::clips::{driver, ffmpeg, greys, options, small, tone};
use super::seen;

const SECONDS: u32 = 4;
const RATES: [&str; 5] = ["25", "30000/1001", "24000/1001", "50", "variable"];

/// Name, arguments of the encoder, containers.
const SOURCES: [(&str, &str, &[&str]); 17] = [
    ("H.264", "libx264 -preset veryfast -qp 8 -g 37 -bf 0 -threads 1", &["mp4", "mov", "mkv", "ts", "flv"]),
    ("H.264 with B-frames", "libx264 -preset veryfast -qp 8 -g 37 -bf 3 -threads 1", &["mp4", "mkv", "ts", "flv"]),
    (
        "H.264 with open groups",
        "libx264 -preset veryfast -qp 8 -bf 3 -x264-params open-gop=1:keyint=24:scenecut=0 -threads 1",
        &["mp4", "mkv", "ts"],
    ),
    (
        "HEVC with open groups",
        "libx265 -preset ultrafast -x265-params qp=8:open-gop=1:keyint=24:log-level=none:pools=1",
        &["mp4", "mkv", "ts"],
    ),
    ("MPEG-2", "mpeg2video -q:v 2 -g 15 -bf 2", &["mkv", "ts"]),
    ("MPEG-1", "mpeg1video -q:v 2 -g 15", &["mkv"]),
    ("MPEG-4", "mpeg4 -q:v 2 -g 20 -bf 2", &["mp4", "mkv"]),
    ("VP8", "libvpx -deadline realtime -cpu-used 8 -b:v 1M", &["webm"]),
    ("VP9", "libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 1M", &["webm", "mp4"]),
    ("ProRes", "prores_ks -pix_fmt yuv422p10le", &["mov"]),
    ("motion JPEG", "mjpeg -q:v 2 -pix_fmt yuvj420p", &["mov"]),
    ("FFV1", "ffv1", &["mkv"]),
    ("Sorenson", "flv1 -q:v 2 -g 20", &["flv"]),
    ("AV1", "libsvtav1 -preset 12 -crf 8 -g 40 -svtav1-params lp=1", &["mp4", "mkv"]),
    (
        "H.264 of ten bits",
        "libx264 -preset veryfast -qp 8 -g 37 -bf 2 -pix_fmt yuv420p10le -threads 1",
        &["mp4", "mkv"],
    ),
    ("anamorphic H.264", "libx264 -preset veryfast -qp 8 -g 37 -bf 2 -aspect 2:1 -threads 1", &["mp4", "mkv"]),
    ("Microsoft MPEG-4", "msmpeg4 -q:v 2 -g 20", &["mkv"]),
];

async fn check(codec: &str, encode: &str, container: &str, rate: &str) {
    let what = format!("{codec} in {container} at {rate}");
    let folder = tempfile::tempdir().unwrap();
    let (rate, times) = match rate {
        // Every third frame late by half a frame.
        "variable" => ("25", "-vf setpts='(N+0.5*eq(mod(N,3),1))/25/TB' -fps_mode vfr -enc_time_base 1/1000"),
        rate => (rate, ""),
    };
    let source = folder.path().join(format!("source.{container}"));
    let times =
        if container == "mp4" && codec == "MPEG-4" { times.replace("1/1000", "1/100") } else { times.to_owned() };
    let sound = match container {
        "webm" => "libopus",
        "ts" => "mp2",
        _ => "aac",
    };
    let inputs = format!("{} {}", greys("96x64", rate, SECONDS), tone(SECONDS));
    ffmpeg(folder.path(), &format!("{inputs} {times} -c:v {encode} -c:a {sound} source.{container}"));
    let settings = RenditionSettings { segment_seconds: 1, preset: 9, ..small("small") };
    let report = run::run(&driver(), &options(source.clone(), folder.path(), 1, vec![settings])).await;
    let report = report.unwrap_or_else(|failure| panic!("{what}: {failure}"));
    assert_eq!(report.chunks.len(), 4, "{what}: chunks");
    let made = folder.path().join("out/small.mp4");
    seen::assert_same_frames(&seen::greys(&source), &seen::greys(&made), &what);
    let apart = |file: &Path| seen::first_sound(file) - seen::first_shown(file);
    let frame =
        1.0 / rate.split('/').next().and_then(|text| text.parse().ok()).filter(|rate| *rate < 1000.0).unwrap_or(24.0);
    let moved = apart(&made) - apart(&source);
    assert!(moved.abs() < frame, "{what}: sound moved by {moved} s against the picture");
    // Streams and FLV are copied into another container first, which has another clock.
    if !matches!(container, "ts" | "flv") {
        assert_eq!(seen::ticks(&made), seen::ticks(&source), "{what}: times");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_frame_of_every_source_once_and_in_time() {
    let mut cases = Vec::new();
    for (codec, encode, containers) in SOURCES {
        for container in containers {
            // MPEG-1 and -2 know a few rates only, and no variable one.
            let rates =
                if codec.starts_with("MPEG-1") || codec.starts_with("MPEG-2") { &RATES[..4] } else { &RATES[..] };
            let first = cases.len();
            cases.extend((0..2).map(|n| (codec, encode, *container, rates[(first + 3 * n) % rates.len()])));
        }
    }
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let checks = cases.into_iter().map(|(codec, encode, container, rate)| check(codec, encode, container, rate));
    futures::stream::iter(checks).buffer_unordered(2).collect::<Vec<()>>().await;
}
