//! Flags and environment of `videocloud-uploader`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
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
  /v/<namespace>/<name>/poster.jpg         poster     /v/<namespace>/<name>/thumbnails.vtt    sprite sheets' index
  /c/<content id>                          a public content

Environment beside the flags' own:
  RUST_LOG                                 what to log, for example info or videocloud_uploader=debug (default: info)
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY credentials of an s3:// store

Exit codes:
  0  told to stop (SIGTERM or SIGINT) and stopped cleanly
  1  could not start: the store, a file or an address; the message says which
  2  wrong usage";

/// The HTTP edge of a cluster: serves published videos and public contents from the store, each held to the rate the tracker
/// gives it.
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
    /// Rate of each content while the tracker gives none, bytes per second [default: the capacity].
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
    /// Form of the log on standard error.
    #[arg(long, env = "VIDEOCLOUD_UPLOADER_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
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
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "s", "-1s", "1h", "99999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
