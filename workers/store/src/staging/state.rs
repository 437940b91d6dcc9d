//! The checkpoint of a download in progress as it is stored: a line of JSON with what the store has to know, then the
//! opaque bytes of the downloader.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::parts::{PartPlan, RangeSet};
use crate::error::{Result, StoreError};

/// A part that is durable as an object of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredPart {
    /// Its object's name; every upload has a new one, so that no writer can touch the part of another.
    pub(crate) name: String,
    /// Its entity tag.
    pub(crate) tag: String,
    /// Its bytes.
    pub(crate) size: u64,
}

/// What of a download in progress others may read before all of it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Media type of the content.
    pub mime: String,
    /// Its bytes that are proven to be right, as disjoint ranges in order.
    pub proven: Vec<Range<u64>>,
}

/// What a checkpoint says besides the bytes of the downloader.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Header {
    /// The total size, once it is known.
    pub(crate) size: Option<u64>,
    /// The cut into parts (object storage only).
    pub(crate) plan: Option<PartPlan>,
    /// The parts that are stored, by index (object storage only).
    pub(crate) parts: BTreeMap<u64, StoredPart>,
    /// The bytes that the local data file had (object storage only).
    pub(crate) written: RangeSet,
    /// The upload by which the blob is being put together (object storage only): object and upload id.
    pub(crate) upload: Option<(String, String)>,
    /// What others may read of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shown: Option<Shown>,
}

/// Puts a checkpoint together.
pub(crate) fn encode(what: &str, header: &Header, state: &[u8]) -> Result<Bytes> {
    let mut bytes =
        serde_json::to_vec(header).map_err(|e| StoreError::Corrupt { what: what.to_owned(), detail: e.to_string() })?;
    bytes.push(b'\n');
    bytes.extend_from_slice(state);
    Ok(bytes.into())
}

/// Takes a checkpoint apart.
pub(crate) fn decode(what: &str, bytes: &Bytes) -> Result<(Header, Bytes)> {
    let corrupt = |detail: String| StoreError::Corrupt { what: what.to_owned(), detail };
    let end = bytes.iter().position(|&b| b == b'\n').ok_or_else(|| corrupt("it has no end of its head".into()))?;
    let header = serde_json::from_slice(&bytes[..end]).map_err(|e| corrupt(e.to_string()))?;
    Ok((header, bytes.slice(end + 1..)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_together_comes_apart_alike(state in prop::collection::vec(any::<u8>(), 0..100), size: Option<u64>) {
            let header = Header { size, written: [0..5, 9..12].into_iter().collect(), ..Header::default() };
            let bytes = encode("x", &header, &state).unwrap();
            prop_assert_eq!(decode("x", &bytes).unwrap(), (header, Bytes::from(state)));
        }

        #[test]
        fn foreign_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode("x", &Bytes::from(bytes));
        }
    }
}
