//! Flags and environment.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use videocloud_protocol::rendition::RenditionSettings;
use videocloud_protocol::task::Chunking;
use videocloud_transcoder::run::Options;

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
/// `run` does it all on this machine.
#[derive(Debug, Parser)]
#[command(name = "videocloud-transcoder", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// ffmpeg; else <cache>/tools/ffmpeg, else the first on PATH.
    #[arg(long, env = "VIDEOCLOUD_FFMPEG", global = true)]
    pub(crate) ffmpeg: Option<PathBuf>,
    /// ffprobe; else <cache>/tools/ffprobe, else the first on PATH.
    #[arg(long, env = "VIDEOCLOUD_FFPROBE", global = true)]
    pub(crate) ffprobe: Option<PathBuf>,
    /// Decoder threads; else as many as this process may use. They do not change the output.
    #[arg(long, env = "VIDEOCLOUD_THREADS", global = true)]
    pub(crate) threads: Option<usize>,
    /// Longest time without a new frame, seconds.
    #[arg(long, env = "VIDEOCLOUD_STALL_SECONDS", default_value_t = 300, global = true)]
    pub(crate) stall_seconds: u64,
    /// How logs are written to stderr; what is logged is set by RUST_LOG.
    #[arg(long, env = "VIDEOCLOUD_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, global = true)]
    pub(crate) log_format: LogFormat,
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
