//! Announces over UDP (BEP 15).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use url::Url;
use videocloud_protocol::failure::reason;

use super::{Announce, Answer, Moment, PORT, WANTED, name};
use crate::source::SourceError;
use crate::source::bittorrent::Network;
use crate::source::bittorrent::extension::{compact_v4, compact_v6};

const MAGIC: u64 = 0x0417_2710_1980;
/// Waits for an answer, one after another.
const TRIES: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const ERROR: u32 = 3;

pub(super) async fn announce(tracker: &Url, announce: &Announce, network: &Network) -> Result<Answer, SourceError> {
    let failed = |why: &str| {
        let message = format!("failed to announce to {}: {why}", name(tracker));
        SourceError::transient(reason::UNREACHABLE, message)
    };
    let host = tracker.host().ok_or_else(|| failed("it has no host"))?;
    // URLs of this scheme are no special ones: addresses in them are still texts.
    let host = match host {
        url::Host::Domain(text) => url::Host::parse(text).map_err(|_| failed("its host is no name"))?,
        host => host.to_owned(),
    };
    let host = match &host {
        url::Host::Domain(text) => url::Host::Domain(&**text),
        url::Host::Ipv4(v4) => url::Host::Ipv4(*v4),
        url::Host::Ipv6(v6) => url::Host::Ipv6(*v6),
    };
    let resolver = network.route.direct().ok_or_else(|| {
        let message =
            format!("failed to announce to {}: trackers over UDP are not asked through a proxy", name(tracker));
        SourceError::gone(reason::UNSUPPORTED_SOURCE, message)
    })?;
    let addresses = resolver.addresses(host, tracker.port().unwrap_or(80)).await?;
    let mut last = failed("no answer in time");
    for address in addresses.into_iter().take(2) {
        match exchange(address, announce).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(refusal)) => last = failed(&refusal),
            Err(error) => last = failed(&error.to_string()),
        }
    }
    Err(last)
}

async fn exchange(address: SocketAddr, announce: &Announce) -> std::io::Result<Result<Answer, String>> {
    let socket = match address {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?,
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await?,
    };
    socket.connect(address).await?;
    for wait in TRIES {
        let id: u32 = rand::random();
        let hello = [&MAGIC.to_be_bytes()[..], &CONNECT.to_be_bytes(), &id.to_be_bytes()].concat();
        let Some(answer) = ask(&socket, &hello, id, wait).await? else { continue };
        let connection = match connected(&answer) {
            Ok(connection) => connection,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let id: u32 = rand::random();
        let Some(answer) = ask(&socket, &request(connection, id, announce), id, wait).await? else { continue };
        return Ok(announced(&answer, address.is_ipv6())
            .map(|said| Answer { interval: said.interval.into(), peers: said.peers }));
    }
    Ok(Err("no answer in time".into()))
}

/// Sends, and waits for the answer to `id`.
async fn ask(socket: &UdpSocket, request: &[u8], id: u32, wait: Duration) -> std::io::Result<Option<Vec<u8>>> {
    socket.send(request).await?;
    let answer = async {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let length = socket.recv(&mut buffer).await?;
            if length >= 8 && buffer[4..8] == id.to_be_bytes() {
                buffer.truncate(length);
                return Ok(buffer);
            }
        }
    };
    tokio::time::timeout(wait, answer).await.ok().transpose()
}

fn request(connection: u64, id: u32, announce: &Announce) -> Vec<u8> {
    let moment: u32 = match announce.moment {
        Moment::Regular => 0,
        Moment::Started => 2,
        Moment::Stopped => 3,
    };
    let mut bytes = connection.to_be_bytes().to_vec();
    bytes.extend([ANNOUNCE.to_be_bytes(), id.to_be_bytes()].concat());
    bytes.extend(announce.swarm.0);
    bytes.extend(announce.peer);
    bytes.extend([0, announce.left, announce.uploaded].map(u64::to_be_bytes).concat());
    bytes.extend([moment, 0, announce.key, WANTED].map(u32::to_be_bytes).concat());
    bytes.extend(PORT.to_be_bytes());
    bytes
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

fn connected(answer: &[u8]) -> Result<u64, String> {
    match word(answer, 0) {
        Some(CONNECT) => answer.get(8..).and_then(|rest| rest.first_chunk()).map(|id| u64::from_be_bytes(*id)),
        Some(ERROR) => return Err(refusal(answer)),
        _ => None,
    }
    .ok_or_else(|| "its answer is no answer".into())
}

/// An answer to an announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Seconds until the next one.
    pub interval: u32,
    /// Peers.
    pub peers: Vec<SocketAddr>,
}

/// Reads an answer to an announce; peers have IPv6 addresses when the tracker was asked over IPv6.
///
/// # Errors
/// What the tracker says against it, or that it is no answer.
pub fn announced(answer: &[u8], ipv6: bool) -> Result<Announced, String> {
    match word(answer, 0) {
        Some(ANNOUNCE) => {}
        Some(ERROR) => return Err(refusal(answer)),
        _ => return Err("its answer is no answer".into()),
    }
    let peers = answer.get(20..).ok_or("its answer is too short")?;
    let interval = word(answer, 8).unwrap_or_default();
    let peers = if ipv6 { compact_v6(peers).collect() } else { compact_v4(peers).collect() };
    Ok(Announced { interval, peers })
}

fn refusal(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer.get(8..).unwrap_or_default()).into_owned();
    format!("it says {:?}", text.chars().filter(|c| !c.is_control()).take(200).collect::<String>())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers() {
        let head = [ANNOUNCE, 7, 900, 1, 2].map(u32::to_be_bytes).concat();
        let v4 = [&head[..], &[1, 2, 3, 4, 0, 80]].concat();
        let said = announced(&v4, false).map(|said| (said.interval, said.peers));
        assert_eq!(said, Ok((900, vec![SocketAddr::from(([1, 2, 3, 4], 80))])));
        assert_eq!(announced(&v4, true).map(|said| said.peers), Ok(vec![]));
        assert!(announced(&head[..19], false).is_err());
        let refused = [&ERROR.to_be_bytes()[..], &[0; 4], b"go\naway"].concat();
        assert_eq!(announced(&refused, false), Err("it says \"goaway\"".into()));
        assert_eq!(connected(&[0; 15]), Err("its answer is no answer".into()));
        assert_eq!(connected(&[0; 16]), Ok(0));
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100), ipv6: bool) {
            let _ = (announced(&bytes, ipv6), connected(&bytes));
        }
    }
}
