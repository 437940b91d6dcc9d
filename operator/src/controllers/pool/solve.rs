//! From beliefs and terms to a table: who is in the problem, what there is for them, and the rows that come of it. Pure, and long
//! for many swarms: it runs beside the threads that serve. The rows are made in [`super::table`].

use videocloud_crds::{
    BandwidthPoolSpec,
    bandwidthpool::{Objective as Aim, Policy as Rule},
};
use videocloud_protocol::tracker::PoolTable;
use videocloud_scheduler::{
    model::{ClusterSet, Objective, Swarm},
    policy::{FreeCompetitive, Optimal, Policy, Proportional, Ration},
    solver::SolveError,
    units::{BytesPerSecond, Weight},
};

use super::{
    belief::{Beliefs, Laws},
    divide::{Division, Question, divide},
    members::{Member, reach},
    table,
    terms::Term,
};

/// Part of the swarms' bandwidth that is kept for swarms the table does not know yet: half for contents it does not name, half for
/// named ones without viewers.
const NEWCOMERS: f64 = 0.05;

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
    let mut solved = table::make(order, beliefs, (&crowd, &division), &active, &sums);
    crowd.note(beliefs, order, &division, &active);
    (solved.needed, solved.available, solved.warm) = (needed, available, division.warm.filter(|warm| warm.is_finite()));
    Ok(solved)
}

/// Whether swarms are held to what they need.
pub(super) fn is_target(spec: &BandwidthPoolSpec) -> bool {
    spec.policy == Rule::Optimal && spec.objective == Aim::Target
}

/// The cluster that served a content last, by its place among the active ones.
fn served_by(beliefs: &Beliefs, term: &Term, active: &[usize]) -> Option<u32> {
    let last = beliefs.swarms.get(&term.content)?.cluster? as usize;
    active.iter().position(|&k| k == last).and_then(|place| u32::try_from(place).ok())
}

/// The swarms somebody downloads in and some active member may serve.
#[derive(Default)]
pub(super) struct Crowd {
    /// Their places among the terms.
    pub(super) places: Vec<usize>,
    pub(super) swarms: Vec<Swarm>,
    tenants: Vec<Option<usize>>,
    pub(super) needs: Vec<f64>,
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
pub(super) fn mask(term: &Term, active: &[usize]) -> ClusterSet {
    active.iter().enumerate().filter(|(_, k)| term.clusters.has(**k)).map(|(place, _)| place).collect()
}

/// What there is, bytes per second.
pub(super) struct Sums {
    /// In all.
    pub(super) capacity: f64,
    /// Kept for swarms the table does not know yet.
    pub(super) newcomers: f64,
    /// Kept for HTTP.
    pub(super) reserve: f64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use videocloud_protocol::tracker::Sample as Measured;

    use super::*;
    use crate::controllers::pool::belief::tests::{id, interval, measured};

    /// Rates of a swarm, of HTTP, leechers, tenant, mask and floor.
    type Drawn = (u64, u64, u64, u64, Option<usize>, u8, u64);

    fn drawn() -> impl Strategy<Value = Drawn> {
        (
            0..400_000_u64,
            0..3_000_000_u64,
            0..300_000_u64,
            0..40_u64,
            prop::option::of(0..2_usize),
            1..8_u8,
            0..90_000_u64,
        )
    }

    fn term(n: u8, (.., tenant, mask, floor): Drawn) -> Term {
        let clusters = (0..3).filter(|k| mask >> k & 1 == 1).collect();
        let (weight, floor) = (f64::from(n % 3) + 0.5, floor as f64);
        Term { content: id(n), weight, floor, target: 100_000_f64.max(floor), tenant, clusters, direct: n == 7 }
    }

    fn sample(n: u8, (upload, more, http, leechers, ..): Drawn) -> Measured {
        let base = measured(n, upload, upload + more);
        Measured { leechers_milli: 1000 * leechers, http_bytes: 10 * http, ..base }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_table_lets_more_through_than_there_is(
            drawn in prop::collection::vec(drawn(), 0..20), capacity in 1000_u64..20_000_000, cuts in prop::collection::vec(0.0..1.5_f64, 3),
            policy in prop::sample::select(vec!["Optimal", "FreeCompetitive", "Proportional", "Ration"]),
            objective in prop::sample::select(vec!["Target", "Delay", "Balanced", "Multiplier"]),
            (lends, explores, off) in any::<(bool, bool, bool)>(), reserve in 0..91_u64, share in 0..101_u64,
        ) {
            let spec: BandwidthPoolSpec = serde_json::from_value(json!({
                "capacityBytesPerSecond": capacity, "policy": policy, "objective": objective, "directReservePercent": reserve,
                "borrowing": { "enabled": lends }, "exploration": { "enabled": explores, "ditherPercent": 20 },
                "tenants": [
                    { "name": "a", "namespaceSelector": {}, "sharePercent": share },
                    { "name": "b", "namespaceSelector": {}, "sharePercent": (100 - share) / 2 },
                ],
            })).unwrap();
            let mut members: Vec<Member> = ["x", "y", "z"].iter().zip(&cuts)
                .map(|(name, cut)| Member::new(name, (cut * capacity as f64).floor())).collect();
            members[2].active = !off;
            let mut beliefs = Beliefs::default();
            let numbered = || (0_u8..).zip(drawn.iter().copied());
            for number in 1..4 {
                let samples = numbered().map(|(n, drawn)| sample(n, drawn)).collect();
                beliefs.learn("a", &interval(number, samples), policy == "Ration", |_| true);
                let terms = numbered().map(|(n, drawn)| term(n, drawn)).collect();
                let order = Order { spec: spec.clone(), terms, members: members.clone(), seed: 3, warm: None };
                let solved = solve(&mut beliefs, &order).unwrap();
                let table = solved.table.unwrap();
                let mut by_cluster = std::collections::BTreeMap::<&str, u64>::new();
                for rate in &table.rates {
                    *by_cluster.entry(&rate.cluster).or_default() += rate.bittorrent + rate.http;
                    let place = members.iter().position(|member| member.cluster == rate.cluster).unwrap();
                    let term = order.terms.iter().find(|term| term.content == rate.content).unwrap();
                    prop_assert!(term.clusters.has(place) && members[place].active, "{rate:?}");
                    prop_assert!(!term.direct || rate.bittorrent == 0);
                    prop_assert!(rate.ceiling == 0 || rate.ceiling >= rate.bittorrent);
                    prop_assert!(lends || rate.ceiling == 0);
                }
                let named: u64 = by_cluster.values().sum();
                let all = named + table.unnamed + table.unnamed_bittorrent;
                prop_assert!(all <= solved.capacity && solved.capacity <= capacity, "{all} of {}", solved.capacity);
                for member in &members {
                    let sum = by_cluster.get(member.cluster.as_str()).copied().unwrap_or(0);
                    prop_assert!(sum as f64 <= member.capacity + 1.0, "{sum} of {} in {}", member.capacity, member.cluster);
                }
                prop_assert_eq!(solved.by_member.iter().sum::<u64>(), solved.allocated);
                // Each pair of content and cluster once.
                let mut pairs: Vec<_> = table.rates.iter().map(|rate| (rate.content, &rate.cluster)).collect();
                pairs.sort_unstable();
                pairs.dedup();
                prop_assert_eq!(pairs.len(), table.rates.len());
            }
        }
    }
}
