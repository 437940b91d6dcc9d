//! Making a torrent of one file: its pieces are hashed as the bytes pass, for v1 and v2 at once, and the info dictionary is the same
//! whoever makes it, so that every uploader and every restart names one swarm.

use bytes::Bytes;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::bencode::{Value, dict};
use super::info::{Info, InfoError};
use super::metainfo::PieceLayers;
use super::{Metainfo, merkle};

/// Shortest piece, bytes.
const MIN_PIECE: u64 = 256 << 10;
/// Longest piece, bytes: one is held in memory by who verifies it.
const MAX_PIECE: u64 = 16 << 20;
/// Pieces at which longer ones are chosen: a torrent file stays near 100 kB.
const PIECES: u64 = 2048;

/// Length of the pieces of a content of `size` bytes.
#[must_use]
pub fn piece_length(size: u64) -> u64 {
    size.div_ceil(PIECES).max(1).next_power_of_two().clamp(MIN_PIECE, MAX_PIECE)
}

/// The hashes of a file's pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    size: u64,
    piece_length: u64,
    /// SHA-1 of each piece.
    v1: Vec<u8>,
    /// Merkle root of each piece.
    layer: Vec<merkle::Hash>,
}

/// Hashes a file as its bytes pass, in order.
#[derive(Debug)]
pub struct Hasher {
    pieces: Pieces,
    passed: u64,
    sha1: Sha1,
    block: Sha256,
    blocks: Vec<merkle::Hash>,
}

impl Hasher {
    /// Nothing of `size` bytes passed yet.
    #[must_use]
    pub fn new(size: u64) -> Self {
        let pieces = Pieces { size, piece_length: piece_length(size), v1: Vec::new(), layer: Vec::new() };
        Self { pieces, passed: 0, sha1: Sha1::new(), block: Sha256::new(), blocks: Vec::new() }
    }

    /// The next bytes; what comes behind the end is not looked at.
    pub fn update(&mut self, mut bytes: &[u8]) {
        const BLOCK: u64 = merkle::BLOCK as u64;
        while !bytes.is_empty() && self.passed < self.pieces.size {
            let left = (BLOCK - self.passed % BLOCK).min(self.pieces.size - self.passed);
            let (now, rest) = bytes.split_at(bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
            self.sha1.update(now);
            self.block.update(now);
            self.passed += now.len() as u64;
            bytes = rest;
            let last = self.passed == self.pieces.size;
            if last || self.passed.is_multiple_of(BLOCK) {
                self.blocks.push(std::mem::take(&mut self.block).finalize().into());
            }
            if last || self.passed.is_multiple_of(self.pieces.piece_length) {
                let blocks = merkle::blocks_of_piece(self.pieces.size, self.pieces.piece_length);
                self.pieces.v1.extend_from_slice(&std::mem::take(&mut self.sha1).finalize());
                self.pieces.layer.push(merkle::root(std::mem::take(&mut self.blocks), blocks, [0; 32]));
            }
        }
    }

    /// The hashes; `None` when not all bytes passed, or there are none.
    #[must_use]
    pub fn finish(self) -> Option<Pieces> {
        (self.passed == self.pieces.size && self.passed > 0).then_some(self.pieces)
    }
}

impl Pieces {
    fn root(&self) -> merkle::Hash {
        match self.layer.as_slice() {
            [only] => *only,
            layer => {
                let blocks = usize::try_from(self.piece_length).unwrap_or(usize::MAX) / merkle::BLOCK;
                merkle::root(layer.to_vec(), layer.len().next_power_of_two(), merkle::filler(blocks))
            }
        }
    }

    /// The hybrid torrent of the file, called `name`; `private` as BEP 27 has it.
    ///
    /// # Errors
    /// [`InfoError`] for a name that no torrent may have.
    pub fn torrent(self, name: &str, private: bool) -> Result<Metainfo, InfoError> {
        let root = self.root();
        let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let leaf = dict([("length", number(self.size)), ("pieces root", Value::Bytes(&root))]);
        let mut pairs = vec![
            (&b"file tree"[..], dict([(name, dict([("", leaf)]))])),
            (b"length", number(self.size)),
            (b"meta version", Value::Int(2)),
            (b"name", Value::Bytes(name.as_bytes())),
            (b"piece length", number(self.piece_length)),
            (b"pieces", Value::Bytes(&self.v1)),
        ];
        if private {
            pairs.push((b"private", Value::Int(1)));
        }
        let info = Info::parse(Value::Dict(pairs.into_iter().collect()).encode().into())?;
        let mut layers = PieceLayers::new();
        if self.size > self.piece_length {
            layers.insert(root, self.layer);
        }
        Ok(Metainfo::new(info, layers))
    }
}

impl Metainfo {
    /// A torrent that names neither trackers nor servers.
    #[must_use]
    pub fn new(info: Info, layers: PieceLayers) -> Self {
        let (tiers, nodes) = (Vec::new(), Vec::new());
        Self { info, tiers, web_seeds: Vec::new(), http_seeds: Vec::new(), nodes, layers }
    }

    /// The torrent file: this torrent with one tier for each of `trackers` and these `web_seeds`, in place of its own.
    #[must_use]
    pub fn document(&self, trackers: &[String], web_seeds: &[String]) -> Bytes {
        let text = |text: &String| Value::Bytes(text.as_bytes()).encode();
        let list = |items: Vec<Vec<u8>>| [&b"l"[..], &items.concat(), b"e"].concat();
        let mut out = b"d".to_vec();
        let mut put = |key: &str, value: &[u8]| {
            out.extend(Value::Bytes(key.as_bytes()).encode());
            out.extend_from_slice(value);
        };
        if let Some(first) = trackers.first() {
            put("announce", &text(first));
        }
        if trackers.len() > 1 {
            put("announce-list", &list(trackers.iter().map(|tracker| list(vec![text(tracker)])).collect()));
        }
        put("info", self.info.raw());
        let layers: Vec<(&[u8], Vec<u8>)> =
            self.layers.iter().map(|(root, layer)| (&root[..], layer.as_flattened().to_vec())).collect();
        let layers = layers.iter().map(|(root, layer)| (*root, Value::Bytes(layer))).collect();
        put("piece layers", &Value::Dict(layers).encode());
        if !web_seeds.is_empty() {
            put("url-list", &list(web_seeds.iter().map(text).collect()));
        }
        out.push(b'e');
        out.into()
    }

    /// The piece layer of the torrent's only file; `None` when it has several files, or one of a single piece.
    #[must_use]
    pub fn layer(&self) -> Option<&[merkle::Hash]> {
        match self.info.files() {
            [only] => self.layers.get(&only.root?).map(Vec::as_slice),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(bytes: &[u8], parts: usize) -> Metainfo {
        let mut hasher = Hasher::new(bytes.len() as u64);
        bytes.chunks(parts.max(1)).for_each(|part| hasher.update(part));
        hasher.finish().unwrap().torrent("a.mp4", true).unwrap()
    }

    #[test]
    fn lengths_of_pieces() {
        assert_eq!(
            (piece_length(0), piece_length(1 << 20), piece_length(512 << 20)),
            (256 << 10, 256 << 10, 256 << 10)
        );
        assert_eq!((piece_length((512 << 20) + 1), piece_length(2 << 30)), (512 << 10, 1 << 20));
        assert_eq!(piece_length(1 << 40), 16 << 20);
    }

    #[test]
    fn a_torrent_is_read_as_it_was_made() {
        let bytes: Vec<u8> = (0..700_000_u32).map(|at| (at * 7 + at / 999) as u8).collect();
        let torrent = made(&bytes, 10_000);
        let trackers = ["http://t.example/announce".to_owned(), "udp://t.example:1/announce".to_owned()];
        let document = torrent.document(&trackers, &["http://w.example/ws/".to_owned()]);
        let read = Metainfo::parse(&document).unwrap();
        assert_eq!(read.info, torrent.info);
        assert_eq!((read.info.is_private(), read.info.is_single(), read.info.pieces()), (true, true, 3));
        assert_eq!((read.tiers.len(), read.web_seeds.len(), read.layer()), (2, 1, torrent.layer()));
        let first: [u8; 20] = Sha1::digest(&bytes[..256 << 10]).into();
        assert_eq!(read.info.v1_hash(0), Some(first));
        assert_eq!(read.layer().unwrap()[2], merkle::root_of_bytes(&bytes[512 << 10..], 16));
        assert_eq!(made(&bytes, 77).info, torrent.info);
        // Private or not are two swarms.
        let mut hasher = Hasher::new(3);
        hasher.update(b"abcd");
        let open = hasher.finish().unwrap().torrent("a", false).unwrap();
        assert_ne!(open.info.hashes(), made(b"abc", 1).info.hashes());
        assert_eq!(open.layer(), None);
        assert!(Hasher::new(0).finish().is_none() && Hasher::new(1).finish().is_none());
    }

    proptest! {
        #[test]
        fn whatever_its_length_the_tree_leads_to_its_root(length in 1_usize..900_000, part in 1_usize..300_000) {
            let bytes: Vec<u8> = (0..length).map(|at| (at / 3) as u8).collect();
            let torrent = made(&bytes, part);
            prop_assert!(Metainfo::parse(&torrent.document(&[], &[])).is_ok());
            let root = torrent.info.files()[0].root.unwrap();
            let blocks = length.div_ceil(merkle::BLOCK).next_power_of_two();
            prop_assert_eq!(merkle::root_of_bytes(&bytes, blocks), root);
        }
    }
}
