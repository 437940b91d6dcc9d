//! What cutting costs and saves: one ladder whole, in chunks, and one rendition at a time, all through the same program.
//!
//! Every figure is of a whole run: probe, encode, sound, join, package, check. "Wall on two workers" gives each worker one
//! processor, against the whole encode on one. VMAF needs `workers/transcoder/tools.sh --vmaf`. Prints a table and writes
//! `target/bench/transcode.json`. VIDEOCLOUD_BENCH_SECONDS sets the length of the clip (default 60).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use videocloud_protocol::ids::RenditionKey;
use videocloud_protocol::rendition::RenditionSettings;
use videocloud_protocol::task::{Chunking, RenditionOrder};
use videocloud_transcoder::encode::Driver;
use videocloud_transcoder::plan::Plan;
use videocloud_transcoder::probe::Container;
use videocloud_transcoder::run::{self, Options, Report, cpu_millis};
use videocloud_transcoder::tools::Tools;
use videocloud_transcoder::{ingest, profile};

const CHUNK_SECONDS: u32 = 20;
const LADDER: [&str; 3] = ["720p", "480p", "360p"];

struct Measured {
    report: Report,
    cpu: f64,
    wall: f64,
    out: PathBuf,
}

struct Bench {
    tools: Tools,
    folder: tempfile::TempDir,
    source: PathBuf,
}

impl Bench {
    fn new(seconds: u32) -> Self {
        let tools = Tools::find(None, None, None).expect("run workers/transcoder/tools.sh");
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source.mp4");
        let whole = Self { tools, folder, source };
        whole.clip(&whole.source, "1280x720", seconds);
        whole
    }

    /// Makes a clip.
    fn clip(&self, to: &Path, size: &str, seconds: u32) {
        // Sharp edges, counters, slow zooms and noise: no scene is free, none is the worst there is.
        let picture = format!(
            "testsrc2=s={size}:r=30000/1001[a];mandelbrot=s=640x720:r=30000/1001:maxiter=800[b];\
             [a][b]overlay=x=640:shortest=1,noise=alls=6:allf=t,format=yuv420p"
        );
        let status = Command::new(&self.tools.ffmpeg)
            .args(["-v", "error", "-nostdin", "-y", "-filter_complex", &picture])
            .args(["-f", "lavfi", "-i", "sine=f=440:r=48000", "-t", &seconds.to_string()])
            .args(["-c:v", "libx264", "-preset", "veryfast", "-crf", "12", "-g", "120", "-bf", "2", "-c:a", "aac"])
            .arg(to)
            .status()
            .unwrap();
        assert!(status.success(), "the clip could not be made");
    }

    fn driver(&self) -> Driver {
        // Encoding is measured, without the look at borders that a finish takes where it can.
        Driver {
            tools: Tools { vmaf: None, ..self.tools.clone() },
            threads: 1,
            stall: Duration::from_secs(600),
            stop: CancellationToken::new(),
        }
    }

    /// One run on the given processors.
    fn run(&self, name: &str, renditions: &[&str], chunk_seconds: u32, processors: &[usize]) -> Measured {
        self.run_of(&self.source, name, renditions, chunk_seconds, processors)
    }

    /// One run of any source.
    fn run_of(
        &self,
        source: &Path,
        name: &str,
        renditions: &[&str],
        chunk_seconds: u32,
        processors: &[usize],
    ) -> Measured {
        let mut set = CpuSet::new();
        processors.iter().for_each(|processor| set.set(*processor).unwrap());
        sched_setaffinity(Pid::from_raw(0), &set).expect("this needs two processors");
        // Its threads are started after the affinity was set, so they and their children share it.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let out = self.folder.path().join(name);
        let settings: Vec<RenditionSettings> =
            renditions.iter().flat_map(|name| profile::builtin(name).unwrap()).collect();
        let chunking = Chunking { seconds: chunk_seconds, min_cpu_seconds: 0 };
        let options =
            Options { input: source.to_path_buf(), settings, out: out.clone(), workers: processors.len(), chunking };
        let driver = self.driver();
        let (before, started) = (cpu_millis(), Instant::now());
        let report = runtime.block_on(run::run(&driver, &options)).unwrap();
        let wall = started.elapsed().as_secs_f64();
        let cpu = (cpu_millis() - before) as f64 / 1000.0;
        eprintln!("{name}: {cpu:.1} CPU-s, {wall:.1} s, {} chunks", report.chunks.len());
        Measured { report, cpu, wall, out }
    }

    /// Bytes that the chunk pods of a cluster would read, as a share of the source.
    fn bytes_read(&self, chunk_seconds: u32) -> f64 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let driver = self.driver();
            let scratch = self.folder.path();
            let ingested = ingest::ingest(&driver, &self.source, scratch).await.unwrap();
            let packets = ingest::packets(&driver, &ingested, scratch).await.unwrap();
            let settings = profile::builtin(LADDER[0]).unwrap().remove(0);
            let orders = [RenditionOrder { key: RenditionKey::from_bytes([0; 32]), settings }];
            let chunking = Chunking { seconds: chunk_seconds, min_cpu_seconds: 0 };
            let mut plan = Plan::make(ingested.facts.clone(), Container::Mov, &packets, &orders, chunking).unwrap();
            plan.locate(&packets, &ingested.heads().await.unwrap().unwrap());
            let read: u64 =
                plan.chunks.iter().flat_map(|chunk| &chunk.reads).map(|range| range.end - range.start).sum();
            read as f64 / std::fs::metadata(&self.source).unwrap().len() as f64
        })
    }

    /// VMAF of every frame of a rendition against the source; `None` without a build that has it.
    fn vmaf(&self, rendition: &Path) -> Option<Vec<f64>> {
        let ffmpeg = self.tools.ffmpeg.with_file_name("ffmpeg-vmaf");
        let log = self.folder.path().join("vmaf.json");
        let graph = format!(
            "[0:v]settb=AVTB,setpts=N/TB/30[a];[1:v]settb=AVTB,setpts=N/TB/30[b];[a][b]libvmaf=n_threads=2:log_fmt=json:log_path={}",
            log.display()
        );
        let mut command = Command::new(ffmpeg);
        command.args(["-v", "error", "-nostdin", "-i"]).arg(rendition).arg("-i").arg(&self.source);
        let status = command.args(["-lavfi", &graph, "-f", "null", "-"]).status().ok()?;
        assert!(status.success(), "VMAF could not be measured");
        let log: Value = serde_json::from_slice(&std::fs::read(log).unwrap()).unwrap();
        log["frames"].as_array()?.iter().map(|frame| frame["metrics"]["vmaf"].as_f64()).collect()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// How much the frames around chunk borders lose, at worst, against the whole encode.
fn worst_border(whole: &[f64], chunked: &[f64], report: &Report) -> f64 {
    let frame = |tick: i64| {
        usize::try_from((tick - report.chunks[0].start) * 30_000 / 1001 / i64::from(report.timescale)).unwrap()
    };
    let near = report.chunks.iter().skip(1).flat_map(|chunk| {
        let border = frame(chunk.start);
        border.saturating_sub(2)..(border + 3).min(whole.len())
    });
    near.map(|frame| whole[frame] - chunked[frame]).fold(0.0, f64::max)
}

fn main() {
    // `cargo test --benches` and friends pass flags of their own; there is one measurement only.
    let seconds = std::env::var("VIDEOCLOUD_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let bench = Bench::new(seconds);
    let whole = bench.run("whole", &LADDER, 0, &[0]);
    let chunked = bench.run("chunked", &LADDER, CHUNK_SECONDS, &[0, 1]);
    let separate: Vec<Measured> =
        LADDER.iter().map(|name| bench.run(&format!("separate-{name}"), &[name], 0, &[0])).collect();
    let separate_cpu: f64 = separate.iter().map(|measured| measured.cpu).sum();

    // Last: the largest child so far is told, and none before is as large as one with this ladder.
    let large = bench.folder.path().join("large.mp4");
    bench.clip(&large, "1920x1080", seconds.min(2 * CHUNK_SECONDS));
    let ladder_of_1080p = bench.run_of(&large, "1080p", &["1080p", "720p", "480p", "360p"], CHUNK_SECONDS, &[0]);

    let percent = |ratio: f64| (ratio * 1000.0).round() / 10.0;
    let mut figures = json!({
        "clipSeconds": seconds,
        "chunkSeconds": CHUNK_SECONDS,
        "ladder": LADDER,
        "chunks": chunked.report.chunks.len(),
        "wholeCpuSeconds": whole.cpu,
        "wholeWallSeconds": whole.wall,
        "chunkedCpuSeconds": chunked.cpu,
        "chunkedWallSecondsOnTwoWorkers": chunked.wall,
        "separateCpuSeconds": separate_cpu,
        "chunkingCpuOverheadPercent": percent(chunked.cpu / whole.cpu - 1.0),
        "wallOnTwoWorkersOfWholePercent": percent(chunked.wall / whole.wall),
        "oneProcessSavesCpuPercent": percent(1.0 - whole.cpu / separate_cpu),
        "bytesReadOfSourcePercent": percent(bench.bytes_read(CHUNK_SECONDS)),
        "peakChildBytes": whole.report.peak_child_bytes,
        "peakChildBytesOf1080pLadder": ladder_of_1080p.report.peak_child_bytes,
    });
    let file = |measured: &Measured| measured.out.join(format!("{}.mp4", LADDER[0]));
    if let Some((of_whole, of_chunked)) = bench.vmaf(&file(&whole)).zip(bench.vmaf(&file(&chunked))) {
        figures["vmafWhole"] = json!(mean(&of_whole));
        figures["vmafChunked"] = json!(mean(&of_chunked));
        figures["vmafWorstBorderLoss"] = json!(worst_border(&of_whole, &of_chunked, &chunked.report));
    } else {
        eprintln!("no VMAF: run workers/transcoder/tools.sh --vmaf");
    }
    let text = serde_json::to_string_pretty(&figures).unwrap();
    println!("{text}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("transcode.json"), text).unwrap();
}
