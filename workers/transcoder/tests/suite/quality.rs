//! What the finish looks at beyond counting: quality at chunk borders, frames at the wrong times, a rate factor per title.

use std::path::{Path, PathBuf};

use videocloud_protocol::failure::{FailureClass, reason};
use videocloud_protocol::ids::{ContentId, RenditionKey};
use videocloud_protocol::rendition::{RateControl, RenditionSettings};
use videocloud_protocol::task::{Chunking, RenditionOrder};
use videocloud_transcoder::encode::{Driver, LocalSource, chunk};
use videocloud_transcoder::package::{self, Work};
use videocloud_transcoder::plan::Plan;
use videocloud_transcoder::{ingest, run};

use super::clips::{driver, ffmpeg, options, small, tone, tools};

/// A picture that moves from every frame to the next.
const MOVING: &str = "-f lavfi -i testsrc2=s=320x180:r=25:d=6,scroll=horizontal=0.02";
const ENCODE: &str = "-c:v libx264 -preset veryfast -qp 8 -g 40 -bf 2 -threads 1";

fn medium(name: &str) -> RenditionSettings {
    RenditionSettings { frame: videocloud_protocol::rendition::Frame { width: 320, height: 180 }, ..small(name) }
}

#[tokio::test]
async fn borders_are_measured_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{MOVING} {} {ENCODE} -c:a aac source.mp4", tone(6)));
    let half = RenditionSettings { max_frame_rate_milli: Some(12_500), ..medium("half") };
    let options = options(folder.path().join("source.mp4"), folder.path(), 2, vec![medium("whole"), half]);
    run::run(&driver(), &options).await.unwrap();
    let report = std::fs::read(folder.path().join("out/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    for (rendition, frames) in report["renditions"].as_array().unwrap().iter().zip([150, 75]) {
        let tracks = rendition["checks"]["tracks"].as_array().unwrap();
        let files: Vec<_> = tracks.iter().map(|track| track["file"].as_str().unwrap()).collect();
        assert_eq!(files, ["video.mp4", "audio-1.mp4", "file.mp4", "file.mp4"]);
        for picture in [&tracks[0], &tracks[2]] {
            assert_eq!((picture["packets"].as_u64(), picture["keyframes"].as_u64()), (Some(frames), Some(6)));
            assert_eq!(picture["endMillis"].as_u64(), Some(6000));
        }
        let borders = rendition["checks"]["borders"].as_array().unwrap();
        assert_eq!(borders.len(), 2, "{rendition}");
        for border in borders {
            let (mean, worst) = (border["meanVmafMilli"].as_u64().unwrap(), border["worstVmafMilli"].as_u64().unwrap());
            assert!(mean > 85_000 && worst > 75_000 && worst <= mean, "{border}");
        }
        assert_eq!(rendition["quality"]["crf"].as_u64(), Some(18));
    }
}

#[tokio::test]
async fn a_chunk_of_other_frames_at_the_right_times_is_found() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{MOVING} {ENCODE} source.mp4"));
    // Each frame where the one before it belongs: the same ticks, the same number.
    let late = "-vf trim=start_frame=1,setpts=N/25/TB,tpad=stop=1:stop_mode=clone";
    ffmpeg(folder.path(), &format!("-i source.mp4 {late} {ENCODE} shifted.mp4"));
    let driver = driver();
    let scratch = folder.path();
    let ingested = ingest::ingest(&driver, &scratch.join("source.mp4"), scratch).await.unwrap();
    let packets = ingest::packets(&driver, &ingested, scratch).await.unwrap();
    let orders = [RenditionOrder { key: RenditionKey::from_bytes([1; 32]), settings: medium("small") }];
    let chunking = Chunking { seconds: 2, min_cpu_seconds: 0 };
    let container = ingested.source.container;
    let plan = Plan::make(ingested.facts.clone(), container, &packets, &orders, chunking).unwrap();
    let folders: Vec<PathBuf> = (0..3).map(|n| scratch.join(format!("chunk-{n}"))).collect();
    for (part, folder) in plan.chunks.iter().zip(&folders) {
        std::fs::create_dir(folder).unwrap();
        chunk::encode(&driver, &ingested.source, &plan, part, folder, |_| {}).await.unwrap();
    }
    let content = ContentId::from_bytes([2; 32]);
    let work = Work { driver: &driver, ingested: &ingested, content, plan: &plan, chunks: &folders, scratch };
    let sounds = package::sounds(&work).await.unwrap();
    package::finish(work, &sounds).await.unwrap();
    std::fs::remove_dir_all(scratch.join("rendition-0")).unwrap();

    let other = LocalSource { path: scratch.join("shifted.mp4"), container };
    chunk::encode(&driver, &other, &plan, &plan.chunks[1], &folders[1], |_| {}).await.unwrap();
    let failure = package::finish(work, &sounds).await.unwrap_err();
    assert_eq!((failure.class, failure.reason.as_str()), (FailureClass::BadInput, reason::VALIDATION_FAILED));
    assert!(failure.message.contains("shifted"), "{failure}");
}

/// Mean VMAF of a finished file against its source, measured without any of our code.
fn vmaf(made: &Path, source: &Path) -> f64 {
    let mut command = std::process::Command::new(tools().vmaf.expect("run workers/transcoder/tools.sh --vmaf"));
    command.args(["-v", "info", "-nostdin", "-i"]).arg(made).arg("-i").arg(source);
    let done = command.args(["-lavfi", "[0:v][1:v]libvmaf=n_threads=2", "-f", "null", "-"]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    said.split_once("VMAF score: ").expect(&said).1.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_rate_factor_is_chosen_for_the_wanted_quality() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{MOVING},noise=alls=8:allf=t {ENCODE} source.mp4"));
    let source = folder.path().join("source.mp4");
    let wanted = |target: u8| {
        let settings = medium("small");
        let rate = RateControl { target_vmaf: Some(target), crf: 28, max_bits_per_second: 20_000_000, ..settings.rate };
        RenditionSettings { rate, ..settings }
    };
    let mut factors = Vec::new();
    for target in [75, 92] {
        let options = options(source.clone(), folder.path(), 2, vec![wanted(target)]);
        let report = run::run(&driver(), &options).await.unwrap();
        let quality = report.renditions[0].quality.unwrap();
        let sampled = f64::from(quality.sample_vmaf_milli.unwrap()) / 1000.0;
        let target = f64::from(target);
        assert!((target..target + 4.0).contains(&sampled), "{quality:?}");
        let real = vmaf(&folder.path().join("out/small.mp4"), &source);
        assert!((real - sampled).abs() < 2.0, "{real} instead of {quality:?}");
        factors.push(quality.crf);
    }
    assert!(factors[0] > factors[1], "{factors:?}");

    let without = Driver { tools: videocloud_transcoder::tools::Tools { vmaf: None, ..tools() }, ..driver() };
    let failure = run::run(&without, &options(source, folder.path(), 2, vec![wanted(90)])).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::BadSpec, "{failure}");
    assert!(failure.message.contains("--ffmpeg-vmaf"), "{failure}");
}

/// VMAF of every frame of a finished file against its source in its size.
fn frames(made: &Path, source: &Path, size: &str, folder: &Path) -> Vec<f64> {
    let mut command = std::process::Command::new(tools().vmaf.expect("run workers/transcoder/tools.sh --vmaf"));
    let log = folder.join("vmaf.json");
    let scale =
        format!("[1:v]scale={size}:flags=bicubic,settb=AVTB,setpts=N/TB/25[b];[0:v]settb=AVTB,setpts=N/TB/25[a]");
    let graph = format!("{scale};[a][b]libvmaf=n_threads=2:log_fmt=json:log_path={}", log.display());
    command.args(["-v", "error", "-nostdin", "-i"]).arg(made).arg("-i").arg(source);
    assert!(command.args(["-lavfi", &graph, "-f", "null", "-"]).status().unwrap().success());
    let log: serde_json::Value = serde_json::from_slice(&std::fs::read(log).unwrap()).unwrap();
    log["frames"].as_array().unwrap().iter().map(|frame| frame["metrics"]["vmaf"].as_f64().unwrap()).collect()
}

#[tokio::test]
async fn a_border_costs_no_quality() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    [&whole, &cut].into_iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let picture =
        "testsrc2=s=640x360:r=25[a];mandelbrot=s=320x360:r=25[b];[a][b]overlay=x=320:shortest=1,format=yuv420p";
    ffmpeg(folder.path(), &format!("-filter_complex {picture} -t 8 {ENCODE} source.mp4"));
    let source = folder.path().join("source.mp4");
    // One at the ceiling of its rate, where the decoder's buffer counts too, one below it; a fast preset would hardly look ahead.
    let of = |name: &str, bits: u64| {
        let rate = RateControl { crf: 23, max_bits_per_second: bits, buffer_bits: 2 * bits, target_vmaf: None };
        RenditionSettings { rate, preset: 5, ..medium(name) }
    };
    let settings = vec![of("bound", 150_000), of("free", 5_000_000)];
    run::run(&driver(), &options(source.clone(), &whole, 0, settings.clone())).await.unwrap();
    run::run(&driver(), &options(source.clone(), &cut, 4, settings)).await.unwrap();
    for (name, most) in [("bound", 1.5), ("free", 1.0)] {
        let of = |folder: &Path| frames(&folder.join(format!("out/{name}.mp4")), &source, "320:180", folder);
        let (whole, cut) = (of(&whole), of(&cut));
        assert_eq!((whole.len(), cut.len()), (200, 200));
        let lost: Vec<f64> = (98..103).map(|frame| whole[frame] - cut[frame]).collect();
        assert!(lost.iter().all(|lost| *lost < most), "{name}: {lost:.2?}");
    }
}
