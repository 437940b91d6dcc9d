//! Bencoded answers (BEP 3), with compact peers (BEP 23, 7). Written by hand: four fixed dictionaries need no library. Pure.

use videocloud_protocol::ids::InfoHash;

use crate::swarms::{Answer, Peers, Scraped};

/// An answer to an announce.
#[must_use]
pub fn announced(answer: &Answer, peers: &Peers) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + 6 * peers.v4.len() + 18 * peers.v6.len());
    out.push(b'd');
    number(&mut out, "complete", answer.found.seeders);
    number(&mut out, "incomplete", answer.found.leechers);
    number(&mut out, "interval", answer.interval);
    number(&mut out, "min interval", answer.min_interval);
    text(&mut out, "peers");
    length(&mut out, 6 * peers.v4.len());
    for peer in &peers.v4 {
        out.extend_from_slice(&peer.ip().octets());
        out.extend_from_slice(&peer.port().to_be_bytes());
    }
    if !peers.v6.is_empty() {
        text(&mut out, "peers6");
        length(&mut out, 18 * peers.v6.len());
        for peer in &peers.v6 {
            out.extend_from_slice(&peer.ip().octets());
            out.extend_from_slice(&peer.port().to_be_bytes());
        }
    }
    out.push(b'e');
    out
}

/// An answer to a scrape: those of the hashes that are served, in the order of their bytes.
#[must_use]
pub fn scraped(found: &mut Vec<(InfoHash, Scraped)>) -> Vec<u8> {
    found.sort_unstable_by_key(|(hash, _)| *hash);
    found.dedup_by_key(|(hash, _)| *hash);
    let mut out = Vec::with_capacity(16 + 100 * found.len());
    out.extend_from_slice(b"d5:filesd");
    for (hash, scraped) in found.iter() {
        length(&mut out, InfoHash::LEN);
        out.extend_from_slice(hash.as_bytes());
        out.push(b'd');
        number(&mut out, "complete", scraped.complete);
        number(&mut out, "downloaded", scraped.downloaded);
        number(&mut out, "incomplete", scraped.incomplete);
        out.push(b'e');
    }
    out.extend_from_slice(b"ee");
    out
}

/// A failure, which clients show to people.
#[must_use]
pub fn failed(reason: &str) -> Vec<u8> {
    let mut out = b"d".to_vec();
    text(&mut out, "failure reason");
    text(&mut out, reason);
    out.push(b'e');
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn length(out: &mut Vec<u8>, length: usize) {
    decimal(out, length as u64);
    out.push(b':');
}

fn number(out: &mut Vec<u8>, name: &str, value: u32) {
    text(out, name);
    out.push(b'i');
    decimal(out, u64::from(value));
    out.push(b'e');
}

fn decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // A digit fits a byte.
        digits[at] = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::swarms::Found;

    #[test]
    fn answers_are_canonical() {
        let answer = Answer { found: Found { seeders: 1, leechers: 20 }, interval: 300, min_interval: 150 };
        let mut peers = Peers::default();
        let plain = "d8:completei1e10:incompletei20e8:intervali300e12:min intervali150e5:peers0:e";
        assert_eq!(String::from_utf8(announced(&answer, &peers)).unwrap(), plain);
        peers.v4.push("1.2.3.4:258".parse().unwrap());
        peers.v6.push("[::1]:258".parse().unwrap());
        let all = announced(&answer, &peers);
        assert!(
            all.ends_with(b"5:peers6:\x01\x02\x03\x04\x01\x026:peers618:\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\x02e")
        );
        assert_eq!(failed("no"), b"d14:failure reason2:noe");
        let mut found = vec![(InfoHash::from_bytes([b'b'; 20]), Scraped::default())];
        found.push((InfoHash::from_bytes([b'a'; 20]), Scraped { complete: 0, downloaded: 10, incomplete: 7 }));
        found.push(found[0]);
        let text = "d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei0e10:downloadedi10e10:incompletei7ee\
                    20:bbbbbbbbbbbbbbbbbbbbd8:completei0e10:downloadedi0e10:incompletei0eeee";
        assert_eq!(String::from_utf8(scraped(&mut found)).unwrap(), text);
    }
}
