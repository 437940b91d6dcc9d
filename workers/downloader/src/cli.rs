//! Flags and environment.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};
use ipnet::IpNet;
use url::Url;
use videocloud_downloader::source::Proxy;
use videocloud_protocol::digest::Digest;
use videocloud_protocol::link::Link;
use videocloud_store::StoreUrl;

use crate::torrents::TorrentArgs;

const EXIT_CODES: &str = "Exit codes:
  0    done: verified bytes are in place
  1    failed in an unforeseen way
  2    wrong usage
  20   the bytes are wrong: digest, size, empty, no media
  21   bad order: it cannot be carried out
  22   no source is left that could give the bytes
  23   stalled: no new byte for --progress-deadline seconds
  30   a fault that another try may not meet
  31   scratch space ran out
  32   the store or the disk is full
  143  told to stop (SIGTERM, SIGINT); what was fetched is kept and the next run goes on from there
After any exit but 0 there is no file at the output path.";

/// Downloads one content from all its links at once, verifies it, and puts it in place.
///
/// Give links with --source and a place with --output or --store. In a cluster the order comes from VIDEOCLOUD_TASK instead.
#[derive(Debug, Parser)]
#[command(name = "videocloud-downloader", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// A link: http, https, ftp, ftps, magnet or ed2k, also to a torrent or Metalink; repeat it for mirrors of the same content.
    #[arg(long, short, value_name = "URL", conflicts_with = "task")]
    pub(crate) source: Vec<Link>,
    /// More links, as for --source.
    #[arg(value_name = "URL", conflicts_with = "task")]
    pub(crate) urls: Vec<Link>,
    /// A Metalink file; links to Metalinks go with --source.
    #[arg(long, short = 'M', value_name = "FILE", conflicts_with = "task")]
    pub(crate) metalink: Vec<PathBuf>,
    /// The file to take of a Metalink or torrent that has several.
    #[arg(long, value_name = "NAME")]
    pub(crate) select: Option<String>,
    /// Where to put the file.
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["store", "task"])]
    pub(crate) output: Option<PathBuf>,
    /// Where the store is: a folder, file:///path or s3://bucket/prefix?endpoint=URL&region=NAME.
    #[arg(long, env = "VIDEOCLOUD_STORE", value_name = "URL")]
    pub(crate) store: Option<StoreUrl>,
    /// What the bytes must hash to: sha256:HEX, sha1:HEX, md5:HEX or blake3:HEX.
    #[arg(long, value_name = "DIGEST")]
    pub(crate) digest: Option<Digest>,
    /// Which digests are computed with --output: those that prove the content, or all that an index would want.
    #[arg(long, value_enum, default_value_t = Digests::Needed)]
    pub(crate) digests: Digests,
    /// The size the content must have, bytes.
    #[arg(long, value_name = "BYTES")]
    pub(crate) size: Option<u64>,
    /// A network (CIDR) links may lead to although its addresses are private; may be repeated.
    #[arg(long, value_name = "CIDR", env = "VIDEOCLOUD_ALLOW_NETWORKS", value_delimiter = ',', value_parser = network)]
    pub(crate) allow_network: Vec<Option<IpNet>>,
    /// Connections to one host.
    #[arg(long, short = 'x', visible_alias = "max-host-connections", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) connections: u32,
    /// Bytes per second in all; K, M and G may follow the number.
    #[arg(long, value_name = "RATE", visible_aliases = ["max-rate", "max-download-limit"], value_parser = rate)]
    pub(crate) limit_rate: Option<u64>,
    /// Bytes per second of one host, as --limit-rate.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) max_host_rate: Option<u64>,
    /// Requests per second to one host.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_host_requests: Option<u32>,
    /// A header to send, `Name: value`; may be repeated.
    #[arg(long, short = 'H', value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// A proxy for all sources, peers and trackers: http://[USER:PASSWORD@]HOST:PORT or socks5://[USER:PASSWORD@]HOST:PORT.
    #[arg(long, value_name = "URL", env = "VIDEOCLOUD_PROXY", hide_env_values = true, conflicts_with = "task")]
    pub(crate) proxy: Option<Proxy>,
    /// User name and password for the servers of the sources, as in curl.
    #[arg(long, short, value_name = "USER:PASSWORD", env = "VIDEOCLOUD_USER", hide_env_values = true)]
    pub(crate) user: Option<String>,
    /// A cookie to send, `NAME=VALUE`, as in curl.
    #[arg(long, short = 'b', value_name = "COOKIE")]
    pub(crate) cookie: Option<String>,
    /// More certificate authorities to trust, PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Largest content, bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 40)]
    pub(crate) max_size: u64,
    /// Seconds without one new byte before giving up.
    #[arg(long, value_name = "SECONDS", default_value_t = 24 * 3600)]
    pub(crate) progress_deadline: u64,
    /// Seconds to keep asking when no source answers at all.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) give_up_after: u64,
    /// Without a digest or piece hashes: follow one link only, and do not compare it with the others.
    #[arg(long)]
    pub(crate) no_agreement: bool,
    /// Which bytes come first where links have only parts: those that few others can give, or those that are played first.
    #[arg(long, value_enum, default_value_t = Order::Rarest)]
    pub(crate) order: Order,
    /// Take only video and audio; pages, playlists and archives are refused.
    #[arg(long)]
    pub(crate) media_only: bool,
    /// Write progress and result as JSON, one object a line, to standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress display.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// How logs are written to stderr; what is logged is set by RUST_LOG.
    #[arg(long, env = "VIDEOCLOUD_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    #[command(flatten)]
    pub(crate) torrents: TorrentArgs,
    #[command(flatten)]
    pub(crate) worker: WorkerArgs,
}

/// Which digests of a file are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Digests {
    /// SHA-256 and the one of --digest.
    Needed,
    /// SHA-256, SHA-1, MD5, BLAKE3, ed2k and the 3-chunk hash. A store always has all.
    All,
}

/// Which bytes come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// Those with the least bandwidth behind them; where every link has everything, from the first to the last.
    Rarest,
    /// From the first to the last, but that the end, where many files have their index, comes before the middle.
    Playback,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object per line.
    Json,
}

/// How a worker in a cluster is told what to do.
#[derive(Debug, Args)]
#[command(next_help_heading = "Task mode")]
pub(crate) struct WorkerArgs {
    /// The order, as JSON.
    #[arg(long, env = "VIDEOCLOUD_TASK", hide_env_values = true)]
    pub(crate) task: Option<String>,
    /// What the tracker knows this worker by.
    #[arg(long, env = "VIDEOCLOUD_TASK_TOKEN", hide_env_values = true)]
    pub(crate) task_token: Option<String>,
    /// Where the tracker is.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_URL")]
    pub(crate) tracker_url: Option<Url>,
    /// A writable folder, for stores that are not on a file system.
    #[arg(long, env = "VIDEOCLOUD_SCRATCH")]
    pub(crate) scratch: Option<PathBuf>,
}

/// An empty text is no network: lists in the environment may be empty.
fn network(text: &str) -> Result<Option<IpNet>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
    parsed.map(Some).map_err(|_| format!("{text:?} is no network; write for example 10.0.0.0/8"))
}

/// Bytes per second as curl and aria2 write them: `500K`, `2M`, `1.5G`.
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is no rate; write for example 500K or 2M");
    let (number, factor) = match text.trim().char_indices().last() {
        Some((at, unit)) if unit.is_ascii_alphabetic() => {
            let factor = match unit.to_ascii_lowercase() {
                'k' => 1024.0,
                'm' => 1024.0 * 1024.0,
                'g' => 1024.0 * 1024.0 * 1024.0,
                _ => return Err(bad()),
            };
            (&text.trim()[..at], factor)
        }
        _ => (text.trim(), 1.0),
    };
    let number: f64 = number.parse().map_err(|_| bad())?;
    if !(number.is_finite() && number >= 0.0) {
        return Err(bad());
    }
    Ok((number * factor) as u64)
}
