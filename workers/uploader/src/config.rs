//! Flags and environment of `videocloud-uploader`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, ValueEnum};
use url::Url;
use videocloud_store::StoreUrl;

/// Form of the log on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

const AFTER_HELP: &str = "\
Addresses it answers:
  /v/<namespace>/<name>/hls/master.m3u8    HLS        /v/<namespace>/<name>/file              the original
  /v/<namespace>/<name>/dash/manifest.mpd  DASH       /v/<namespace>/<name>/<rendition>.mp4   progressive
  /v/<namespace>/<name>/poster.jpg         poster     /c/<content id>                         a public content
  /v/<namespace>/<name>/file.torrent       torrent    /c/<content id>.torrent                 its torrent (.v2.torrent: BEP 52)
  /v/<namespace>/<name>/file.meta4         Metalink   /c/<content id>.meta4                   its Metalink
  /v/<namespace>/<name>/thumbnails.vtt     sprites    /ws/<info hash>/<file>                  web seed

Environment beside the flags' own:
  RUST_LOG                                 what to log, for example info or videocloud_uploader=debug (default: info)
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY credentials of an s3:// store

Exit codes:
  0  told to stop (SIGTERM or SIGINT) and stopped cleanly
  1  could not start: the store, a file or an address; the message says which
  2  wrong usage";

/// The HTTP edge and BitTorrent seeder of a cluster: serves published videos and public contents from the store, each held to the
/// rate that the tracker or a table gives it.
///
/// Alone: videocloud-uploader --store URL --tracker URL --http ADDR --bittorrent ADDR, beside videocloud-tracker --open
#[derive(Debug, Parser)]
#[command(name = "videocloud-uploader", version, after_help = AFTER_HELP)]
pub struct Config {
    /// The store: a folder, file:///path, or s3://bucket/prefix?endpoint=http://host:port&region=name.
    #[arg(long, env = "VIDEOCLOUD_STORE", value_name = "URL")]
    pub store: StoreUrl,
    /// Base URL of the tracker, which says what is published. Without it only /c/<content id> is served.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_URL", value_name = "URL")]
    pub tracker: Option<Url>,
    /// File with the token that the tracker knows uploaders by.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Address to serve viewers on, HTTP/1.1 and HTTP/2.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_HTTP", default_value = "127.0.0.1:7090", value_name = "ADDR")]
    pub http: SocketAddr,
    /// Another address to serve /metrics, /healthz and /readyz on [default: beside the videos].
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_METRICS", value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
    /// Name in reports to the tracker, one per replica: small letters, digits, dots and dashes [default: the host's name].
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_NAME", value_name = "NAME")]
    pub name: Option<String>,
    /// Public base URL at which clients reach it, for the tracker's information.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_ENDPOINT", value_name = "URL")]
    pub endpoint: Option<Url>,
    /// Most it sends of all contents together, bytes per second [default: no limit].
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_CAPACITY", value_name = "BYTES_PER_SECOND")]
    pub capacity: Option<u64>,
    /// A CSV file `content,bittorrent,http` of rates in bytes per second, read again when it changes; * stands for all other contents.
    /// The tracker's rates do not count then.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_TABLE", value_name = "FILE")]
    pub table: Option<PathBuf>,
    /// Rate of each content while neither the tracker nor a table gives one, bytes per second [default: the capacity].
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_OFFLINE_RATE", value_name = "BYTES_PER_SECOND")]
    pub offline_rate: Option<u64>,
    /// File with the key that signed links are checked with, at least 16 bytes. Without it nothing but public videos is served.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_SIGNING_KEY_FILE", value_name = "FILE")]
    pub signing_key_file: Option<PathBuf>,
    /// Connections at a time.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_MAX_CONNECTIONS", default_value_t = 20_000, value_name = "COUNT")]
    pub max_connections: usize,
    /// Connections at a time from one IPv4 address or IPv6 /64; 0 for no limit, as behind a proxy that hides addresses.
    #[arg(
        long,
        env = "VIDEOCLOUD_UPLOADER_MAX_CONNECTIONS_PER_ADDRESS",
        default_value_t = 1_000,
        value_name = "COUNT"
    )]
    pub max_connections_per_address: usize,
    /// Memory for bytes on their way to clients, MiB; near it, pieces get smaller.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_BUFFER_MIB", default_value_t = 256, value_name = "MIB")]
    pub buffer_mib: usize,
    /// Memory for blocks that are asked for again and again, MiB; 0 for no read cache.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_CACHE_MIB", default_value_t = 128, value_name = "MIB")]
    pub cache_mib: u64,
    /// Time between two reports to the tracker, for example 10s.
    #[arg(
        long,
        env = "VIDEOCLOUD_UPLOADER_REPORT_INTERVAL",
        default_value = "10s",
        value_parser = duration,
        value_name = "DURATION"
    )]
    pub report_interval: Duration,
    /// How long to go on accepting connections once told to stop, while /readyz already says no.
    #[arg(
        long,
        env = "VIDEOCLOUD_UPLOADER_DRAIN_DELAY",
        default_value = "3s",
        value_parser = duration,
        value_name = "DURATION"
    )]
    pub drain_delay: Duration,
    /// How long answers under way may take after that.
    #[arg(
        long,
        env = "VIDEOCLOUD_UPLOADER_DRAIN_TIMEOUT",
        default_value = "20s",
        value_parser = duration,
        value_name = "DURATION"
    )]
    pub drain_timeout: Duration,
    /// The seeder.
    #[command(flatten)]
    pub bittorrent: BitTorrent,
    /// Form of the log on standard error.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
}

/// Flags of the seeder.
#[derive(Debug, Args)]
#[command(next_help_heading = "BitTorrent")]
pub struct BitTorrent {
    /// Address to seed torrents on, for example 0.0.0.0:6881; without it nothing is seeded.
    #[arg(long = "bittorrent", env = "VIDEOCLOUD_UPLOADER_BITTORRENT", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Where peers reach it, at most 4 addresses with ports [default: the address of --bittorrent, if it is one of its own].
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_PEER_ENDPOINT", value_delimiter = ',', value_name = "ADDR")]
    pub peer_endpoint: Vec<SocketAddr>,
    /// Cluster in reports to the tracker.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_CLUSTER", default_value = "", value_name = "NAME")]
    pub cluster: String,
    /// Peers at a time.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_MAX_PEERS", default_value_t = 5_000, value_name = "COUNT")]
    pub max_peers: usize,
    /// Peers at a time from one IPv4 address or IPv6 /64; 0 for no limit.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_MAX_PEERS_PER_ADDRESS", default_value_t = 32, value_name = "COUNT")]
    pub max_peers_per_address: usize,
    /// Torrents that are made here may be shared beyond our trackers (no private flag). Those that a manifest names stay as they are.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_PUBLIC_TORRENTS")]
    pub public_torrents: bool,
    /// Tell every peer of everything at once, also where no other seed is.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_NO_SUPER_SEEDING")]
    pub no_super_seeding: bool,
}

impl BitTorrent {
    /// Where peers reach a seeder that listens at `listening`.
    #[must_use]
    pub fn endpoints(&self, listening: SocketAddr) -> Vec<SocketAddr> {
        match self.peer_endpoint.as_slice() {
            [] if listening.ip().is_unspecified() => Vec::new(),
            [] => vec![listening],
            given => given.iter().copied().take(4).collect(),
        }
    }
}

/// Reads a whole number with a unit: `ms`, `s` or `m`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u32 = number.parse().map_err(|_| "expected a whole number and a unit, for example 10s".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(u64::from(number))),
        "" | "s" => Ok(Duration::from_secs(u64::from(number))),
        "m" => Ok(Duration::from_secs(u64::from(number) * 60)),
        _ => Err(format!("unknown unit {unit:?}; use ms, s or m")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_consistent_and_durations_are_read() {
        Config::command().debug_assert();
        let seeder = |flags: &[&str]| {
            let config = Config::parse_from([&["uploader", "--store", "/s", "--bittorrent", "[::]:1"], flags].concat());
            config.bittorrent.endpoints(config.bittorrent.listen.unwrap_or(config.http))
        };
        assert!(seeder(&[]).is_empty());
        assert_eq!(seeder(&["--peer-endpoint", "192.0.2.1:1,[2001:db8::1]:1"]).len(), 2);
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "s", "-1s", "1h", "99999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
