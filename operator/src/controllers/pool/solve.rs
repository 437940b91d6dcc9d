//! From beliefs and terms to a table: who is in the problem, what there is for them, and the rows that come of it. Pure, and long
//! for many swarms: it runs beside the threads that serve.

use std::collections::BTreeMap;

use videocloud_crds::{
    BandwidthPoolSpec,
    bandwidthpool::{Objective as Aim, Policy as Rule},
};
use videocloud_protocol::tracker::{PoolRate, PoolTable};
use videocloud_scheduler::{
    model::{ClusterSet, Objective, Swarm},
    policy::{FreeCompetitive, Optimal, Policy, Proportional, Ration},
    solver::SolveError,
    units::{BytesPerSecond, Weight},
};

use super::{
    belief::{Beliefs, Laws, Present},
    direct,
    divide::{Division, Question, divide},
    members::{Member, reach},
    terms::Term,
};

/// Part of the swarms' bandwidth that is kept for swarms the table does not know yet: half for contents it does not name, half for
/// named ones without viewers.
const NEWCOMERS: f64 = 0.05;
/// Viewers at the target rate who may come between two solutions, on loan.
const LOANS: f64 = 2.0;

/// What is to be solved.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) spec: BandwidthPoolSpec,
    pub(super) terms: Vec<Term>,
    pub(super) members: Vec<Member>,
    /// Names the pool in the choice of what is dithered.
    pub(super) seed: u64,
    /// Of the solution before.
    pub(super) warm: Option<f64>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Solved {
    /// Without its generation and time to live.
    pub(super) table: Option<PoolTable>,
    /// Bytes per second in reach.
    pub(super) capacity: u64,
    /// Bytes per second given to swarms.
    pub(super) allocated: u64,
    /// By member.
    pub(super) by_member: Vec<u64>,
    /// What all swarms need to keep their viewers at their targets, and what there was for them.
    pub(super) needed: f64,
    pub(super) available: f64,
    /// Swarms somebody downloads in.
    pub(super) swarms: usize,
    /// D and S over the last interval, bytes per second.
    pub(super) download: f64,
    pub(super) upload: f64,
    pub(super) warm: Option<f64>,
}

/// Solves, and notes in `beliefs` what the next samples are to be held against.
///
/// # Errors
/// [`SolveError`] as the solver gives it.
pub(super) fn solve(beliefs: &mut Beliefs, order: &Order) -> Result<Solved, SolveError> {
    let Order { spec, terms, members, .. } = order;
    let capacity = reach(members, spec.capacity_bytes_per_second.get());
    let reserve = capacity * f64::from(spec.direct_reserve_percent) / 100.0;
    let newcomers = (NEWCOMERS * (capacity - reserve)).floor();
    let available = capacity - reserve - newcomers;
    let scale = if capacity > 0.0 { available / capacity } else { 0.0 };
    let active: Vec<usize> = (0..members.len()).filter(|&k| members[k].active).collect();
    let clusters: Vec<f64> = active.iter().map(|&k| scale * members[k].capacity).collect();
    let crowd = Crowd::gather(beliefs, order, &active);
    let needed = crowd.needs.iter().sum();
    let previous: Vec<Option<u32>> = crowd.places.iter().map(|&i| served_by(beliefs, &terms[i], &active)).collect();
    let shares: Vec<f64> = spec.tenants.iter().map(|tenant| f64::from(tenant.share_percent) / 100.0).collect();
    let explores = spec.exploration.enabled && matches!(spec.policy, Rule::Optimal | Rule::Ration);
    let question = Question {
        swarms: &crowd.swarms,
        tenants: &crowd.tenants,
        previous: &previous,
        clusters: &clusters,
        total: available,
        shares: &shares,
        min_marginal: f64::from(spec.min_marginal_utility_milli) / 1000.0,
        explore: explores
            .then(|| (f64::from(spec.exploration.dither_percent) / 100.0, (order.seed, beliefs.clock.tick))),
    };
    let policy = |some: &[usize]| -> Box<dyn Policy> {
        match (spec.policy, spec.objective) {
            (Rule::FreeCompetitive, _) => Box::new(FreeCompetitive),
            (Rule::Proportional, _) => Box::new(Proportional),
            (Rule::Ration, _) => Box::new(Ration { laws: some.iter().map(|&i| crowd.blind[i]).collect() }),
            (Rule::Optimal, Aim::Multiplier) => Box::new(Optimal { objective: Objective::Multiplier }),
            (Rule::Optimal, Aim::Balanced) => Box::new(Optimal { objective: Objective::Balanced }),
            // Ceilings hold each swarm to its need; what does not fit is shared by the smallest delay up to them.
            (Rule::Optimal, Aim::Delay | Aim::Target) => Box::new(Optimal { objective: Objective::Delay }),
        }
    };
    // Without an active member there is nothing to divide and nobody to divide it.
    let division = if active.is_empty() { Division::default() } else { divide(&question, &policy, order.warm)? };
    let sums = Sums { capacity, newcomers, reserve };
    let mut solved = rows(order, beliefs, &crowd, &division, &active, &sums);
    crowd.note(beliefs, order, &division, &active);
    (solved.needed, solved.available, solved.warm) = (needed, available, division.warm.filter(|warm| warm.is_finite()));
    Ok(solved)
}

/// Whether swarms are held to what they need.
fn is_target(spec: &BandwidthPoolSpec) -> bool {
    spec.policy == Rule::Optimal && spec.objective == Aim::Target
}

/// The cluster that served a content last, by its place among the active ones.
fn served_by(beliefs: &Beliefs, term: &Term, active: &[usize]) -> Option<u32> {
    let last = beliefs.swarms.get(&term.content)?.cluster? as usize;
    active.iter().position(|&k| k == last).and_then(|place| u32::try_from(place).ok())
}

/// The swarms somebody downloads in and some active member may serve.
#[derive(Default)]
struct Crowd {
    /// Their places among the terms.
    places: Vec<usize>,
    swarms: Vec<Swarm>,
    tenants: Vec<Option<usize>>,
    needs: Vec<f64>,
    blind: Vec<Option<videocloud_scheduler::model::PowerLaw>>,
}

impl Crowd {
    fn gather(beliefs: &Beliefs, order: &Order, active: &[usize]) -> Self {
        let spec = &order.spec;
        let laws = match (spec.policy, spec.objective) {
            (Rule::Ration, _) | (Rule::Optimal, Aim::Multiplier) => Laws::Power,
            _ => Laws::Regimes,
        };
        let mut crowd = Self::default();
        for (place, term) in order.terms.iter().enumerate() {
            let clusters = mask(term, active);
            if term.direct || clusters.is_empty() || beliefs.present(&term.content).audience.is_idle() {
                continue;
            }
            let mut swarm = beliefs.swarm(&term.content, laws, term.target);
            swarm.weight = Weight::new(term.weight).unwrap_or_default();
            swarm.viewer_floor = (term.floor > 0.0).then(|| BytesPerSecond::clamped(term.floor));
            swarm.clusters = clusters;
            let need = swarm.need(BytesPerSecond::clamped(term.target));
            if is_target(spec) {
                swarm.ceiling = Some(BytesPerSecond::clamped(need));
            }
            crowd.places.push(place);
            crowd.swarms.push(swarm);
            crowd.tenants.push(term.tenant);
            crowd.needs.push(need);
            crowd.blind.push(if spec.policy == Rule::Ration { beliefs.ration(&term.content) } else { None });
        }
        crowd
    }

    /// Notes what the next samples are to be held against.
    fn note(&self, beliefs: &mut Beliefs, order: &Order, division: &Division, active: &[usize]) {
        let mut most: Vec<Option<(f64, usize)>> = vec![None; self.places.len()];
        for (swarm, cluster, rate) in &division.parts {
            let entry = &mut most[*swarm as usize];
            if entry.is_none_or(|(best, _)| *rate > best) {
                *entry = Some((*rate, active[*cluster as usize]));
            }
        }
        let target = is_target(&order.spec);
        for ((&place, need), most) in self.places.iter().zip(&self.needs).zip(most) {
            let term = &order.terms[place];
            if let Some(belief) = beliefs.swarms.get_mut(&term.content) {
                (belief.target, belief.need) = if target { (term.target, *need) } else { (0.0, 0.0) };
                belief.cluster = most.and_then(|(_, member)| u32::try_from(member).ok()).or(belief.cluster);
            }
        }
    }
}

/// The active members that may serve a content, by their place among the active ones.
fn mask(term: &Term, active: &[usize]) -> ClusterSet {
    active.iter().enumerate().filter(|(_, k)| term.clusters.has(**k)).map(|(place, _)| place).collect()
}

struct Sums {
    capacity: f64,
    newcomers: f64,
    reserve: f64,
}

/// The table: a row for each content and cluster that gets something, over BitTorrent or HTTP.
fn rows(order: &Order, beliefs: &Beliefs, crowd: &Crowd, division: &Division, active: &[usize], sums: &Sums) -> Solved {
    let Order { spec, terms, members, .. } = order;
    let mut solved = Solved { capacity: sums.capacity as u64, by_member: vec![0; members.len()], ..Solved::default() };
    let presents: Vec<Present> = terms.iter().map(|term| beliefs.present(&term.content)).collect();
    let mut in_crowd = vec![None; terms.len()];
    for (index, &place) in crowd.places.iter().enumerate() {
        in_crowd[place] = Some(index);
    }
    let named = |&place: &usize| {
        (in_crowd[place].is_some() || presents[place].http > 0.0) && !mask(&terms[place], active).is_empty()
    };
    let named: Vec<usize> = (0..terms.len()).filter(named).collect();
    let given = |(_, _, rate): &(u32, u32, f64)| rate.floor() as u64;
    let allocated: u64 = division.parts.iter().map(given).sum();
    let left = if spec.borrowing.enabled { sums.capacity - allocated as f64 - sums.newcomers } else { sums.reserve };
    let (http, unnamed) = direct::share(left, &named.iter().map(|&place| presents[place].http).collect::<Vec<_>>());
    let idle = named.iter().filter(|&&place| in_crowd[place].is_none() && !terms[place].direct).count();
    let each_idle = (sums.newcomers / 2.0 / (idle.max(1)) as f64).floor();
    let mut parts: BTreeMap<u32, Vec<(u32, f64)>> = BTreeMap::new();
    for (swarm, cluster, rate) in &division.parts {
        parts.entry(*swarm).or_default().push((*cluster, *rate));
    }
    let mut table = PoolTable { generation: 0, ttl_seconds: 0, unnamed, unnamed_bittorrent: 0, rates: Vec::new() };
    table.rates.reserve(named.len());
    for (&place, http) in named.iter().zip(http) {
        let term = &terms[place];
        let home = beliefs.swarms.get(&term.content).and_then(|belief| belief.cluster);
        let home = home.and_then(|k| active.iter().position(|&a| a == k as usize));
        let home =
            home.filter(|&k| mask(term, active).has(k)).or_else(|| mask(term, active).iter().next()).unwrap_or(0);
        let nothing = [(home as u32, 0.0)];
        let row = match in_crowd[place] {
            Some(index) => Row::of_swarm(crowd, index, division, spec, term, sums.capacity),
            None => Row::of_nobody(if term.direct { 0.0 } else { each_idle.min(term.target) }, spec, term),
        };
        let split = in_crowd[place].and_then(|index| parts.get(&(index as u32)));
        let split = split.map_or(&nothing[..], Vec::as_slice);
        let whole: f64 = split.iter().map(|(_, rate)| rate).sum();
        let (mut ceiling, mut over_http) = (row.ceiling, http);
        for (number, (cluster, rate)) in split.iter().enumerate() {
            // What cannot be divided goes to the last one, so that the parts add up.
            let last = number + 1 == split.len();
            let part = |all: u64, left: u64| if last { left } else { (all as f64 * rate / whole.max(1.0)) as u64 };
            let (own_ceiling, own_http) = (part(row.ceiling, ceiling), part(http, over_http));
            (ceiling, over_http) = (ceiling - own_ceiling.min(ceiling), over_http - own_http.min(over_http));
            let bittorrent = if in_crowd[place].is_some() { rate.floor() as u64 } else { row.rate as u64 };
            if in_crowd[place].is_some() {
                solved.by_member[active[*cluster as usize]] += bittorrent;
            }
            table.rates.push(PoolRate {
                content: term.content,
                cluster: members[active[*cluster as usize]].cluster.clone(),
                bittorrent,
                http: own_http,
                ceiling: if own_ceiling > 0 { own_ceiling.max(bittorrent) } else { 0 },
                marginal_milli: row.marginal_milli,
                dithered: row.dithered,
            });
        }
    }
    table.unnamed_bittorrent = (sums.newcomers / if idle > 0 { 2.0 } else { 1.0 }) as u64;
    solved.allocated = allocated;
    solved.swarms = crowd.places.len();
    (solved.download, solved.upload) =
        presents.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.download, sum.1 + p.upload));
    solved.table = Some(table);
    solved
}

/// What a row says beside its rates by cluster.
struct Row {
    rate: f64,
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
        let (swarm, rate) = (&crowd.swarms[index], division.rates[index]);
        let marginal = 1000.0 * term.weight * swarm.marginal(BytesPerSecond::clamped(rate));
        let most = if is_target(spec) { crowd.needs[index] + LOANS * term.target } else { swarm.range(0.0).1 };
        let ceiling = if spec.borrowing.enabled { most.min(capacity).max(rate) as u64 } else { 0 };
        Self {
            rate,
            ceiling,
            marginal_milli: marginal.min(f64::from(u32::MAX)) as u32,
            dithered: division.dithered[index],
        }
    }

    fn of_nobody(rate: f64, spec: &BandwidthPoolSpec, term: &Term) -> Self {
        let lends = spec.borrowing.enabled && !term.direct;
        let ceiling = if lends { rate.max(LOANS * term.target) as u64 } else { 0 };
        Self { rate, ceiling, marginal_milli: (1000.0 * term.weight) as u32, dithered: false }
    }
}
