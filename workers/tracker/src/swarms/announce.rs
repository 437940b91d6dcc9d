//! An announce as the swarms see it, whatever protocol it came by, and what they answer.

use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};

use videocloud_protocol::ids::InfoHash;

/// Most peers in one answer: what fits a UDP answer that is not fragmented (BEP 15: 20 bytes and 6 per peer).
pub const MAX_WANT: u32 = 200;
/// Peers given to who does not say how many.
pub const DEFAULT_WANT: u32 = 50;

/// Why a peer announces (BEP 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Event {
    /// It is time.
    #[default]
    Periodic,
    /// It begins.
    Started,
    /// It has come to have everything.
    Completed,
    /// It goes.
    Stopped,
}

/// Who announces: within one swarm, the same peer over whatever protocol and address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub [u8; 20]);

/// One announce.
#[derive(Debug, Clone, Copy)]
pub struct Announce {
    /// Which swarm.
    pub info_hash: InfoHash,
    /// Who.
    pub peer_id: PeerId,
    /// What only the peer knows (BEP 7); 0 for none.
    pub key: u32,
    /// Where the announce came from. What a peer claims as its address is not believed.
    pub address: IpAddr,
    /// Where it listens; 0 when it cannot be reached.
    pub port: u16,
    /// Bytes uploaded since it began.
    pub uploaded: u64,
    /// Bytes downloaded since it began.
    pub downloaded: u64,
    /// Bytes it lacks.
    pub left: u64,
    /// Why now.
    pub event: Event,
    /// Peers wanted, of each family.
    pub want: u32,
    /// Whether IPv4 peers are of use.
    pub want_v4: bool,
    /// Whether IPv6 peers are of use.
    pub want_v6: bool,
}

/// The numbers of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Peers that lack nothing, owners among the uploaders included.
    pub seeders: u32,
    /// Peers that lack something.
    pub leechers: u32,
}

/// Peers of an answer; reused from announce to announce.
#[derive(Debug, Default)]
pub struct Peers {
    /// IPv4.
    pub v4: Vec<SocketAddrV4>,
    /// IPv6.
    pub v6: Vec<SocketAddrV6>,
}

impl Peers {
    pub(super) fn clear(&mut self) {
        self.v4.clear();
        self.v6.clear();
    }
}

/// Numbers of a swarm for a scrape (BEP 48).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scraped {
    /// Peers that lack nothing.
    pub complete: u32,
    /// Completions since the tracker started.
    pub downloaded: u32,
    /// Peers that lack something.
    pub incomplete: u32,
}

/// Why an announce was refused: the failure reason the peer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.reason())]
pub enum Refused {
    /// Not a torrent of the index.
    Unknown,
    /// A torrent of a namespace, and the announce URL does not carry its secret.
    BadSecret,
    /// Another peer goes by the same id.
    WrongKey,
    /// Too many announces from this address or its network.
    TooMany,
}

impl Refused {
    /// What the peer is told.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unknown => "unregistered torrent",
            Self::BadSecret => "this torrent needs its own announce URL",
            Self::WrongKey => "peer id in use with another key",
            Self::TooMany => "too many announces, slow down",
        }
    }
}
