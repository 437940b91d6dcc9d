//! All torrents by the names that peers call them by: both info hashes, plain and as an encrypted opening hides them. 72 bytes a torrent
//! and five places in tables of numbers; nothing of a torrent is read or open.

use ahash::RandomState;
use hashbrown::HashTable;
use videocloud_protocol::{
    ids::ContentId,
    peer_wire::acceptance::obfuscated,
    torrent::{InfoHash, InfoHashes},
};

/// Most torrents.
const MAX_TORRENTS: usize = 1 << 24;

#[derive(Debug, Clone, Copy)]
struct Entry {
    content: ContentId,
    names: [InfoHash; 2],
}

/// The index.
#[derive(Debug, Default)]
pub struct Index {
    entries: Vec<Entry>,
    contents: HashTable<u32>,
    names: HashTable<u32>,
    hidden: HashTable<u32>,
    hasher: RandomState,
}

/// A place in a table says which entry, and which of its names.
const fn place(at: usize, name: usize) -> u32 {
    (at << 1 | name) as u32
}

const fn parts(place: u32) -> (usize, usize) {
    (place as usize >> 1, place as usize & 1)
}

impl Index {
    /// Takes in the torrent of a content; one of another name replaces it. False when there is no room.
    pub fn put(&mut self, content: ContentId, hashes: &InfoHashes) -> bool {
        let (v1, v2) = (hashes.v1().map(InfoHash::from), hashes.v2().map(|hash| hash.truncated()));
        let Some(first) = v1.or(v2) else { return false };
        let names = [first, v2.unwrap_or(first)];
        match self.find(&content) {
            Some(at) if self.entries[at].names == names => return true,
            Some(_) => self.remove(&content),
            None => {}
        }
        if self.entries.len() >= MAX_TORRENTS {
            return false;
        }
        let at = self.entries.len();
        self.entries.push(Entry { content, names });
        self.link(at);
        true
    }

    /// Forgets the torrent of a content.
    pub fn remove(&mut self, content: &ContentId) {
        let Some(at) = self.find(content) else { return };
        let last = self.entries.len() - 1;
        self.unlink(at);
        if at != last {
            self.unlink(last);
            self.entries.swap(at, last);
        }
        self.entries.pop();
        if at != last {
            self.link(at);
        }
    }

    /// The content whose torrent goes by `name`.
    #[must_use]
    pub fn content(&self, name: &InfoHash) -> Option<ContentId> {
        let same = |place: &u32| {
            let (at, which) = parts(*place);
            self.entries[at].names[which] == *name
        };
        let place = self.names.find(self.hasher.hash_one(name.0), same)?;
        Some(self.entries[parts(*place).0].content)
    }

    /// The name that an encrypted opening hides as `hidden`.
    #[must_use]
    pub fn revealed(&self, hidden: &[u8; 20]) -> Option<InfoHash> {
        let name = |place: &u32| {
            let (at, which) = parts(*place);
            self.entries[at].names[which]
        };
        let place = self.hidden.find(self.hasher.hash_one(hidden), |place| obfuscated(&name(place)) == *hidden)?;
        Some(name(place))
    }

    /// Whether the torrent of a content is here.
    #[must_use]
    pub fn has(&self, content: &ContentId) -> bool {
        self.find(content).is_some()
    }

    /// The names of a content's torrents.
    #[must_use]
    pub fn names(&self, content: &ContentId) -> Option<[InfoHash; 2]> {
        self.find(content).map(|at| self.entries[at].names)
    }

    /// Every content.
    pub fn contents(&self) -> impl Iterator<Item = ContentId> {
        self.entries.iter().map(|entry| entry.content)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// None.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let tables = [&self.contents, &self.names, &self.hidden];
        let entries = self.entries.capacity() * size_of::<Entry>();
        entries + tables.iter().map(|table| table.allocation_size()).sum::<usize>()
    }

    fn find(&self, content: &ContentId) -> Option<usize> {
        let same = |place: &u32| self.entries[parts(*place).0].content == *content;
        self.contents.find(self.hasher.hash_one(content.as_bytes()), same).map(|place| parts(*place).0)
    }

    fn link(&mut self, at: usize) {
        let Self { entries, contents, names, hidden, hasher } = self;
        let content = |place: &u32| hasher.hash_one(entries[parts(*place).0].content.as_bytes());
        contents.insert_unique(content(&place(at, 0)), place(at, 0), content);
        let of = |place: &u32| {
            let (at, which) = parts(*place);
            entries[at].names[which]
        };
        for which in 0..2 {
            if which == 1 && entries[at].names[0] == entries[at].names[1] {
                continue;
            }
            let place = place(at, which);
            let name = |place: &u32| hasher.hash_one(of(place).0);
            names.insert_unique(name(&place), place, name);
            let hid = |place: &u32| hasher.hash_one(obfuscated(&of(place)));
            hidden.insert_unique(hid(&place), place, hid);
        }
    }

    fn unlink(&mut self, at: usize) {
        let Entry { content, names } = self.entries[at];
        let drop_from = |table: &mut HashTable<u32>, hash: u64, wanted: u32| {
            if let Ok(found) = table.find_entry(hash, |place| *place == wanted) {
                found.remove();
            }
        };
        drop_from(&mut self.contents, self.hasher.hash_one(content.as_bytes()), place(at, 0));
        for (which, name) in names.iter().enumerate() {
            drop_from(&mut self.names, self.hasher.hash_one(name.0), place(at, which));
            drop_from(&mut self.hidden, self.hasher.hash_one(obfuscated(name)), place(at, which));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use videocloud_protocol::torrent::{V1Hash, V2Hash};

    use super::*;

    fn torrent(n: u32) -> (ContentId, InfoHashes) {
        let content = ContentId::derive([n.to_be_bytes().as_slice()]);
        let hashes = InfoHashes::new(Some(V1Hash::of(content.as_bytes())), Some(V2Hash::of(content.as_bytes())));
        (content, hashes.unwrap())
    }

    #[test]
    fn torrents_are_found_by_every_name_until_they_are_gone() {
        let mut index = Index::default();
        for n in 0..1000 {
            let (content, hashes) = torrent(n);
            assert!(index.put(content, &hashes) && index.put(content, &hashes));
        }
        for n in (0..1000).step_by(3) {
            index.remove(&torrent(n).0);
        }
        assert_eq!(index.len(), 1000 - 334);
        for n in 0..1000 {
            let (content, hashes) = torrent(n);
            let there = !n.is_multiple_of(3);
            assert_eq!(index.has(&content), there);
            for name in hashes.swarms() {
                assert_eq!(index.content(&name), there.then_some(content));
                assert_eq!(index.revealed(&obfuscated(&name)), there.then_some(name));
            }
        }
        // Made anew with other hashes, the old ones are void.
        let ((content, old), (_, new)) = (torrent(1), torrent(5000));
        index.put(content, &new);
        assert_eq!((index.content(&old.swarms()[0]), index.content(&new.swarms()[1])), (None, Some(content)));
    }

    #[test]
    fn an_idle_torrent_takes_few_bytes() {
        let mut index = Index::default();
        for n in 0..10_000 {
            let (content, hashes) = torrent(n);
            index.put(content, &hashes);
        }
        // 72 bytes an entry, in a vector that may be half empty, and five places of 5 bytes in tables that may be.
        let each = index.bytes() / index.len();
        assert!(each <= 2 * 72 + 5 * 5 * 2, "{each} bytes");
    }
}
