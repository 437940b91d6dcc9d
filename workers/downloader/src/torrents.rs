//! The command's switches for torrents, and torrent files given on the command line.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use videocloud_downloader::source::bittorrent::{Encryption, Named, Options};
use videocloud_protocol::failure::Failure;
use videocloud_protocol::link::Link;
use videocloud_protocol::torrent::{MAX_TORRENT_BYTES, Metainfo};

use crate::bad_spec;

/// How torrents are followed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Torrents")]
pub(crate) struct TorrentArgs {
    /// A torrent file; magnet links and links to torrent files go with --source.
    #[arg(long, short = 'T', value_name = "FILE", conflicts_with = "task")]
    pub(crate) torrent: Vec<PathBuf>,
    /// A peer to begin with; may be repeated.
    #[arg(long, value_name = "HOST:PORT", value_parser = endpoint)]
    peer: Vec<(String, u16)>,
    /// Do not ask the DHT for peers.
    #[arg(long)]
    no_dht: bool,
    /// A DHT node to begin with instead of the well-known ones; may be repeated.
    #[arg(long, value_name = "HOST:PORT", value_parser = endpoint)]
    dht_node: Vec<(String, u16)>,
    /// Bytes per second given to peers that are spoken to, while the download runs; K, M and G may follow the number, 0 gives nothing.
    /// Without it there is no limit.
    #[arg(long, value_name = "RATE", visible_alias = "max-upload-limit", value_parser = crate::cli::rate)]
    upload_limit: Option<u64>,
    /// Encryption of connections to peers.
    #[arg(long, value_enum, default_value_t = Encrypt::Fallback)]
    encryption: Encrypt,
}

/// Encryption of connections to peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Encrypt {
    /// Never.
    Off,
    /// Where plain text is not answered.
    Fallback,
    /// Plain text where encryption is not answered.
    Prefer,
    /// Always.
    Require,
}

impl TorrentArgs {
    /// Bytes per second given to peers; no limit is the largest number.
    pub(crate) fn upload_limit(&self) -> u64 {
        self.upload_limit.unwrap_or(u64::MAX)
    }

    /// As the library takes them.
    pub(crate) fn options(&self) -> Options {
        let standard = Options::default();
        let dht_nodes = if self.dht_node.is_empty() { standard.dht_nodes.clone() } else { self.dht_node.clone() };
        let encryption = match self.encryption {
            Encrypt::Off => Encryption::Off,
            Encrypt::Fallback => Encryption::Fallback,
            Encrypt::Prefer => Encryption::Prefer,
            Encrypt::Require => Encryption::Require,
        };
        let peers = self.peer.clone();
        Options { dht: !self.no_dht, dht_nodes, peers, encryption, ..standard }
    }

    /// The torrent files, each with a magnet link that stands for it.
    ///
    /// # Errors
    /// A file that cannot be read, or is no torrent.
    pub(crate) fn files(&self) -> Result<Vec<(Link, Named)>, Failure> {
        self.torrent.iter().map(|path| file(path)).collect()
    }
}

fn file(path: &Path) -> Result<(Link, Named), Failure> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| bad_spec(format!("failed to read {shown}: {error}"));
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_TORRENT_BYTES as u64 {
        return Err(bad_spec(format!("failed to read {shown}: larger than {MAX_TORRENT_BYTES} bytes")));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?.into();
    let torrent = Metainfo::parse(&bytes).map_err(|error| bad_spec(format!("{shown}: {error}")))?;
    let hashes = torrent.info.hashes();
    let v1 = hashes.v1().map(|hash| format!("xt=urn:btih:{hash}"));
    let v2 = hashes.v2().map(|hash| format!("xt=urn:btmh:1220{hash}"));
    let topics = v1.into_iter().chain(v2).collect::<Vec<_>>().join("&");
    let link = format!("magnet:?{topics}").parse().map_err(bad_spec)?;
    Ok((link, Named::File(Box::new(torrent))))
}

fn endpoint(text: &str) -> Result<(String, u16), String> {
    let (host, port) = text.rsplit_once(':').ok_or("no port in it")?;
    let port = port.parse().map_err(|_| "its port is no number up to 65535")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() { Err("no host in it".into()) } else { Ok((host.to_owned(), port)) }
}
