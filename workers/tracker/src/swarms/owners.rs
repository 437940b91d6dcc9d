//! Which uploaders own a swarm: rendezvous hashing, so that each swarm has few owners, they stay when others come and go, and
//! every thread finds the same ones. Pure.

use std::{collections::HashMap, net::SocketAddr};

use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use videocloud_protocol::ids::ContentId;

/// Most owners a peer is told of.
const MAX_TOLD: usize = 8;

/// An uploader that seeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeder {
    /// Its name.
    pub name: String,
    /// Its cluster; empty without clusters.
    pub cluster: String,
    /// Where peers reach it.
    pub addresses: Vec<SocketAddr>,
}

/// All uploaders that seed, and the contents that need more than one of them.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// Grows with each change.
    pub version: u64,
    seeders: Vec<(u64, Seeder)>,
    /// Owners per content and cluster, where not 1.
    counts: HashMap<(ContentId, String), usize>,
    clusters: Vec<String>,
}

impl Roster {
    /// A roster of `seeders`; `counts` says which contents need how many owners in a cluster, where it is not 1.
    #[must_use]
    pub fn new(version: u64, seeders: Vec<Seeder>, counts: HashMap<(ContentId, String), usize>) -> Self {
        let mut clusters: Vec<String> = seeders.iter().map(|seeder| seeder.cluster.clone()).collect();
        clusters.sort_unstable();
        clusters.dedup();
        let seeders = seeders.into_iter().map(|seeder| (mix(0, seeder.name.as_bytes()), seeder)).collect();
        Self { version, seeders, counts, clusters }
    }

    /// The owners of a content in one cluster, best first.
    #[must_use]
    pub fn owners(&self, content: &ContentId, cluster: &str) -> Vec<&Seeder> {
        let count = self.count(content, cluster);
        let mut ranked: Vec<_> = self
            .seeders
            .iter()
            .filter(|(_, seeder)| seeder.cluster == cluster)
            .map(|(seed, seeder)| (mix(*seed, content.as_bytes()), seeder))
            .collect();
        ranked.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
        ranked.into_iter().take(count).map(|(_, seeder)| seeder).collect()
    }

    /// How many owners a content has in a cluster, if there are as many uploaders.
    #[must_use]
    pub fn count(&self, content: &ContentId, cluster: &str) -> usize {
        if self.counts.is_empty() {
            return 1;
        }
        self.counts.get(&(*content, cluster.to_owned())).copied().unwrap_or(1).max(1)
    }

    /// Addresses of a content's owners in all clusters.
    #[must_use]
    pub fn addresses(&self, content: &ContentId) -> Vec<SocketAddr> {
        let owners = self.clusters.iter().flat_map(|cluster| self.owners(content, cluster)).take(MAX_TOLD);
        owners.flat_map(|owner| owner.addresses.iter().copied()).collect()
    }

    /// How many uploaders there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seeders.len()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.seeders.iter().map(|(_, seeder)| seeder.name.as_str())
    }

    /// Nobody seeds.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seeders.is_empty()
    }

    /// Whether `seeders` are those of this roster.
    #[must_use]
    pub fn is_of(&self, seeders: &[Seeder]) -> bool {
        self.seeders.len() == seeders.len() && self.seeders.iter().zip(seeders).all(|(own, other)| own.1 == *other)
    }
}

/// The same over restarts and versions: owners have caches.
fn mix(seed: u64, bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(seed, 0x7669_6465_6f63_6c64);
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeders(count: u16) -> Vec<Seeder> {
        let seeder = |n: u16| Seeder {
            name: format!("edge-{n}"),
            cluster: if n.is_multiple_of(2) { "even".into() } else { "odd".into() },
            addresses: vec![SocketAddr::from(([127, 0, 0, 1], 7000 + n))],
        };
        (0..count).map(seeder).collect()
    }

    fn content(n: u16) -> ContentId {
        ContentId::derive([n.to_be_bytes().as_slice()])
    }

    #[test]
    fn each_cluster_has_its_owner_and_swarms_are_spread() {
        let roster = Roster::new(1, seeders(8), HashMap::new());
        let mut load: HashMap<&str, u32> = HashMap::new();
        for n in 0..4000 {
            assert_eq!(roster.addresses(&content(n)).len(), 2);
            *load.entry(&roster.owners(&content(n), "even")[0].name).or_default() += 1;
        }
        // 1,000 each; five standard deviations of the binomial.
        assert!(load.len() == 4 && load.values().all(|count| count.abs_diff(1000) < 137), "{load:?}");
    }

    #[test]
    fn an_uploader_that_goes_moves_its_own_swarms_only() {
        let (all, fewer) = (seeders(8), seeders(7));
        let (all, fewer) = (Roster::new(1, all, HashMap::new()), Roster::new(2, fewer, HashMap::new()));
        for n in 0..1000 {
            let before = &all.owners(&content(n), "odd")[0].name;
            if before != "edge-7" {
                assert_eq!(before, &fewer.owners(&content(n), "odd")[0].name);
            }
        }
    }

    #[test]
    fn a_large_swarm_has_more_owners() {
        let counts = HashMap::from([((content(1), "odd".to_owned()), 3)]);
        let roster = Roster::new(1, seeders(8), counts);
        assert_eq!((roster.owners(&content(1), "odd").len(), roster.owners(&content(1), "even").len()), (3, 1));
        assert_eq!(roster.addresses(&content(1)).len(), 4);
    }
}
