//! What cutting costs and saves: one ladder whole, in chunks, and one rendition at a time, all through the same program; and
//! beside what others do ([`beside`]).
//!
//! Every figure of ours is of a whole run: probe, encode, sound, join, package, check. "Wall on two workers" gives each worker one
//! processor, against the whole encode on one. VMAF needs `workers/transcoder/tools.sh --vmaf`. Prints tables and writes
//! `target/bench/transcode.json`. VIDEOCLOUD_BENCH_SECONDS sets the length of the clip (default 40, about ten minutes in all).
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, reason = "the modules of one program")]

mod beside;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use beside::{Beside, Way};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use videocloud_protocol::ids::RenditionKey;
use videocloud_protocol::rendition::{Frame, RenditionSettings};
use videocloud_protocol::task::{Chunking, RenditionOrder};
use videocloud_transcoder::encode::Driver;
use videocloud_transcoder::plan::Plan;
use videocloud_transcoder::probe::Container;
use videocloud_transcoder::run::{self, Options, Report, cpu_millis};
use videocloud_transcoder::tools::Tools;
use videocloud_transcoder::{ingest, profile};

const CHUNK_SECONDS: u32 = 20;
/// Rounds of whole and chunked in turns, of which the least counts: one encode differs by a tenth and more between rounds.
const ROUNDS: usize = 3;
/// Seconds of 1080p that are encoded to see how much memory a chunk pod takes: many more than any encoder looks ahead.
const MEMORY_SECONDS: u32 = 8;

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

/// 480p, 360p and 240p.
fn ladder() -> Vec<RenditionSettings> {
    let builtin = |name: &str| profile::builtin(name).unwrap().remove(0);
    let small = builtin("360p");
    let frame = Frame { width: 426, height: 240 };
    vec![builtin("480p"), builtin("360p"), RenditionSettings { name: "240p".to_owned(), frame, ..small }]
}

impl Bench {
    fn new(seconds: u32) -> Self {
        let tools = Tools::find(None, None, None).expect("run workers/transcoder/tools.sh");
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source.mp4");
        let bench = Self { tools, folder, source };
        bench.clip(&bench.source, "1280x720", seconds);
        bench
    }

    /// Makes a clip with open groups of pictures, as films have them.
    fn clip(&self, to: &Path, size: &str, seconds: u32) {
        // Sharp edges, counters and a slow zoom: no scene is free, none is the worst there is.
        let picture = format!(
            "testsrc2=s={size}:r=30000/1001[a];mandelbrot=s=640x720:r=30000/1001:maxiter=800[b];\
             [a][b]overlay=x=640:shortest=1,format=yuv420p"
        );
        let status = Command::new(&self.tools.ffmpeg)
            .args(["-v", "error", "-nostdin", "-y", "-filter_complex", &picture])
            .args(["-f", "lavfi", "-i", "sine=f=440:r=48000", "-t", &seconds.to_string()])
            .args(["-c:v", "libx264", "-preset", "veryfast", "-crf", "12", "-bf", "3"])
            .args(["-x264-params", "open-gop=1:keyint=120:scenecut=0", "-c:a", "aac"])
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

    /// One run of `source` on the given processors.
    fn run(
        &self,
        source: &Path,
        name: &str,
        settings: &[RenditionSettings],
        chunk_seconds: u32,
        processors: &[usize],
    ) -> Measured {
        pin(processors);
        // Its threads are started after the affinity was set, so they and their children share it.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let out = self.folder.path().join(name);
        let chunking = Chunking { seconds: chunk_seconds, min_cpu_seconds: 0 };
        let (input, settings, workers) = (source.to_path_buf(), settings.to_vec(), processors.len());
        let options = Options { input, settings, out: out.clone(), workers, chunking };
        let driver = self.driver();
        let (before, started) = (cpu_millis(), Instant::now());
        let report = runtime.block_on(run::run(&driver, &options)).unwrap();
        let wall = started.elapsed().as_secs_f64();
        let cpu = (cpu_millis() - before) as f64 / 1000.0;
        eprintln!("{name}: {cpu:.1} CPU-s, {wall:.1} s, {} chunks", report.chunks.len());
        Measured { report, cpu, wall, out }
    }

    /// One round of a way that is held against others.
    fn round(&self, name: &str, ladder: &[RenditionSettings], chunk_seconds: u32, processors: &[usize]) -> Measured {
        // What is there from the round before would be taken over.
        let _ = std::fs::remove_dir_all(self.folder.path().join(name));
        self.run(&self.source, name, ladder, chunk_seconds, processors)
    }

    /// Bytes that the chunk pods of a cluster would read, as a share of the source.
    fn bytes_read(&self, chunk_seconds: u32) -> f64 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let driver = self.driver();
            let scratch = self.folder.path();
            let ingested = ingest::ingest(&driver, &self.source, scratch).await.unwrap();
            let packets = ingest::packets(&driver, &ingested, scratch).await.unwrap();
            let settings = ladder().remove(0);
            let orders = [RenditionOrder { key: RenditionKey::from_bytes([0; 32]), settings }];
            let chunking = Chunking { seconds: chunk_seconds, min_cpu_seconds: 0 };
            let mut plan = Plan::make(ingested.facts.clone(), Container::Mov, &packets, &orders, chunking).unwrap();
            plan.locate(&packets, &ingested.heads().await.unwrap().unwrap());
            let read: u64 =
                plan.chunks.iter().flat_map(|chunk| &chunk.reads).map(|range| range.end - range.start).sum();
            read as f64 / std::fs::metadata(&self.source).unwrap().len() as f64
        })
    }

    /// VMAF of every frame of a rendition against the source in its size; `None` without a build that has it.
    fn vmaf(&self, rendition: &Path, size: (u32, u32)) -> Option<Vec<f64>> {
        let ffmpeg = self.tools.vmaf.clone()?;
        let log = self.folder.path().join("vmaf.json");
        let (width, height) = size;
        let graph = format!(
            "[0:v]settb=AVTB,setpts=N/TB/30[a];[1:v]scale={width}:{height}:flags=bicubic,settb=AVTB,setpts=N/TB/30[b];\
             [a][b]libvmaf=n_threads=2:log_fmt=json:log_path={}",
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

/// Has this process, and what it starts, run on these processors only.
fn pin(processors: &[usize]) {
    let mut set = CpuSet::new();
    processors.iter().for_each(|processor| set.set(*processor).unwrap());
    sched_setaffinity(Pid::from_raw(0), &set).expect("this needs two processors");
}

/// Of two rounds, the least CPU and the least time of each way: whatever else the machine did can only add to them.
fn least(one: [Measured; 3], two: [Measured; 3]) -> [Measured; 3] {
    let mut two = two.into_iter();
    one.map(|one| match two.next() {
        Some(two) => Measured { cpu: one.cpu.min(two.cpu), wall: one.wall.min(two.wall), ..two },
        None => one,
    })
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
    let seconds = std::env::var("VIDEOCLOUD_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let bench = Bench::new(seconds);
    let (ladder, source) = (ladder(), bench.source.as_path());
    // Two encoders side by side get in each other's way whether they are chunks or not: CPU is that of one after the other.
    let ways = [("whole", 0, &[0][..]), ("chunked-alone", CHUNK_SECONDS, &[0]), ("chunked", CHUNK_SECONDS, &[0, 1])];
    let round = |_| ways.map(|(name, seconds, processors)| bench.round(name, &ladder, seconds, processors));
    let [whole, alone, chunked] = (0..ROUNDS).map(round).reduce(least).unwrap();
    let separate = |one: &RenditionSettings| {
        bench.run(source, &format!("separate-{}", one.name), std::slice::from_ref(one), 0, &[0]).cpu
    };
    let separate: f64 = ladder.iter().map(separate).sum();

    pin(&[0, 1]);
    let (ffmpeg, ffprobe, folder) = (&bench.tools.ffmpeg, &bench.tools.ffprobe, bench.folder.path());
    let frames = beside::count(ffprobe, source);
    let others = Beside { ffmpeg, ffprobe, source, folder, ladder: &ladder, frames };
    let made = chunked.out.join(format!("{}.mp4", ladder[0].name));
    let lost = frames - beside::count(ffprobe, &made);
    let ours = Way { name: "videocloud, chunks on two workers", wall: chunked.wall, cpu: chunked.cpu, lost };
    let ways = [ours, others.segments(CHUNK_SECONDS), others.whole_files()];

    // Last: the largest child so far is told, and none before is as large as one with this ladder.
    let large = folder.join("large.mp4");
    bench.clip(&large, "1920x1080", MEMORY_SECONDS);
    let of_1080p = bench.run(&large, "1080p", &profile::builtin("ladder").unwrap(), 0, &[0, 1]).report.peak_child_bytes;

    let percent = |ratio: f64| (ratio * 1000.0).round() / 10.0;
    let way =
        |way: &Way| json!({"way": way.name, "wallSeconds": way.wall, "cpuSeconds": way.cpu, "framesLost": way.lost});
    let mut figures = json!({
        "clipSeconds": seconds,
        "frames": frames,
        "chunkSeconds": CHUNK_SECONDS,
        "ladder": ladder.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        "chunks": chunked.report.chunks.len(),
        "wholeCpuSeconds": whole.cpu,
        "wholeWallSeconds": whole.wall,
        "chunkedCpuSeconds": alone.cpu,
        "chunkedCpuSecondsOnTwoWorkers": chunked.cpu,
        "chunkedWallSecondsOnTwoWorkers": chunked.wall,
        "separateCpuSeconds": separate,
        "chunkingCpuOverheadPercent": percent(alone.cpu / whole.cpu - 1.0),
        "wallOnTwoWorkersOfWholePercent": percent(chunked.wall / whole.wall),
        "oneProcessSavesCpuPercent": percent(1.0 - whole.cpu / separate),
        "bytesReadOfSourcePercent": percent(bench.bytes_read(CHUNK_SECONDS)),
        "peakChildBytes": whole.report.peak_child_bytes,
        "peakChildBytesOf1080pLadder": of_1080p,
        "beside": ways.iter().map(way).collect::<Vec<_>>(),
    });
    let first = &whole.report.renditions[0];
    let size = (first.width.unwrap(), first.height.unwrap());
    let file = |measured: &Measured| measured.out.join(format!("{}.mp4", first.name));
    if let Some((of_whole, of_chunked)) = bench.vmaf(&file(&whole), size).zip(bench.vmaf(&file(&chunked), size)) {
        figures["vmafWhole"] = json!(mean(&of_whole));
        figures["vmafChunked"] = json!(mean(&of_chunked));
        figures["vmafWorstBorderLoss"] = json!(worst_border(&of_whole, &of_chunked, &chunked.report));
    } else {
        eprintln!("no VMAF: run workers/transcoder/tools.sh --vmaf");
    }
    table(&figures);
    let text = serde_json::to_string_pretty(&figures).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("transcode.json"), text).unwrap();
}

/// The two tables of docs/transcoding.md.
fn table(figures: &Value) {
    let number = |name: &str| figures[name].as_f64().unwrap_or(f64::NAN);
    let mebibytes = |name: &str| number(name) / f64::from(1 << 20);
    println!("| what | measured | goal |\n|---|---|---|");
    println!("| CPU, one chunk, all renditions in one process | {:.1} CPU-s | |", number("wholeCpuSeconds"));
    println!(
        "| CPU, {} chunks of {CHUNK_SECONDS} s, one after the other | {:.1} CPU-s ({:+.1} %) | at most +3 % |",
        figures["chunks"],
        number("chunkedCpuSeconds"),
        number("chunkingCpuOverheadPercent")
    );
    println!("| wall time on two workers | {:.1} % of one | at most 55 % |", number("wallOnTwoWorkersOfWholePercent"));
    println!(
        "| CPU, each rendition in a process of its own | {:.1} CPU-s; one process saves {:.1} % | at least 20 % |",
        number("separateCpuSeconds"),
        number("oneProcessSavesCpuPercent")
    );
    println!(
        "| VMAF of 480p, whole and in chunks | {:.2} and {:.2} | within 0.1 |",
        number("vmafWhole"),
        number("vmafChunked")
    );
    println!("| worst frame within two of a border | -{:.2} | within 1.0 |", number("vmafWorstBorderLoss"));
    println!(
        "| bytes of the source that chunk pods read | {:.1} % | at most 115 % |",
        number("bytesReadOfSourcePercent")
    );
    println!("| largest memory of one ffmpeg, this ladder | {:.0} MiB | |", mebibytes("peakChildBytes"));
    println!(
        "| the same, 1080p, 720p, 480p and 360p | {:.0} MiB | fits the default request |\n",
        mebibytes("peakChildBytesOf1080pLadder")
    );
    println!("| way | time | CPU | frames lost |\n|---|--:|--:|--:|");
    for way in figures["beside"].as_array().into_iter().flatten() {
        let of = |name: &str| way[name].as_f64().unwrap_or(f64::NAN);
        let name = way["way"].as_str().unwrap_or_default();
        println!("| {name} | {:.1} s | {:.1} CPU-s | {} |", of("wallSeconds"), of("cpuSeconds"), way["framesLost"]);
    }
}
