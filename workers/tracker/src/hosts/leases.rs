//! Who asks which host, and how much of it each may have. Pure: time comes from outside.
//!
//! Shares are even, in order of arrival where a number does not divide. What one download holds is never given to another before
//! the first has said that it gave it up, or has been silent for the length of a lease; so all together never ask a host for more
//! than its limits. A tracker that has just started listens first: whoever holds something keeps it.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use videocloud_protocol::{
    ids::TaskId,
    tracker::{HostGrant, HostShare, HostUse, HostsAnswer},
};

/// Time between two renewals.
const RENEW: Duration = Duration::from_secs(2);
/// Time between two questions of a download that does not have all of its share yet.
const EAGER: Duration = Duration::from_millis(500);
/// How long a share holds without being renewed.
const LEASE: Duration = Duration::from_secs(10);
/// How long a tracker that has just started listens.
const LISTEN: Duration = Duration::from_secs(4);
/// Most shares in all.
const MOST: usize = 200_000;

/// Too many shares are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MOST} shares of hosts are held; ask again later")]
pub struct Full;

/// One download's part of one host.
#[derive(Debug)]
struct Holder {
    task: TaskId,
    until: Instant,
    limits: HostShare,
    /// The most it may be asking for at this moment.
    has: HostShare,
}

/// The shares of all hosts.
#[derive(Debug)]
pub struct Leases {
    began: Instant,
    arrivals: u64,
    /// By host, in order of arrival.
    hosts: HashMap<String, BTreeMap<u64, Holder>>,
    held: usize,
}

impl Leases {
    /// Nobody holds anything as far as is known at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { began: now, arrivals: 0, hosts: HashMap::new(), held: 0 }
    }

    /// Shares that are held.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.held
    }

    /// Whether nobody holds anything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Gives `task` its shares of the hosts it names, and takes back those of hosts it does not name.
    ///
    /// # Errors
    /// [`Full`].
    pub fn renew(&mut self, task: &TaskId, uses: &[HostUse], now: Instant) -> Result<HostsAnswer, Full> {
        self.retain(|host, holder| holder.task != *task || uses.iter().any(|used| used.host == host));
        let mut eager = false;
        let mut hosts = Vec::with_capacity(uses.len());
        for used in uses {
            self.expire(&used.host, now);
            let (grant, whole) = self.grant(task, used, now)?;
            eager |= !whole;
            hosts.push(grant);
        }
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let renew = if eager { EAGER } else { RENEW };
        Ok(HostsAnswer { renew_millis: millis(renew), lease_millis: millis(LEASE), hosts })
    }

    /// Takes back what `task` holds.
    pub fn release(&mut self, task: &TaskId) {
        self.retain(|_, holder| holder.task != *task);
    }

    /// Takes back what was not renewed in time.
    pub fn sweep(&mut self, now: Instant) {
        self.retain(|_, holder| now < holder.until);
    }

    /// The share of one host, and whether that is all it should have.
    fn grant(&mut self, task: &TaskId, used: &HostUse, now: Instant) -> Result<(HostGrant, bool), Full> {
        let listening = now < self.began + LISTEN;
        let holders = self.hosts.entry(used.host.clone()).or_default();
        let found = holders.iter().find(|(_, holder)| holder.task == *task).map(|(&number, _)| number);
        let number = match found {
            Some(number) => number,
            None if self.held >= MOST => return Err(Full),
            None => {
                self.arrivals += 1;
                self.held += 1;
                self.arrivals
            }
        };
        let until = now + LEASE;
        let holder = Holder { task: task.clone(), until, limits: used.limits, has: used.holds };
        holders.insert(number, holder);
        let limits = holders.values().fold(used.limits, |all, holder| all.min(holder.limits));
        let count = u32::try_from(holders.len()).unwrap_or(u32::MAX);
        let rank = u32::try_from(holders.range(..number).count()).unwrap_or(u32::MAX);
        let others = holders.iter().filter(|(other, _)| **other != number).map(|(_, holder)| holder.has);
        let even = even(limits, count, rank);
        let even = even.min(used.wants);
        let share = even.min(left(limits, others));
        // A connection without a rate, or a rate without a connection, is of no use to anybody.
        let idle = |rate: Option<f64>| rate.is_some_and(|rate| rate <= 0.0);
        let of_use = share.connections > 0 && !idle(share.requests_per_second) && !idle(share.bytes_per_second);
        let share = if of_use { share } else { nothing(limits) };
        let share = (!listening).then_some(share);
        if let (Some(holder), Some(share)) = (holders.get_mut(&number), share) {
            holder.has = larger(used.holds, share);
        }
        let whole = share.is_none_or(|share| share == even);
        Ok((HostGrant { host: used.host.clone(), holders: count, share }, whole))
    }

    fn expire(&mut self, host: &str, now: Instant) {
        if let Some(holders) = self.hosts.get_mut(host) {
            let before = holders.len();
            holders.retain(|_, holder| now < holder.until);
            self.held -= before - holders.len();
        }
    }

    fn retain(&mut self, keep: impl Fn(&str, &Holder) -> bool) {
        let held = &mut self.held;
        self.hosts.retain(|host, holders| {
            let before = holders.len();
            holders.retain(|_, holder| keep(host, holder));
            *held -= before - holders.len();
            !holders.is_empty()
        });
    }
}

/// The part of number `rank` of `count`. Of more downloads than there may be connections the first have one each.
fn even(limits: HostShare, count: u32, rank: u32) -> HostShare {
    let able = count.min(limits.connections).max(1);
    if rank >= able {
        return nothing(limits);
    }
    let part = |rate: f64| rate / f64::from(able);
    HostShare {
        connections: limits.connections / able + u32::from(rank < limits.connections % able),
        requests_per_second: limits.requests_per_second.map(part),
        bytes_per_second: limits.bytes_per_second.map(part),
    }
}

/// What `others` leave of `limits`.
fn left(limits: HostShare, others: impl Iterator<Item = HostShare>) -> HostShare {
    let less = |from: Option<f64>, by: Option<f64>| from.map(|from| (from - by.unwrap_or(from)).max(0.0));
    others.fold(limits, |left, other| {
        // Who has no connection asks for nothing.
        if other.connections == 0 {
            return left;
        }
        HostShare {
            connections: left.connections.saturating_sub(other.connections),
            requests_per_second: less(left.requests_per_second, other.requests_per_second),
            bytes_per_second: less(left.bytes_per_second, other.bytes_per_second),
        }
    })
}

fn nothing(limits: HostShare) -> HostShare {
    let none = |rate: Option<f64>| rate.map(|_| 0.0);
    HostShare {
        connections: 0,
        requests_per_second: none(limits.requests_per_second),
        bytes_per_second: none(limits.bytes_per_second),
    }
}

fn larger(a: HostShare, b: HostShare) -> HostShare {
    if a.connections == 0 {
        return b;
    }
    let larger = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a.max(b));
    HostShare {
        connections: a.connections.max(b.connections),
        requests_per_second: larger(a.requests_per_second, b.requests_per_second),
        bytes_per_second: larger(a.bytes_per_second, b.bytes_per_second),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use videocloud_protocol::ids::ClaimKey;

    use super::*;

    const LIMITS: HostShare = HostShare { connections: 8, requests_per_second: Some(4.0), bytes_per_second: Some(3e6) };

    fn task(seed: u8) -> TaskId {
        TaskId::download(&ClaimKey::from_bytes([seed; 16]))
    }

    fn share(connections: u32, part: f64) -> HostShare {
        let of = |rate: Option<f64>| rate.map(|rate| rate * part);
        HostShare {
            connections,
            requests_per_second: of(LIMITS.requests_per_second),
            bytes_per_second: of(LIMITS.bytes_per_second),
        }
    }

    /// Downloads that renew as a downloader does.
    struct World {
        leases: Leases,
        now: Instant,
        has: BTreeMap<u8, HostShare>,
    }

    impl World {
        fn settled() -> Self {
            let now = Instant::now();
            Self { leases: Leases::new(now), now: now + LISTEN, has: BTreeMap::new() }
        }

        fn renew(&mut self, seed: u8) -> HostGrant {
            let holds = *self.has.entry(seed).or_default();
            let used = HostUse { host: "h:80".into(), limits: LIMITS, wants: LIMITS, holds };
            let mut answer = self.leases.renew(&task(seed), &[used], self.now).unwrap();
            let grant = answer.hosts.remove(0);
            if let Some(share) = grant.share {
                self.has.insert(seed, share);
            }
            grant
        }

        fn rounds(&mut self, seeds: std::ops::Range<u8>, rounds: usize) {
            for _ in 0..rounds {
                seeds.clone().for_each(|seed| drop(self.renew(seed)));
            }
        }
    }

    #[test]
    fn one_has_all_and_the_next_waits_until_half_is_given_up() {
        let mut world = World::settled();
        assert_eq!(world.renew(1).share, Some(LIMITS));
        assert_eq!(world.renew(2).share, Some(share(0, 0.0)));
        // Told to give up, but not yet heard to have done so: an answer may be lost.
        assert_eq!(world.renew(1).share, Some(share(4, 0.5)));
        assert_eq!(world.renew(2).share, Some(share(0, 0.0)));
        world.renew(1);
        let grant = world.renew(2);
        assert_eq!((grant.share, grant.holders), (Some(share(4, 0.5)), 2));
        world.leases.release(&task(1));
        assert_eq!((world.renew(2).share, world.leases.len()), (Some(LIMITS), 1));
    }

    #[test]
    fn three_share_eight_connections_and_of_ten_the_first_eight_have_one() {
        let mut world = World::settled();
        world.rounds(0..3, 4);
        assert_eq!([0, 1, 2].map(|seed| world.has[&seed].connections), [3, 3, 2]);
        world.rounds(0..10, 4);
        let connections: Vec<u32> = world.has.values().map(|share| share.connections).collect();
        assert_eq!(connections, [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
        assert_eq!(world.has[&0].bytes_per_second, Some(3e6 / 8.0), "those who wait keep no rate from the others");
    }

    #[test]
    fn what_is_not_renewed_is_anothers_when_the_lease_ends() {
        let mut world = World::settled();
        world.renew(1);
        world.now += LEASE - Duration::from_millis(1);
        assert_eq!(world.renew(2).share.unwrap().connections, 0);
        world.now += Duration::from_millis(1);
        assert_eq!(world.renew(2).share, Some(LIMITS));
    }

    #[test]
    fn a_tracker_that_has_just_started_hears_first_who_holds_what() {
        let mut world = World::settled();
        world.rounds(1..3, 3);
        world.leases = Leases::new(world.now);
        assert_eq!(world.renew(1).share, None);
        assert_eq!(world.renew(3).share, None);
        assert_eq!(world.renew(2).share, None);
        world.now += LISTEN;
        assert_eq!(world.renew(3).share.unwrap().connections, 0, "the others still hold everything");
        world.rounds(1..4, 3);
        assert_eq!([1, 2, 3].map(|seed| world.has[&seed].connections), [3, 2, 3]);
    }

    #[test]
    fn the_least_of_what_downloads_believe_the_limits_to_be_counts() {
        let mut world = World::settled();
        let lower = HostShare { connections: 2, ..LIMITS };
        let holds = HostShare::default();
        let used = |limits| [HostUse { host: "h:80".into(), limits, wants: LIMITS, holds }];
        world.leases.renew(&task(1), &used(lower), world.now).unwrap();
        let answer = world.leases.renew(&task(2), &used(LIMITS), world.now).unwrap();
        assert_eq!(answer.hosts[0].share.unwrap().connections, 0);
        assert_eq!(answer.renew_millis, 500);
    }

    #[test]
    fn who_can_use_less_leaves_the_rest_at_once() {
        let mut world = World::settled();
        let (holds, wants) = (HostShare::default(), HostShare { connections: 3, ..HostShare::default() });
        let limits = HostShare { connections: 8, ..HostShare::default() };
        for (seed, expected) in [(1, 3), (2, 3), (3, 2)] {
            let used = [HostUse { host: "h:80".into(), limits, wants, holds }];
            let answer = world.leases.renew(&task(seed), &used, world.now).unwrap();
            assert_eq!(answer.hosts[0].share.unwrap().connections, expected, "{seed}");
        }
    }

    proptest! {
        /// Whoever comes, goes, dies or misses answers: all together never have more than the host's limits.
        #[test]
        fn limits_are_never_exceeded(steps in prop::collection::vec((0..12_u8, 0..5_u8, 0..4_u64), 1..300)) {
            let mut world = World::settled();
            let mut renewed: BTreeMap<u8, Instant> = BTreeMap::new();
            for (seed, what, seconds) in steps {
                world.now += Duration::from_secs(seconds);
                match what {
                    0 => {
                        world.leases.release(&task(seed));
                        world.has.remove(&seed);
                    }
                    // The answer is lost.
                    1 => {
                        let before = world.has.get(&seed).copied().unwrap_or_default();
                        world.renew(seed);
                        world.has.insert(seed, before);
                        renewed.insert(seed, world.now);
                    }
                    _ => {
                        world.renew(seed);
                        renewed.insert(seed, world.now);
                    }
                }
                // A downloader lets go of what it could not renew.
                world.has.retain(|seed, _| renewed.get(seed).is_some_and(|at| world.now < *at + LEASE));
                let all = world.has.values().fold(HostShare { connections: 0, requests_per_second: Some(0.0), bytes_per_second: Some(0.0) }, |all, has| HostShare {
                    connections: all.connections + has.connections,
                    requests_per_second: all.requests_per_second.zip(has.requests_per_second.or(Some(0.0))).map(|(a, b)| a + b),
                    bytes_per_second: all.bytes_per_second.zip(has.bytes_per_second.or(Some(0.0))).map(|(a, b)| a + b),
                });
                prop_assert!(all.connections <= LIMITS.connections, "{:?}", world.has);
                prop_assert!(all.bytes_per_second <= LIMITS.bytes_per_second.map(|most| most * 1.000_001), "{:?}", world.has);
                prop_assert!(all.requests_per_second <= LIMITS.requests_per_second.map(|most| most * 1.000_001), "{:?}", world.has);
            }
        }
    }
}
