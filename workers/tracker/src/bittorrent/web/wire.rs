//! The JSON messages of WebTorrent trackers. Bytes travel as text, a character per byte. Pure.

use serde::Deserialize;
use serde_json::{Value, json};
use videocloud_protocol::ids::InfoHash;

use crate::swarms::{Event, Found, PeerId, Scraped};

/// Longest message: ten offers of a few kB each.
pub const MAX_MESSAGE: usize = 128 << 10;
/// Most offers that are passed on of one announce.
pub const MAX_OFFERS: usize = 10;
/// Most torrents in one scrape.
const MAX_SCRAPE: usize = 100;

/// A message that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub struct Malformed;

/// What a browser says.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Announces, with offers for others.
    Announce(WebAnnounce),
    /// Answers an offer.
    Answer {
        /// Which swarm.
        info_hash: InfoHash,
        /// Who answers.
        peer_id: PeerId,
        /// Who offered.
        to: PeerId,
        /// What was offered.
        offer_id: String,
        /// For the other's WebRTC, opaque.
        answer: Value,
    },
    /// Asks for numbers.
    Scrape(Vec<InfoHash>),
}

/// An announce.
#[derive(Debug, Clone, PartialEq)]
pub struct WebAnnounce {
    /// Which swarm.
    pub info_hash: InfoHash,
    /// Who.
    pub peer_id: PeerId,
    /// Why now.
    pub event: Event,
    /// Bytes uploaded.
    pub uploaded: u64,
    /// Bytes downloaded.
    pub downloaded: u64,
    /// Bytes that lack.
    pub left: u64,
    /// Offers and their ids, at most [`MAX_OFFERS`].
    pub offers: Vec<(String, Value)>,
}

#[derive(Deserialize)]
struct Raw {
    action: String,
    info_hash: Option<Value>,
    peer_id: Option<String>,
    to_peer_id: Option<String>,
    offer_id: Option<String>,
    answer: Option<Value>,
    event: Option<String>,
    uploaded: Option<Value>,
    downloaded: Option<Value>,
    left: Option<Value>,
    numwant: Option<Value>,
    offers: Option<Vec<RawOffer>>,
}

#[derive(Deserialize)]
struct RawOffer {
    offer: Value,
    offer_id: String,
}

/// Reads a message.
///
/// # Errors
/// [`Malformed`].
pub fn parse(text: &str) -> Result<Request, Malformed> {
    if text.len() > MAX_MESSAGE {
        return Err(Malformed);
    }
    let raw: Raw = serde_json::from_str(text).map_err(|_| Malformed)?;
    match raw.action.as_str() {
        "scrape" => Ok(Request::Scrape(hashes(raw.info_hash.as_ref())?)),
        "announce" => announce(raw),
        _ => Err(Malformed),
    }
}

fn announce(raw: Raw) -> Result<Request, Malformed> {
    let info_hash = raw.info_hash.as_ref().and_then(Value::as_str).and_then(bytes).ok_or(Malformed)?;
    let info_hash = InfoHash::from_bytes(info_hash);
    let peer = |id: Option<&str>| id.and_then(bytes).map(PeerId).ok_or(Malformed);
    let peer_id = peer(raw.peer_id.as_deref())?;
    if let Some(answer) = raw.answer {
        let (to, offer_id) = (peer(raw.to_peer_id.as_deref())?, raw.offer_id.ok_or(Malformed)?);
        return Ok(Request::Answer { info_hash, peer_id, to, offer_id: id(offer_id)?, answer });
    }
    let event = match raw.event.as_deref() {
        Some("started") => Event::Started,
        Some("completed") => Event::Completed,
        Some("stopped") => Event::Stopped,
        _ => Event::Periodic,
    };
    let want = raw.numwant.as_ref().and_then(Value::as_u64).and_then(|want| usize::try_from(want).ok());
    let offers = raw.offers.unwrap_or_default().into_iter().take(want.unwrap_or(MAX_OFFERS).min(MAX_OFFERS));
    let offers = offers.map(|raw| Ok((id(raw.offer_id)?, raw.offer))).collect::<Result<_, _>>()?;
    let counter = |value: Option<&Value>, absent| value.map_or(absent, |value| value.as_u64().unwrap_or(absent));
    Ok(Request::Announce(WebAnnounce {
        info_hash,
        peer_id,
        event,
        uploaded: counter(raw.uploaded.as_ref(), 0),
        downloaded: counter(raw.downloaded.as_ref(), 0),
        // `null` is how JSON writes the Infinity of a magnet link.
        left: counter(raw.left.as_ref(), u64::MAX),
        offers,
    }))
}

fn hashes(value: Option<&Value>) -> Result<Vec<InfoHash>, Malformed> {
    let one = |value: &Value| value.as_str().and_then(bytes).map(InfoHash::from_bytes).ok_or(Malformed);
    match value {
        Some(Value::Array(values)) if !values.is_empty() && values.len() <= MAX_SCRAPE => {
            values.iter().map(one).collect()
        }
        Some(value) => Ok(vec![one(value)?]),
        None => Err(Malformed),
    }
}

fn id(text: String) -> Result<String, Malformed> {
    if text.chars().count() <= 64 { Ok(text) } else { Err(Malformed) }
}

/// Twenty characters, each a byte.
fn bytes(text: &str) -> Option<[u8; 20]> {
    let mut out = [0; 20];
    let mut characters = text.chars();
    for byte in &mut out {
        *byte = u8::try_from(u32::from(characters.next()?)).ok()?;
    }
    characters.next().is_none().then_some(out)
}

fn text(bytes: &[u8; 20]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The answer to an announce.
#[must_use]
pub fn announced(info_hash: &InfoHash, found: Found, interval: u32) -> String {
    let (hash, complete, incomplete) = (text(info_hash.as_bytes()), found.seeders, found.leechers);
    json!({ "action": "announce", "info_hash": hash, "interval": interval, "complete": complete, "incomplete": incomplete })
        .to_string()
}

/// An offer of `from`, for another peer.
#[must_use]
pub fn offered(info_hash: &InfoHash, from: PeerId, offer_id: &str, offer: &Value) -> String {
    let (hash, peer) = (text(info_hash.as_bytes()), text(&from.0));
    json!({ "action": "announce", "info_hash": hash, "peer_id": peer, "offer_id": offer_id, "offer": offer })
        .to_string()
}

/// An answer of `from`, for who offered.
#[must_use]
pub fn answered(info_hash: &InfoHash, from: PeerId, offer_id: &str, answer: &Value) -> String {
    let (hash, peer) = (text(info_hash.as_bytes()), text(&from.0));
    json!({ "action": "announce", "info_hash": hash, "peer_id": peer, "offer_id": offer_id, "answer": answer })
        .to_string()
}

/// The answer to a scrape.
#[must_use]
pub fn scraped(found: &[(InfoHash, Scraped)]) -> String {
    let file = |(hash, numbers): &(InfoHash, Scraped)| {
        let Scraped { complete, downloaded, incomplete } = *numbers;
        let numbers = json!({ "complete": complete, "downloaded": downloaded, "incomplete": incomplete });
        (text(hash.as_bytes()), numbers)
    };
    let files: serde_json::Map<String, Value> = found.iter().map(file).collect();
    json!({ "action": "scrape", "files": files }).to_string()
}

/// A failure, with the swarm it is about.
#[must_use]
pub fn failed(info_hash: Option<&InfoHash>, reason: &str) -> String {
    let hash = info_hash.map(|hash| text(hash.as_bytes()));
    json!({ "action": "announce", "info_hash": hash, "failure reason": reason }).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids() -> (String, String) {
        (text(&[0xe9; 20]), text(&[0x41; 20]))
    }

    #[test]
    fn announces_answers_and_scrapes_are_read() {
        let (hash, peer) = ids();
        let offer = |n: u32| json!({ "offer_id": format!("o{n}"), "offer": { "type": "offer", "sdp": "v=0" } });
        let offers: Vec<Value> = (0..20).map(offer).collect();
        let message = json!({ "action": "announce", "info_hash": hash, "peer_id": peer, "left": null, "uploaded": 3,
            "event": "started", "numwant": 5, "offers": offers });
        let Request::Announce(read) = parse(&message.to_string()).unwrap() else { panic!("not an announce") };
        assert_eq!((read.info_hash, read.peer_id), (InfoHash::from_bytes([0xe9; 20]), PeerId([0x41; 20])));
        assert_eq!((read.left, read.uploaded, read.event, read.offers.len()), (u64::MAX, 3, Event::Started, 5));
        let message = json!({ "action": "announce", "info_hash": hash, "peer_id": peer, "to_peer_id": peer,
            "offer_id": "o1", "answer": {} });
        assert!(matches!(parse(&message.to_string()), Ok(Request::Answer { .. })));
        let message = json!({ "action": "scrape", "info_hash": [hash, hash] });
        assert!(matches!(parse(&message.to_string()), Ok(Request::Scrape(hashes)) if hashes.len() == 2));
        let short = &hash[..hash.len() - 2];
        let bad = [json!({ "action": "announce", "info_hash": short, "peer_id": peer }), json!({ "action": "scrape" })];
        for message in bad.iter().map(Value::to_string).chain(["".into(), "[]".into(), "{}".into()]) {
            assert_eq!(parse(&message), Err(Malformed), "{message}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_travel_as_text(raw in any::<[u8; 20]>()) {
            prop_assert_eq!(bytes(&text(&raw)), Some(raw));
            let message = failed(Some(&InfoHash::from_bytes(raw)), "no");
            let value: Value = serde_json::from_str(&message).unwrap();
            prop_assert_eq!(value["info_hash"].as_str().and_then(bytes), Some(raw));
        }

        #[test]
        fn any_text_is_read_or_refused(message in ".{0,300}") {
            let _ = parse(&message);
        }
    }
}
