//! The rows of a table: for each content and cluster what goes to peers and over HTTP, and how far it may borrow. Pure.
//!
//! Named are contents with a swarm somebody downloads in, or with HTTP viewers. What goes over HTTP is shared cluster by cluster, so
//! that no cluster is given more than it has; a content's HTTP viewers are served where most of its upload is.

use videocloud_crds::BandwidthPoolSpec;
use videocloud_protocol::tracker::{PoolRate, PoolTable};
use videocloud_scheduler::units::BytesPerSecond;

use super::{
    belief::{Beliefs, Present},
    direct,
    divide::Division,
    solve::{Crowd, Order, Solved, Sums, is_target, mask},
    terms::Term,
};

/// Viewers at the target rate who may come between two solutions, on loan.
const LOANS: f64 = 2.0;

/// A content the table names.
struct Named {
    /// Its place among the terms.
    place: usize,
    /// Its place in the crowd, when somebody downloads in its swarm.
    swarm: Option<usize>,
    /// Cluster, by its place among the active ones, and rate of each part of its upload.
    parts: Vec<(usize, u64)>,
    /// The cluster of its HTTP viewers.
    home: usize,
    /// Bytes per second over HTTP.
    http: u64,
}

/// Makes the table, and tells what it gives.
pub(super) fn make(
    order: &Order,
    beliefs: &Beliefs,
    (crowd, division): (&Crowd, &Division),
    active: &[usize],
    sums: &Sums,
) -> Solved {
    let Order { spec, terms, members, .. } = order;
    let presents: Vec<Present> = terms.iter().map(|term| beliefs.present(&term.content)).collect();
    let mut named = name(beliefs, terms, &presents, (crowd, division), active);
    let mut loads = vec![0_u64; active.len()];
    for (cluster, rate) in named.iter().flat_map(|one| &one.parts) {
        loads[*cluster] += rate;
    }
    let allocated: u64 = loads.iter().sum();
    let capacities: Vec<f64> = active.iter().map(|&k| members[k].capacity).collect();
    let rooms = rooms(spec, sums, &capacities, &loads);
    let unnamed = serve(&mut named, terms, &presents, &rooms);
    let idle = idle(&named, terms, sums, &capacities);
    let mut rates = Vec::with_capacity(named.len());
    for one in &named {
        let term = &terms[one.place];
        let row = match one.swarm {
            Some(index) => Row::of_swarm(crowd, index, division, spec, term, sums.capacity),
            None => Row::of_nobody(if term.direct { 0.0 } else { idle[one.home].min(term.target) }, spec, term),
        };
        let whole = one.parts.iter().map(|(_, rate)| rate).sum::<u64>().max(1);
        // A content that has nothing yet has a row all the same: it may borrow, and it has HTTP viewers.
        let alone = [(one.home, if one.swarm.is_none() { row.rate } else { 0 })];
        let parts = if one.parts.is_empty() { &alone[..] } else { &one.parts };
        for (number, &(cluster, bittorrent)) in parts.iter().enumerate() {
            let share = if one.parts.len() > 1 { bittorrent as f64 / whole as f64 } else { 1.0 };
            let ceiling = (row.ceiling as f64 * share) as u64;
            let is_home = if one.parts.iter().any(|(k, _)| *k == one.home) { cluster == one.home } else { number == 0 };
            rates.push(PoolRate {
                content: term.content,
                cluster: members[active[cluster]].cluster.clone(),
                bittorrent,
                http: if is_home { one.http } else { 0 },
                ceiling: if row.ceiling > 0 { ceiling.max(bittorrent).max(1) } else { 0 },
                marginal_milli: row.marginal_milli,
                dithered: row.dithered,
            });
        }
    }
    let unnamed_bittorrent = (sums.newcomers / 2.0) as u64;
    let mut by_member = vec![0; members.len()];
    for (&member, load) in active.iter().zip(&loads) {
        by_member[member] = *load;
    }
    let flow = presents.iter().fold((0.0, 0.0), |sum, now| (sum.0 + now.download, sum.1 + now.upload));
    Solved {
        table: Some(PoolTable {
            capacity: sums.capacity as u64,
            generation: 0,
            ttl_seconds: 0,
            unnamed,
            unnamed_bittorrent,
            rates,
        }),
        capacity: sums.capacity as u64,
        allocated,
        by_member,
        swarms: crowd.places.len(),
        download: flow.0,
        upload: flow.1,
        ..Solved::default()
    }
}

/// The contents to name, in the order of terms.
fn name(
    beliefs: &Beliefs,
    terms: &[Term],
    presents: &[Present],
    (crowd, division): (&Crowd, &Division),
    active: &[usize],
) -> Vec<Named> {
    let mut swarms = vec![None; terms.len()];
    for (index, &place) in crowd.places.iter().enumerate() {
        swarms[place] = Some(index);
    }
    let mut parts = division.parts.as_slice();
    let mut named = Vec::with_capacity(crowd.places.len());
    for (place, term) in terms.iter().enumerate() {
        let clusters = mask(term, active);
        let swarm = swarms[place];
        if clusters.is_empty() || (swarm.is_none() && presents[place].http <= 0.0) {
            continue;
        }
        let mut own = Vec::new();
        if let Some(index) = swarm {
            // Parts and terms are in the same order.
            let count = parts.iter().take_while(|(swarm, ..)| *swarm as usize == index).count();
            let (mine, rest) = parts.split_at(count);
            own = mine.iter().map(|(_, cluster, rate)| (*cluster as usize, rate.floor() as u64)).collect();
            parts = rest;
        }
        let most = own.iter().max_by_key(|(cluster, rate)| (*rate, std::cmp::Reverse(*cluster)));
        let last = || {
            let member = beliefs.swarms.get(&term.content)?.cluster? as usize;
            active.iter().position(|&k| k == member).filter(|&k| clusters.has(k))
        };
        let home = most.map(|(cluster, _)| *cluster).or_else(last).or_else(|| clusters.iter().next()).unwrap_or(0);
        named.push(Named { place, swarm, parts: own, home, http: 0 });
    }
    named
}

/// What each active cluster may send over HTTP: the reserve, or with borrowing all that swarms leave.
fn rooms(spec: &BandwidthPoolSpec, sums: &Sums, capacities: &[f64], loads: &[u64]) -> Vec<f64> {
    let whole: f64 = capacities.iter().sum::<f64>().max(1.0);
    let allocated = loads.iter().sum::<u64>() as f64;
    let room = |(capacity, load): (&f64, &u64)| (capacity - *load as f64 - sums.newcomers * capacity / whole).max(0.0);
    let rooms: Vec<f64> = capacities.iter().zip(loads).map(room).collect();
    let left = if spec.borrowing.enabled { sums.capacity - allocated - sums.newcomers } else { sums.reserve };
    let part = (left.max(0.0) / rooms.iter().sum::<f64>().max(1.0)).min(1.0);
    rooms.into_iter().map(|room| part * room).collect()
}

/// What a named content without viewers gets at each cluster, bytes per second: half of what is kept there for newcomers.
fn idle(named: &[Named], terms: &[Term], sums: &Sums, capacities: &[f64]) -> Vec<f64> {
    let whole: f64 = capacities.iter().sum::<f64>().max(1.0);
    let mut counts = vec![0_usize; capacities.len()];
    for one in named.iter().filter(|one| one.swarm.is_none() && !terms[one.place].direct) {
        counts[one.home] += 1;
    }
    let each = |(capacity, count): (&f64, &usize)| sums.newcomers * capacity / whole / 2.0 / (*count).max(1) as f64;
    capacities.iter().zip(&counts).map(each).map(f64::floor).collect()
}

/// Shares what there is over HTTP, cluster by cluster; what is left for contents that are not named.
fn serve(named: &mut [Named], terms: &[Term], presents: &[Present], rooms: &[f64]) -> u64 {
    let mut at_home: Vec<Vec<usize>> = vec![Vec::new(); rooms.len()];
    for (index, one) in named.iter().enumerate() {
        at_home[one.home].push(index);
    }
    let mut unnamed = 0;
    for (room, indices) in rooms.iter().zip(at_home) {
        let places = indices.iter().map(|&index| named[index].place);
        let taken: Vec<direct::Taken> = places.map(|place| (presents[place].http, terms[place].target)).collect();
        let (rates, left) = direct::share(*room, &taken);
        unnamed += left;
        for (index, rate) in indices.into_iter().zip(rates) {
            named[index].http = rate;
        }
    }
    unnamed
}

/// What a row says beside its rates by cluster.
struct Row {
    rate: u64,
    ceiling: u64,
    marginal_milli: u32,
    dithered: bool,
}

impl Row {
    fn of_swarm(
        crowd: &Crowd,
        index: usize,
        division: &Division,
        spec: &BandwidthPoolSpec,
        term: &Term,
        capacity: f64,
    ) -> Self {
        let swarm = &crowd.swarms[index];
        let rate = division.rates.get(index).copied().unwrap_or(0.0);
        let marginal = 1000.0 * term.weight * swarm.marginal(BytesPerSecond::clamped(rate));
        let most = if is_target(spec) { crowd.needs[index] + LOANS * term.target } else { swarm.range(0.0).1 };
        Self {
            rate: rate as u64,
            ceiling: if spec.borrowing.enabled { most.min(capacity).max(rate) as u64 } else { 0 },
            marginal_milli: marginal.min(f64::from(u32::MAX)) as u32,
            dithered: division.dithered.get(index).copied().unwrap_or(false),
        }
    }

    fn of_nobody(rate: f64, spec: &BandwidthPoolSpec, term: &Term) -> Self {
        let lends = spec.borrowing.enabled && !term.direct;
        let ceiling = if lends { rate.max(LOANS * term.target) as u64 } else { 0 };
        Self { rate: rate as u64, ceiling, marginal_milli: (1000.0 * term.weight) as u32, dithered: false }
    }
}
