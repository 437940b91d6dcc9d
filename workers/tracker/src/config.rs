//! Flags and environment of `videocloud-tracker`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, ValueEnum};
use ipnet::IpNet;
use url::Url;

use crate::{database::DatabaseLocation, swarms::SwarmSettings};

/// Form of the log on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

const EXIT_CODES: &str = "\
Environment:
  RUST_LOG   what to log, for example info or videocloud_tracker=debug,info (default: info)

Exit codes:
  0  told to stop (SIGTERM or SIGINT) and stopped cleanly
  1  could not start: the database, a key file or the address; the message says which. With --check: an address did not answer
  2  wrong usage";

/// The meeting point of operator, workers, uploaders and BitTorrent peers: content index, claims, task progress and results,
/// publications, tables of rates, and announces over HTTP (/announce), UDP and WebSocket, kept in SQLite or PostgreSQL.
///
/// As a BitTorrent tracker alone: videocloud-tracker --http ADDR --udp ADDR --open
#[derive(Debug, Parser)]
#[command(name = "videocloud-tracker", version, after_help = EXIT_CODES)]
pub struct Config {
    /// Address to serve HTTP on (API, /announce, /scrape, /metrics, /healthz, /readyz).
    #[arg(long, env = "VIDEOCLOUD_TRACKER_HTTP", default_value = "127.0.0.1:7080", value_name = "ADDR")]
    pub http: SocketAddr,
    /// Database: sqlite://FILE (made if absent) or postgres://USER:PASSWORD@HOST/DATABASE.
    #[arg(
        long,
        env = "VIDEOCLOUD_TRACKER_DATABASE",
        default_value = "sqlite://videocloud-tracker.db",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database: DatabaseLocation,
    /// File with the key that operator and task tokens are signed with, at least 16 bytes.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// File with the token that uploaders show, at least 16 bytes. Without it uploaders are refused.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_UPLOADER_TOKEN_FILE", value_name = "FILE")]
    pub uploader_token_file: Option<PathBuf>,
    /// Serve everybody everything. Only for trying things out on a machine of your own.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_INSECURE_NO_AUTH", conflicts_with = "key_file")]
    pub insecure_no_auth: bool,
    /// How long a link is trusted to lead where it last led, for example 90s, 30m or 1h; 0 asks it every time.
    #[arg(
        long,
        env = "VIDEOCLOUD_TRACKER_REVALIDATE_AFTER",
        default_value = "1h",
        value_parser = duration,
        value_name = "DURATION"
    )]
    pub revalidate_after: Duration,
    /// What all uploaders together may send; without it, what each can.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_EGRESS_CAPACITY", value_name = "BYTES_PER_SECOND")]
    pub egress_capacity: Option<u64>,
    /// The BitTorrent tracker.
    #[command(flatten)]
    pub bittorrent: BitTorrent,
    /// Do not serve: ask this address once (given several times: each), and end with 0 when all answer 2xx.
    #[arg(long, value_name = "URL")]
    pub check: Vec<Url>,
    /// Form of the log on standard error.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
}

/// Flags of the BitTorrent tracker.
#[derive(Debug, Args)]
#[command(next_help_heading = "BitTorrent")]
pub struct BitTorrent {
    /// Address to serve UDP announces on, for example 0.0.0.0:7080 or [::]:7080 (both families); may be given several times.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_UDP", value_delimiter = ',', value_name = "ADDR")]
    pub udp: Vec<SocketAddr>,
    /// Threads per UDP address.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_UDP_THREADS", default_value_t = 1, value_name = "COUNT",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub udp_threads: u16,
    /// Take announces for any torrent, not only those of the index. Without --key-file the API is then closed.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_OPEN")]
    pub open: bool,
    /// How peers reach this tracker, for the torrents of its contents, for example http://tracker.example:7080 or
    /// udp://tracker.example:7080; may be given several times.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_ANNOUNCE_BASE", value_delimiter = ',', value_name = "URL")]
    pub announce_base: Vec<Url>,
    /// Time between announces of a peer; never longer than --sample-interval, longer under load.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_ANNOUNCE_INTERVAL", default_value = "5m", value_parser = duration, value_name = "DURATION")]
    pub announce_interval: Duration,
    /// Length of an interval of samples: that of the bandwidth pools.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_SAMPLE_INTERVAL", default_value = "5m", value_parser = duration, value_name = "DURATION")]
    pub sample_interval: Duration,
    /// Most one peer is believed to download or upload.
    #[arg(
        long,
        env = "VIDEOCLOUD_TRACKER_MAX_PEER_RATE",
        default_value_t = 125_000_000,
        value_name = "BYTES_PER_SECOND"
    )]
    pub max_peer_rate: u64,
    /// Most peers of one /24 (IPv4) or /48 (IPv6) that are kept and counted in a swarm.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_MAX_PER_NETWORK", default_value_t = 64, value_name = "COUNT")]
    pub max_per_network: u32,
    /// Announces per second above which peers are told to come less often; 0 for never.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_COMFORTABLE_LOAD", default_value_t = 50_000, value_name = "COUNT")]
    pub comfortable_load: u32,
    /// Announces one address may make in 10 s, its network sixteen times as many; 0 for any number.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_ANNOUNCES_PER_ADDRESS", default_value_t = 500, value_name = "COUNT")]
    pub announces_per_address: u32,
    /// Peers to try per second whether they can be reached: those that cannot are named to nobody and count as no seeders; 0 for none.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_PROBE_PEERS", default_value_t = 0, value_name = "COUNT")]
    pub probe_peers: u32,
    /// Networks in which peers are tried although their addresses are not of the internet, for example 10.0.0.0/8; may be given several
    /// times.
    #[arg(long, env = "VIDEOCLOUD_TRACKER_PROBE_NETWORK", value_delimiter = ',', value_name = "NETWORK")]
    pub probe_network: Vec<IpNet>,
}

impl BitTorrent {
    /// How swarms are kept.
    #[must_use]
    pub fn swarms(&self) -> SwarmSettings {
        SwarmSettings {
            open: self.open,
            announce_interval: self.announce_interval,
            sample_interval: self.sample_interval,
            max_peer_rate: self.max_peer_rate,
            max_per_network: self.max_per_network,
            comfortable_load: self.comfortable_load,
            announces_per_address: self.announces_per_address,
        }
    }
}

/// Reads a whole number with a unit: `s`, `m`, `h` or `d`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(format!("unknown unit {unit:?}; use s, m, h or d")),
    };
    let number: u64 = number.parse().map_err(|_| "expected a whole number and a unit, for example 30m".to_owned())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "too long".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_consistent_and_durations_are_read() {
        Config::command().debug_assert();
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for bad in ["", "h", "-1s", "1w", "99999999999999999999s", "18446744073709551615d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
