//! VMAF of a stretch of frames: the source between two ticks against a finished piece or track between two of its own.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;
use videocloud_protocol::failure::{Failure, FailureClass, reason};

use crate::encode::{Args, Driver, LocalSource, shape, video};
use crate::plan::{Plan, Timing, ladder::RenditionPlan};
use crate::probe::{Access, access_args};

/// How long before a stretch its source is read from: any keyframe there precedes every frame that is compared, leading pictures
/// of open groups included.
const BEFORE: u32 = 2;
/// File of the scores, for each of the alignments.
const LOGS: [&str; 3] = ["vmaf-0.json", "vmaf-1.json", "vmaf-2.json"];

/// Frames from one tick to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Tick of the first.
    pub start: i64,
    /// Tick after the last.
    pub end: i64,
}

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// The plan of the run.
    pub plan: &'a Plan,
    /// The rendition whose frames are judged.
    pub rendition: &'a RenditionPlan,
    /// The source.
    pub source: &'a LocalSource,
    /// The stretch on the source's clock.
    pub of_source: Stretch,
    /// A file of the rendition.
    pub made: &'a Path,
    /// The same frames on that file's clock, which ticks as fast; all of it if there are no others in it.
    pub of_made: Option<Stretch>,
}

/// Scores of each frame, 0 to 100.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Each frame against the one it is of.
    pub aligned: Vec<f64>,
    /// Each against the one before it and the one after it; empty when that was not asked for.
    pub beside: [Vec<f64>; 2],
}

#[derive(Deserialize)]
struct Log {
    frames: Vec<Frame>,
}

#[derive(Deserialize)]
struct Frame {
    metrics: Metrics,
}

#[derive(Deserialize)]
struct Metrics {
    vmaf: f64,
}

/// Measures `comparison` in `folder`; with `beside` also against the neighbouring frames.
///
/// # Errors
/// The [`Failure`] of ffmpeg; `BadSpec` when there is none with libvmaf.
pub async fn measure(
    driver: &Driver,
    comparison: &Comparison<'_>,
    beside: bool,
    folder: &Path,
) -> Result<Scores, Failure> {
    let program = driver.tools.vmaf.as_deref().ok_or_else(|| {
        let why = "failed to measure quality: no ffmpeg with libvmaf; name it by --ffmpeg-vmaf, or run workers/transcoder/tools.sh --vmaf";
        Failure::new(FailureClass::BadSpec, reason::BAD_SPEC, why)
    })?;
    let args = args(driver, comparison, beside);
    let readable = [&comparison.source.path, comparison.made];
    driver.run_program(program, args, folder, &readable, "measure the quality", |_| {}).await?;
    let read = |name: &str| -> Result<Vec<f64>, Failure> {
        let unreadable = |why: String| {
            Failure::new(FailureClass::Transient, reason::INTERNAL, format!("failed to read {name}: {why}"))
        };
        let text = std::fs::read(folder.join(name)).map_err(|error| unreadable(error.to_string()))?;
        let log: Log = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        Ok(log.frames.into_iter().map(|frame| frame.metrics.vmaf).collect())
    };
    let beside = if beside { [read(LOGS[1])?, read(LOGS[2])?] } else { [Vec::new(), Vec::new()] };
    Ok(Scores { aligned: read(LOGS[0])?, beside })
}

fn args(driver: &Driver, comparison: &Comparison<'_>, beside: bool) -> Vec<OsString> {
    let Comparison { plan, source, of_source, made, of_made, .. } = comparison;
    let mut args = Args::default();
    let back = plan.clock.seconds(BEFORE);
    let origin = match plan.timing {
        Timing::Exact { start, .. } => start,
        Timing::Grid { .. } | Timing::SoundOnly => 0,
    };
    for (access, path, stretch, origin) in [
        (Access::Source(source.container), source.path.as_path(), Some(*of_source), origin),
        (Access::Own, *made, *of_made, 0),
    ] {
        args.set("-threads", driver.threads.to_string()).add(access_args(access)).add(["-copyts"]);
        if let Some(from) = stretch.map(|stretch| stretch.start - back).filter(|from| *from > origin) {
            args.add(["-noaccurate_seek", "-seek_timestamp", "1"]);
            args.set("-ss", video::seconds(plan.clock.micros_up(from)));
        }
        args.set("-i", path.as_os_str());
    }
    args.set("-filter_complex", graph(driver, comparison, beside));
    args.set("-f", "null").add(["-"]);
    args.0
}

fn graph(driver: &Driver, comparison: &Comparison<'_>, beside: bool) -> String {
    let Comparison { plan, rendition, of_source, of_made, .. } = comparison;
    let scale = plan.clock.timescale;
    let cut = |stretch: &Stretch| format!("settb=1/{scale},trim=start_pts={}:end_pts={}", stretch.start, stretch.end);
    let mut graph = String::new();
    if let (Some(facts), Some(picture)) = (&plan.facts.video, &rendition.picture) {
        let _ = write!(graph, "[0:{}]", facts.stream);
        if facts.interlaced {
            graph.push_str("bwdif=mode=send_frame:deint=interlaced,");
        }
        let _ = write!(graph, "{},", cut(of_source));
        if picture.keep_every > 1 {
            let _ = write!(graph, "select=not(mod(n\\,{})),", picture.keep_every);
        }
        graph.push_str(&shape::filters(facts, &rendition.settings, picture));
    }
    let copies = if beside { 3 } else { 1 };
    let labels = |letter: char| (0..copies).map(|n| format!("[{letter}{n}]")).collect::<String>();
    let _ = write!(graph, ",split={copies}{};", labels('s'));
    let _ = write!(
        graph,
        "[1:v:0]{}format=yuv420p,split={copies}{}",
        of_made.as_ref().map(|made| cut(made) + ",").unwrap_or_default(),
        labels('m')
    );
    // Counted, not timed: a frame is compared with the one of its number, or of the number before or after.
    for (n, (skip_source, skip_made)) in [(0, 0), (1, 0), (0, 1)].into_iter().take(copies).enumerate() {
        let count = |skip: u32| format!("trim=start_frame={skip},setpts=N,settb=1/25");
        let _ = write!(
            graph,
            ";[s{n}]{}[a{n}];[m{n}]{}[b{n}];[b{n}][a{n}]libvmaf=shortest=1:n_threads={}:log_fmt=json:log_path={}",
            count(skip_source),
            count(skip_made),
            driver.threads.clamp(1, 16),
            LOGS[n]
        );
    }
    graph
}
