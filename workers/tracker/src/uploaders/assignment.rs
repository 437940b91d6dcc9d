//! Who sends what of the tables in force: each rate is divided evenly among the owners of its swarm in its cluster. Made once per
//! change, not per report. Pure.

use std::{collections::HashMap, time::Instant};

use videocloud_protocol::{
    ids::ContentId,
    tracker::{PoolRate, SwarmRate},
};

use crate::{pools::Tables, swarms::Roster};

/// One uploader's part.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    /// Bytes per second over HTTP for all contents it has no rate for.
    pub(super) default_rate: u64,
    /// Bytes per second to BitTorrent peers for all contents it has no rate for.
    pub(super) default_bittorrent: u64,
    /// Bytes per second of all contents together.
    pub(super) total: u64,
    /// The same for when nobody says any more what holds.
    pub(super) fallback: Option<u64>,
    /// Rates of the swarms it owns.
    pub(super) rates: Vec<SwarmRate>,
}

/// The parts of all uploaders.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    /// Grows with each that is made.
    pub(super) number: u64,
    /// Of which tables it was made, see [`Tables::version`].
    pub(super) tables: (u64, usize),
    parts: HashMap<String, Part>,
    nothing: Part,
}

impl Assignment {
    /// How many owners contents need, where it is not one: so many that each uses no more than half of itself for one swarm.
    pub(super) fn owners<'a>(
        rates: &HashMap<(ContentId, &str), &PoolRate>,
        capacities: impl Iterator<Item = (&'a str, u64)>,
    ) -> HashMap<(ContentId, String), usize> {
        let mut halves: HashMap<&str, u64> = HashMap::new();
        for (cluster, capacity) in capacities {
            let half = halves.entry(cluster).or_insert(u64::MAX);
            *half = (*half).min((capacity / 2).max(1));
        }
        let mut counts = HashMap::new();
        for ((content, cluster), rate) in rates {
            let half = halves.get(cluster).copied().unwrap_or(u64::MAX);
            let count = usize::try_from(rate.bittorrent.saturating_add(rate.http).div_ceil(half)).unwrap_or(usize::MAX);
            if count > 1 {
                counts.insert((*content, (*cluster).to_owned()), count);
            }
        }
        counts
    }

    /// Divides the tables in force at `now` among the uploaders of `roster`.
    pub(super) fn make(number: u64, tables: (u64, usize), all: &Tables, roster: &Roster, now: Instant) -> Self {
        let mut parts: HashMap<String, Part> = HashMap::new();
        for ((content, cluster), rate) in all.rates(now) {
            let owners = roster.owners(&content, cluster);
            let count = owners.len() as u64;
            for (owner, index) in owners.into_iter().zip(0_u64..) {
                // What cannot be divided goes to the first ones, so that the parts add up.
                let part = |bytes: u64| bytes / count + u64::from(index < bytes % count);
                parts.entry(owner.name.clone()).or_default().rates.push(SwarmRate {
                    content,
                    http: part(rate.http),
                    bittorrent: part(rate.bittorrent),
                    ceiling: part(rate.ceiling),
                    marginal_milli: rate.marginal_milli,
                });
            }
        }
        let uploaders = (roster.len() as u64).max(1);
        let fallback = all.capacity().map(|capacity| capacity / uploaders);
        let (default_rate, default_bittorrent) =
            (all.unnamed(now) / uploaders, all.unnamed_bittorrent(now) / uploaders);
        for name in roster.names() {
            let part = parts.entry(name.to_owned()).or_default();
            (part.default_rate, part.default_bittorrent) = (default_rate, default_bittorrent);
        }
        for part in parts.values_mut() {
            part.fallback = fallback;
            part.rates.sort_unstable_by_key(|rate| rate.content);
            let named = part.rates.iter().map(|rate| rate.http.saturating_add(rate.bittorrent));
            part.total = named.fold(default_rate.saturating_add(default_bittorrent), u64::saturating_add);
        }
        let total = default_rate.saturating_add(default_bittorrent);
        let nothing = Part { default_rate, default_bittorrent, total, fallback, rates: Vec::new() };
        Self { number, tables, parts, nothing }
    }

    /// An uploader's part.
    pub(super) fn of(&self, name: &str) -> &Part {
        self.parts.get(name).unwrap_or(&self.nothing)
    }
}
