//! Messages of the DHT (BEP 5, 32, 43): the one question asked here, and its answer.

use std::net::SocketAddr;

use videocloud_protocol::torrent::InfoHash;
use videocloud_protocol::torrent::bencode::{Dict, Value, dict};

use crate::source::bittorrent::extension::{compact_v4, compact_v6};

/// Name of a node.
pub type NodeId = [u8; 20];

/// Most peers and nodes that are taken of one answer.
const MAX_PEERS: usize = 500;
const MAX_NODES: usize = 32;

/// A node, as another one names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub id: NodeId,
    /// Its address.
    pub address: SocketAddr,
}

/// An answer to `get_peers`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Number of the question.
    pub number: u16,
    /// Peers of the swarm.
    pub peers: Vec<SocketAddr>,
    /// Nodes that are nearer.
    pub nodes: Vec<Node>,
}

/// The question who has peers of `swarm`. It says that this node answers nothing itself, so that it is kept out of routing tables.
#[must_use]
pub fn get_peers(number: u16, own: &NodeId, swarm: InfoHash) -> Vec<u8> {
    let want = Value::List(vec![Value::Bytes(b"n4"), Value::Bytes(b"n6")]);
    let arguments = dict([("id", Value::Bytes(own)), ("info_hash", Value::Bytes(&swarm.0)), ("want", want)]);
    dict([
        ("a", arguments),
        ("q", Value::Bytes(b"get_peers")),
        ("ro", Value::Int(1)),
        ("t", Value::Bytes(&number.to_be_bytes())),
        ("y", Value::Bytes(b"q")),
    ])
    .encode()
}

/// Reads an answer; `None` for anything else.
#[must_use]
pub fn answer(datagram: &[u8]) -> Option<Answer> {
    let (value, _) = Value::parse_front(datagram).ok()?;
    let said = value.as_dict()?;
    let number = u16::from_be_bytes(said.bytes("t")?.try_into().ok()?);
    if said.bytes("y")? == b"e" {
        return Some(Answer { number, ..Answer::default() });
    }
    let said = said.dict("r")?;
    let values = said.list("values").unwrap_or_default().iter().filter_map(Value::as_bytes);
    let peers = values.flat_map(|value| match value.len() {
        6 => compact_v4(value).next(),
        18 => compact_v6(value).next(),
        _ => None,
    });
    Some(Answer { number, peers: peers.take(MAX_PEERS).collect(), nodes: nodes(said) })
}

fn nodes(said: &Dict<'_>) -> Vec<Node> {
    let of = |key: &str, length: usize| {
        let bytes = said.bytes(key).unwrap_or_default();
        let node = move |entry: &[u8]| {
            let (id, address) = entry.split_first_chunk::<20>()?;
            let address = if length == 26 { compact_v4(address).next() } else { compact_v6(address).next() };
            Some(Node { id: *id, address: address? })
        };
        bytes.chunks_exact(length).take(MAX_NODES).filter_map(node).collect::<Vec<_>>()
    };
    [of("nodes", 26), of("nodes6", 38)].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn question_and_answer() {
        let question = get_peers(258, b"abcdefghij0123456789", InfoHash(*b"mnopqrstuvwxyz123456"));
        let wanted = b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:wantl2:n42:n6ee\
            1:q9:get_peers2:roi1e1:t2:\x01\x021:y1:qe";
        assert_eq!(question, wanted);
        let node = [b"ABCDEFGHIJ0123456789", &[9, 8, 7, 6, 0x1a, 0xe1][..]].concat();
        let values = Value::List(vec![Value::Bytes(b"\x01\x02\x03\x04\x00\x50"), Value::Bytes(b"odd")]);
        let said = dict([("id", Value::Bytes(&[1; 20])), ("nodes", Value::Bytes(&node)), ("values", values)]);
        let sent = dict([("r", said), ("t", Value::Bytes(b"\x01\x02")), ("y", Value::Bytes(b"r"))]).encode();
        let found = answer(&sent).unwrap();
        assert_eq!((found.number, found.peers.len(), found.nodes.len()), (258, 1, 1));
        assert_eq!(found.nodes[0].address, "9.8.7.6:6881".parse().unwrap());
        assert_eq!(answer(&question), None);
    }

    proptest! {
        #[test]
        fn foreign_datagrams_are_read_or_ignored(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = answer(&bytes);
        }
    }
}
