//! Announces over HTTP and HTTPS. The request goes the way of every download: addresses are checked after name resolution and at
//! each redirect.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use url::Url;
use videocloud_protocol::failure::reason;
use videocloud_protocol::torrent::bencode::{Dict, Value};

use super::{Announce, Answer, Moment, PORT, WANTED, name};
use crate::source::bittorrent::Network;
use crate::source::bittorrent::extension::{compact_v4, compact_v6};
use crate::source::http::HttpSource;
use crate::source::{SourceError, document};

/// Longest answer, bytes.
const MAX_BYTES: usize = 1 << 20;
/// Most peers that are taken of one answer.
const MAX_PEERS: usize = 2000;
const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) async fn announce(tracker: &Url, announce: &Announce, network: &Network) -> Result<Answer, SourceError> {
    let failed = |why: &str| {
        let message = format!("failed to announce to {}: {why}", name(tracker));
        SourceError::transient(reason::UNREACHABLE, message)
    };
    let url = url(tracker, announce);
    let source = HttpSource::new(url, HeaderMap::new(), network.route.clone(), Arc::clone(&network.tls));
    let answer = tokio::time::timeout(TIMEOUT, document(&source, MAX_BYTES)).await;
    let body = answer.map_err(|_| failed("no answer in time"))??;
    read(&body).map_err(|why| failed(&why))
}

fn url(tracker: &Url, announce: &Announce) -> Url {
    let percent = |bytes: &[u8]| bytes.iter().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let moment = match announce.moment {
        Moment::Started => "&event=started",
        Moment::Regular => "",
        Moment::Stopped => "&event=stopped",
    };
    let before = tracker.query().filter(|query| !query.is_empty()).map(|query| format!("{query}&")).unwrap_or_default();
    let query = format!(
        "{before}info_hash={}&peer_id={}&port={PORT}&uploaded={}&downloaded=0&left={}&compact=1&numwant={WANTED}&key={:08x}{moment}",
        percent(&announce.swarm.0),
        percent(&announce.peer),
        announce.uploaded,
        announce.left,
        announce.key,
    );
    let mut url = tracker.clone();
    url.set_query(Some(&query));
    url
}

/// Reads an answer.
///
/// # Errors
/// What the tracker says against it, or that it is no answer.
pub fn read(body: &[u8]) -> Result<Answer, String> {
    let (value, _) = Value::parse_front(body).map_err(|_| "its answer is no bencode".to_owned())?;
    let said = value.as_dict().ok_or("its answer is no dictionary")?;
    if let Some(refusal) = said.bytes("failure reason") {
        let shown: String = String::from_utf8_lossy(refusal).chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(format!("it says {shown:?}"));
    }
    let mut peers: Vec<SocketAddr> = match said.get("peers") {
        Some(Value::Bytes(bytes)) => compact_v4(bytes).take(MAX_PEERS).collect(),
        Some(Value::List(list)) => list.iter().filter_map(|peer| long(peer.as_dict()?)).take(MAX_PEERS).collect(),
        _ => Vec::new(),
    };
    peers.extend(compact_v6(said.bytes("peers6").unwrap_or_default()).take(MAX_PEERS));
    let interval = said.int("interval").and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0);
    Ok(Answer { interval, peers })
}

/// A peer of the long form. Names instead of addresses are not followed.
fn long(peer: &Dict<'_>) -> Option<SocketAddr> {
    let port = u16::try_from(peer.int("port")?).ok().filter(|port| *port != 0)?;
    Some(SocketAddr::new(peer.str("ip")?.parse().ok()?, port))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms_of_peers_and_refusals() {
        let compact = read(b"d8:intervali900e5:peers12:\x01\x02\x03\x04\x00\x50\x05\x06\x07\x08\x1a\xe1e").unwrap();
        assert_eq!((compact.interval, compact.peers.len()), (900, 2));
        let long = read(b"d5:peersld2:ip7:1.2.3.44:porti80eed2:ip4:evil4:porti80eed2:ip3:::14:porti0eeee").unwrap();
        assert_eq!(long.peers, ["1.2.3.4:80".parse().unwrap()]);
        assert_eq!(read(b"d14:failure reason4:no\nxe"), Err("it says \"nox\"".into()));
        assert!(read(b"<html>").is_err());
        let hostile = read(b"d8:intervali-5e5:peersi3ee").unwrap();
        assert_eq!(hostile, Answer::default());
    }

    #[test]
    fn an_announce_keeps_the_trackers_own_query() {
        let moment = Moment::Started;
        let announce = Announce {
            swarm: videocloud_protocol::torrent::InfoHash([0xfe; 20]),
            peer: *b"-VC0100-abcdefghijkl",
            key: 7,
            left: 9,
            uploaded: 3,
            moment,
        };
        let url = url(&"http://t.example/a?passkey=1".parse().unwrap(), &announce);
        let query = url.query().unwrap();
        assert!(query.starts_with(&format!("passkey=1&info_hash={}&peer_id=%2D%56", "%FE".repeat(20))), "{query}");
        assert!(
            query.ends_with("uploaded=3&downloaded=0&left=9&compact=1&numwant=200&key=00000007&event=started"),
            "{query}"
        );
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
