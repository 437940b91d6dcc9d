//! An announce of a seed over HTTP (BEP 3), for trackers whose API is closed to an uploader.

use std::{fmt::Write, time::Duration};

use crate::torrent::{InfoHash, bencode::Value};

/// Shortest and longest time between announces that is believed, seconds.
const INTERVALS: std::ops::RangeInclusive<i64> = 1..=7200;

/// What a seed says of itself.
#[derive(Debug, Clone, Copy)]
pub struct SeedAnnounce {
    /// The swarm.
    pub swarm: InfoHash,
    /// The seed.
    pub peer: [u8; 20],
    /// Where it listens.
    pub port: u16,
    /// Bytes it sent since it began.
    pub uploaded: u64,
    /// Its first announce, its last, or one in between.
    pub event: Option<&'static str>,
}

impl SeedAnnounce {
    /// The query of the announce.
    #[must_use]
    pub fn query(&self) -> String {
        let mut query = String::from("compact=1&numwant=0&left=0&downloaded=0");
        let mut bytes = |name: &str, value: &[u8]| {
            let _ = write!(query, "&{name}=");
            for byte in value {
                let _ = write!(query, "%{byte:02X}");
            }
        };
        bytes("info_hash", &self.swarm.0);
        bytes("peer_id", &self.peer);
        let _ = write!(query, "&port={}&uploaded={}", self.port, self.uploaded);
        if let Some(event) = self.event {
            let _ = write!(query, "&event={event}");
        }
        query
    }

    /// Reads an answer: the time until the next announce.
    ///
    /// # Errors
    /// What the tracker says is wrong, or that it says nothing that can be read.
    pub fn interval(answer: &[u8]) -> Result<Duration, String> {
        let value = Value::parse(answer).map_err(|error| error.to_string())?;
        let dict = value.as_dict().ok_or("its answer is no dictionary")?;
        if let Some(reason) = dict.str("failure reason") {
            return Err(reason.chars().filter(|c| !c.is_control()).take(200).collect());
        }
        let interval = dict.int("interval").ok_or("its answer has no interval")?;
        let seconds = interval.clamp(*INTERVALS.start(), *INTERVALS.end());
        Ok(Duration::from_secs(seconds.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_and_heard() {
        let announce = SeedAnnounce {
            swarm: InfoHash([255; 20]),
            peer: *b"-VC0100-abcdefghijkl",
            port: 6881,
            uploaded: 7,
            event: None,
        };
        let query = announce.query();
        assert!(query.contains("&info_hash=%FF%FF") && query.ends_with("&port=6881&uploaded=7"), "{query}");
        assert!(SeedAnnounce { event: Some("started"), ..announce }.query().ends_with("&event=started"));
        assert_eq!(SeedAnnounce::interval(b"d8:intervali90ee"), Ok(Duration::from_secs(90)));
        assert_eq!(SeedAnnounce::interval(b"d8:intervali-5ee"), Ok(Duration::from_secs(1)));
        assert_eq!(SeedAnnounce::interval(b"d14:failure reason2:noe"), Err("no".into()));
        assert!(SeedAnnounce::interval(b"<html>").is_err() && SeedAnnounce::interval(b"de").is_err());
    }
}
