//! Flags and environment.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::rendition::RenditionSettings;
use videocloud_protocol::task::{Chunking, TranscodeTask, TranscodeWork};
use videocloud_protocol::tracker::Client;
use videocloud_store::{Store, StoreUrl};
use videocloud_transcoder::encode::Driver;
use videocloud_transcoder::run::Options;
use videocloud_transcoder::task::Context;

const EXIT_CODES: &str = "Exit codes:
  0    done
  2    wrong usage
  20   bad input: no media, past the limits, damaged
  21   bad order: profile or task cannot be carried out
  22   the source is gone
  23   stalled: no new frame for --stall-seconds
  30   a fault that another try may not meet
  31   memory or scratch space ran out
  32   the store is full
  143  told to stop (SIGTERM); what was finished is kept";

/// Transcodes one video into a set of renditions, in tick-exact chunks.
///
/// `run` does it all on this machine. `plan`, `chunk` and `finish` are the steps of a run in a store, on as many machines as there
/// are chunks; without a subcommand the step is the one VIDEOCLOUD_TASK names.
#[derive(Debug, Parser)]
#[command(name = "videocloud-transcoder", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// ffmpeg; else <cache>/tools/ffmpeg, else the first on PATH.
    #[arg(long, env = "VIDEOCLOUD_FFMPEG", global = true)]
    pub(crate) ffmpeg: Option<PathBuf>,
    /// ffprobe; else <cache>/tools/ffprobe, else the first on PATH.
    #[arg(long, env = "VIDEOCLOUD_FFPROBE", global = true)]
    pub(crate) ffprobe: Option<PathBuf>,
    /// An ffmpeg with libvmaf and dav1d, to measure quality and to decode AV1; else <cache>/tools/ffmpeg-vmaf, else the first on
    /// PATH, else none.
    #[arg(long, env = "VIDEOCLOUD_FFMPEG_VMAF", global = true)]
    pub(crate) ffmpeg_vmaf: Option<PathBuf>,
    /// Decoder threads; else as many as this process may use. They do not change the output.
    #[arg(long, env = "VIDEOCLOUD_THREADS", global = true)]
    pub(crate) threads: Option<usize>,
    /// Longest time without a new frame, seconds.
    #[arg(long, env = "VIDEOCLOUD_STALL_SECONDS", default_value_t = 300, global = true)]
    pub(crate) stall_seconds: u64,
    /// How logs are written to stderr; what is logged is set by RUST_LOG.
    #[arg(long, env = "VIDEOCLOUD_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, global = true)]
    pub(crate) log_format: LogFormat,
    #[command(flatten)]
    pub(crate) task: TaskArgs,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object per line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Transcode INPUT on this machine into a folder that any web server can serve.
    Run(RunArgs),
    /// First step: probe the source and cut it. A short one is encoded and finished on the spot.
    Plan,
    /// Second step: encode one chunk, number JOB_COMPLETION_INDEX.
    Chunk,
    /// Last step: sound, join, package, check, publish.
    Finish,
}

impl Command {
    /// The step, if it is one.
    pub(crate) fn work(self) -> Option<TranscodeWork> {
        match self {
            Self::Run(_) => None,
            Self::Plan => Some(TranscodeWork::Plan),
            Self::Chunk => Some(TranscodeWork::Chunk),
            Self::Finish => Some(TranscodeWork::Finish),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The source file.
    input: PathBuf,
    /// What to make, best first: 1080p, 720p, 480p, 360p, ladder (all four), mobile, mobile-1024x768, mobile-640x480,
    /// mobile-3gp, or a file with a TranscodeProfile. May be repeated or separated by commas.
    #[arg(long, short, default_value = "ladder", value_delimiter = ',')]
    pub(crate) profile: Vec<String>,
    /// The output folder.
    #[arg(long, short)]
    out: PathBuf,
    /// Chunks encoded at the same time.
    #[arg(long, short, default_value_t = 1)]
    workers: usize,
    /// Length of a chunk, rounded up to whole segments; 0 for one chunk. By default 60, and one chunk for less than 120 CPU seconds
    /// of work.
    #[arg(long)]
    chunk_seconds: Option<u32>,
}

impl RunArgs {
    /// The options of a run.
    pub(crate) fn options(&self, settings: Vec<RenditionSettings>) -> Options {
        let chunking = match self.chunk_seconds {
            Some(seconds) => Chunking { seconds, min_cpu_seconds: 0 },
            None => Chunking::default(),
        };
        Options { input: self.input.clone(), settings, out: self.out.clone(), workers: self.workers, chunking }
    }
}

/// A step that is ready to be done.
pub(crate) struct Order {
    pub(crate) context: Context,
    pub(crate) task: TranscodeTask,
    /// Which chunk, of a chunk step.
    pub(crate) index: u32,
    /// Removes the scratch folder when it is dropped.
    _scratch: tempfile::TempDir,
}

/// Where a step of a run works.
#[derive(Debug, Args)]
#[command(next_help_heading = "Task mode")]
pub(crate) struct TaskArgs {
    /// The order, as JSON.
    #[arg(long, env = "VIDEOCLOUD_TASK", hide_env_values = true, global = true)]
    task: Option<String>,
    /// Where the store is: a folder, file:///path or s3://bucket/prefix?endpoint=URL&region=NAME.
    #[arg(long, env = "VIDEOCLOUD_STORE", global = true)]
    store: Option<StoreUrl>,
    /// A writable folder; what a step leaves there is removed at its end.
    #[arg(long, env = "VIDEOCLOUD_SCRATCH", global = true)]
    scratch: Option<PathBuf>,
    /// Base URL of the tracker; without one, nothing is reported.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_URL", global = true)]
    tracker_url: Option<Url>,
    /// The task's token for the tracker.
    #[arg(long, env = "VIDEOCLOUD_TASK_TOKEN", hide_env_values = true, global = true)]
    task_token: Option<String>,
    /// Which chunk.
    #[arg(long, env = "JOB_COMPLETION_INDEX", default_value_t = 0, global = true)]
    chunk_index: u32,
}

impl TaskArgs {
    /// Reads the order and opens what it needs; `step` overrides the order's own.
    pub(crate) fn order(self, driver: Driver, step: Option<TranscodeWork>) -> Result<Order, Failure> {
        let bad = |why: String| Failure::new(FailureClass::BadSpec, reason::BAD_SPEC, why);
        let missing = |flag: &str| bad(format!("failed to start a step: --{flag} is missing; see --help"));
        let text = self.task.ok_or_else(|| missing("task"))?;
        let mut task: TranscodeTask =
            serde_json::from_str(&text).map_err(|error| bad(format!("failed to read the order: {error}")))?;
        task.work = step.unwrap_or(task.work);
        let scratch = self.scratch.unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::Builder::new().prefix("transcode-").tempdir_in(&scratch).map_err(|error| {
            let message = format!("failed to make a folder in {}: {error}", scratch.display());
            Failure::new(FailureClass::Resources, reason::SCRATCH_FULL, message)
        })?;
        let url = self.store.ok_or_else(|| missing("store"))?;
        let store = Store::open(&url, folder.path()).map_err(|error| bad(error.to_string()))?;
        let tracker = match (self.tracker_url, self.task_token) {
            (Some(url), token) => {
                Some(Client::new(url, token.unwrap_or_default()).map_err(|error| bad(error.to_string()))?)
            }
            (None, _) => None,
        };
        let context = Context { driver, store, scratch: folder.path().to_owned(), tracker };
        Ok(Order { context, task, index: self.chunk_index, _scratch: folder })
    }
}
