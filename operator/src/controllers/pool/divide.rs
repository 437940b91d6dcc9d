//! Shares what swarms get among them: the policy's own solution, tenants' guarantees on top, dithered, split over clusters. Pure.
//!
//! A tenant's share is kept for it when it needs it. Where the policy alone gives a tenant less than its share and less than it can
//! use, that tenant is solved for alone with its share of every cluster, and the others with what is left; again until nobody is
//! short. With one cluster that is the optimum under the guarantees: they are bounds on sums of disjoint sets.

use videocloud_scheduler::{
    estimator::dither,
    model::Swarm,
    policy::{Policy, Pool},
    solver::{Costs, Placement, SolveError, Supply, split},
    units::BytesPerSecond,
};

/// Rates nearer than this are equal, bytes per second.
const NEAR: f64 = 1.0;
/// What it costs to serve a swarm from another cluster than the last.
const MOVING: u32 = 1;

/// What is divided.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// The swarms.
    pub(super) swarms: &'a [Swarm],
    /// The tenant of each, by its place in `shares`.
    pub(super) tenants: &'a [Option<usize>],
    /// The cluster that served each last.
    pub(super) previous: &'a [Option<u32>],
    /// Bytes per second of each cluster.
    pub(super) clusters: &'a [f64],
    /// Bytes per second of all together.
    pub(super) total: f64,
    /// Tenants' shares, from 0 to 1.
    pub(super) shares: &'a [f64],
    /// Bytes of download below which a byte is not spent.
    pub(super) min_marginal: f64,
    /// How far rates are moved to learn, with the seed and the interval; `None` for not at all.
    pub(super) explore: Option<(f64, (u64, u64))>,
}

/// Who gets what.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Division {
    /// Swarm, cluster, bytes per second: in the order of swarms. A swarm that gets nothing is missing.
    pub(super) parts: Vec<(u32, u32, f64)>,
    /// Rates over all clusters, by swarm.
    pub(super) rates: Vec<f64>,
    /// Moved on purpose, by swarm.
    pub(super) dithered: Vec<bool>,
    /// Log price to start the next solution from.
    pub(super) warm: Option<f64>,
}

/// Divides.
///
/// # Errors
/// [`SolveError`] as the solver gives it.
pub(super) fn divide(
    question: &Question<'_>,
    policy: &dyn Fn(&[usize]) -> Box<dyn Policy>,
    warm: Option<f64>,
) -> Result<Division, SolveError> {
    let count = question.swarms.len();
    let mut division = Division { rates: vec![0.0; count], dithered: vec![false; count], ..Division::default() };
    let mut left = question.clusters.to_vec();
    let mut total = question.total;
    let mut rest: Vec<usize> = (0..count).collect();
    let mut settled = vec![false; question.shares.len()];
    let mut warm = warm;
    loop {
        let part = Part { question, members: &rest, clusters: &left, total };
        let solved = part.solve(policy, warm)?;
        warm = Some(solved.0);
        let short = part.short(&solved.1, &solved.2, &settled);
        if short.is_empty() {
            part.place(solved.3, &mut division);
            break;
        }
        for tenant in short {
            settled[tenant] = true;
            let (own, others) = rest.iter().partition::<Vec<usize>, _>(|&&i| question.tenants[i] == Some(tenant));
            rest = others;
            let share = question.shares[tenant];
            let clusters: Vec<f64> =
                question.clusters.iter().zip(&left).map(|(all, left)| (share * all).min(*left)).collect();
            let part =
                Part { question, members: &own, clusters: &clusters, total: (share * question.total).min(total) };
            let solved = part.solve(policy, None)?;
            let spent = part.place(solved.3, &mut division);
            for (left, spent) in left.iter_mut().zip(&spent) {
                *left = (*left - spent).max(0.0);
            }
            total = (total - spent.iter().sum::<f64>()).max(0.0);
        }
    }
    division.parts.sort_unstable_by_key(|(swarm, cluster, _)| (*swarm, *cluster));
    division.warm = warm;
    Ok(division)
}

/// Some of the swarms, and what there is for them.
struct Part<'a> {
    question: &'a Question<'a>,
    members: &'a [usize],
    clusters: &'a [f64],
    total: f64,
}

/// What was placed: swarm, cluster and rate, and who was moved.
struct Placed {
    parts: Vec<(u32, u32, f64)>,
    moved: Vec<bool>,
}

impl Part<'_> {
    /// Log price, rates, ceilings and places.
    #[allow(clippy::type_complexity)]
    fn solve(
        &self,
        policy: &dyn Fn(&[usize]) -> Box<dyn Policy>,
        warm: Option<f64>,
    ) -> Result<(f64, Vec<f64>, Vec<f64>, Placed), SolveError> {
        let capacities = self.clusters.iter().map(|rate| BytesPerSecond::clamped(*rate)).collect();
        let supply = Supply::clusters(capacities, Some(BytesPerSecond::clamped(self.total)))?;
        let swarms = self.members.iter().map(|&i| self.question.swarms[i].clone()).collect();
        let pool = Pool { swarms, supply, min_marginal: self.question.min_marginal };
        let mut found = policy(self.members).allocate(&pool, warm)?;
        let rates = found.solution.rates.clone();
        let ceilings = found.demands().iter().map(|demand| demand.hi).collect();
        let seats = pool.seats();
        let moved = match self.question.explore {
            Some((amplitude, at)) => {
                let demands = found.demands().to_vec();
                dither(&mut found.solution, &demands, &seats, amplitude, at)
            }
            None => vec![false; rates.len()],
        };
        let price = found.solution.warm;
        let parts = if self.clusters.len() == 1 {
            let some = found.solution.rates.iter().enumerate().filter(|(_, rate)| **rate > 0.0);
            some.map(|(i, rate)| (self.members[i] as u32, 0, *rate)).collect()
        } else {
            let place = |&i: &usize| Placement { previous: self.question.previous[i], ..Placement::ANYWHERE };
            let places: Vec<Placement> = self.members.iter().map(place).collect();
            let costs = Costs { moving: MOVING, ..Costs::default() };
            let parts = split(&found.solution, &seats, &places, &costs, &pool.supply);
            parts.into_iter().map(|part| (self.members[part.swarm as usize] as u32, part.cluster, part.rate)).collect()
        };
        Ok((price, rates, ceilings, Placed { parts, moved }))
    }

    /// Tenants that got less than their share and less than they can use.
    fn short(&self, rates: &[f64], ceilings: &[f64], settled: &[bool]) -> Vec<usize> {
        let shares = self.question.shares;
        if shares.iter().all(|share| *share == 0.0) {
            return Vec::new();
        }
        let mut got = vec![(0.0, 0.0); shares.len()];
        for ((&member, rate), ceiling) in self.members.iter().zip(rates).zip(ceilings) {
            if let Some(tenant) = self.question.tenants[member] {
                got[tenant] = (got[tenant].0 + rate, got[tenant].1 + ceiling);
            }
        }
        let is_short = |&tenant: &usize| {
            let (rate, ceiling): (f64, f64) = got[tenant];
            !settled[tenant] && rate + NEAR < ceiling.min(shares[tenant] * self.question.total)
        };
        (0..shares.len()).filter(is_short).collect()
    }

    /// Writes what was placed down; what it spends by cluster.
    fn place(&self, placed: Placed, division: &mut Division) -> Vec<f64> {
        let mut spent = vec![0.0; self.clusters.len()];
        for (swarm, cluster, rate) in placed.parts {
            spent[cluster as usize] += rate;
            division.rates[swarm as usize] += rate;
            division.parts.push((swarm, cluster, rate));
        }
        for (&member, moved) in self.members.iter().zip(placed.moved) {
            division.dithered[member] = moved;
        }
        spent
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use videocloud_scheduler::{
        model::{ClusterSet, PowerLaw, SwarmLaw},
        policy::Proportional,
        units::Audience,
    };

    use super::*;

    fn swarm(leechers: f64) -> Swarm {
        let law = PowerLaw::from_log(0.5, 0.1, 9.0).unwrap();
        Swarm::new(Audience::new(0.0, leechers).unwrap(), SwarmLaw::Power(law))
    }

    fn question<'a>(swarms: &'a [Swarm], tenants: &'a [Option<usize>], shares: &'a [f64]) -> Question<'a> {
        Question {
            swarms,
            tenants,
            previous: &[None; 8],
            clusters: &[1000.0],
            total: 1000.0,
            shares,
            min_marginal: 0.0,
            explore: None,
        }
    }

    fn rates(question: &Question<'_>) -> Vec<u64> {
        let division = divide(question, &|_| Box::new(Proportional), None).unwrap();
        let sum: f64 = division.parts.iter().map(|part| part.2).sum();
        assert!(sum <= question.total && (sum - division.rates.iter().sum::<f64>()).abs() < 1e-6);
        division.rates.iter().map(|rate| rate.round() as u64).collect()
    }

    #[test]
    fn a_share_is_kept_for_whom_it_is_and_lent_when_it_is_not_needed() {
        let swarms = [swarm(90.0), swarm(10.0)];
        let tenants = [None, Some(0)];
        assert_eq!(rates(&question(&swarms, &tenants, &[0.0])), [900, 100]);
        assert_eq!(rates(&question(&swarms, &tenants, &[0.4])), [600, 400]);
        assert_eq!(rates(&question(&swarms, &tenants, &[0.05])), [900, 100], "it gets more than its share anyway");
        let content = [swarm(90.0), Swarm { ceiling: Some(BytesPerSecond::clamped(150.0)), ..swarm(10.0) }];
        assert_eq!(rates(&question(&content, &tenants, &[0.4])), [850, 150]);
    }

    #[test]
    fn one_guarantee_may_make_another_tenant_short() {
        let swarms = [swarm(70.0), swarm(20.0), swarm(10.0)];
        // Alone the first tenant has its fifth; when the second takes half, it has not.
        let found = rates(&question(&swarms, &[None, Some(0), Some(1)], &[0.2, 0.5]));
        assert_eq!(found, [300, 200, 500]);
    }

    #[test]
    fn clusters_and_masks_hold_with_guarantees() {
        let only = |place: usize| Swarm { clusters: ClusterSet::NONE.with(place), ..swarm(10.0) };
        let swarms = [only(0), only(1), swarm(80.0)];
        let tenants = [Some(0), None, None];
        let base = question(&swarms, &tenants, &[0.5]);
        let question = Question { clusters: &[600.0, 400.0], ..base };
        let division = divide(&question, &|_| Box::new(Proportional), None).unwrap();
        let mut load = [0.0; 2];
        for (swarm, cluster, rate) in &division.parts {
            assert!(swarms[*swarm as usize].clusters.has(*cluster as usize));
            load[*cluster as usize] += rate;
        }
        assert!(load[0] <= 600.0 && load[1] <= 400.0, "{load:?}");
        assert!((division.rates[0] - 300.0).abs() < 1.0, "half of the only cluster it may use: {:?}", division.rates);
    }
}
