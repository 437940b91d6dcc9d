//! A problem with several clusters, solved exactly by decomposition (Fujishige; Groenevelt).
//!
//! Solve with one price; where a set of swarms got more than its clusters carry, the set with the
//! largest excess is tight in the optimum: solve it and the rest apart, and again. A cluster set
//! splits at most K-1 times. Floors that do not fit are scaled first, by the same solver.

use std::collections::HashMap;

use super::curves::Curves;
use super::demand::Demand;
use super::network::{Network, Violation};
use super::price::one_price;
use super::quantum::Quantum;
use super::supply::{Seat, SolveError, Supply};
use crate::model::ClusterSet;

/// A floor is reported as scaled when it lost more than this part of itself.
const SCALED: f64 = 1e-9;

/// Demands, where each may be served, and what there is to share.
#[derive(Debug, Clone)]
pub struct Problem {
    pub(crate) demands: Vec<Demand>,
    pub(crate) supply: Supply,
    /// Distinct seats, sorted, and for each swarm its place among them.
    groups: Vec<Seat>,
    group_of: Vec<u32>,
    quantum: Quantum,
}

/// A floor that did not fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScaledFloor {
    /// Index of the swarm.
    pub swarm: usize,
    /// The floor that was asked for, bytes per second.
    pub wanted: f64,
    /// What was possible, bytes per second.
    pub given: f64,
}

/// Swarms that share one price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Log price; see [`super::Price::nu`].
    pub nu: f64,
    /// What the block had to share, bytes per second.
    pub capacity: f64,
}

/// The exact answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// Upload by swarm, bytes per second, multiples of the quantum.
    pub rates: Vec<f64>,
    /// The prices.
    pub blocks: Vec<Block>,
    /// By swarm, its place in `blocks`.
    pub block_of: Vec<u32>,
    /// The floors that were scaled down because clusters were overloaded by floors alone.
    pub scaled: Vec<ScaledFloor>,
    /// Log price of the undivided problem, to start the next similar one from.
    pub warm: f64,
    /// Passes over swarm arrays, in units of one pass over all swarms.
    pub passes: f64,
    /// One-price problems solved.
    pub solves: u32,
    /// The grain of the rates.
    pub quantum: Quantum,
}

impl Problem {
    /// Checks that every swarm can be served and groups them by seat.
    ///
    /// # Errors
    /// [`SolveError`] naming the first swarm without a cluster or with an unknown tenant.
    pub fn new(demands: Vec<Demand>, seats: &[Seat], supply: Supply) -> Result<Self, SolveError> {
        if demands.len() != seats.len() {
            return Err(SolveError::Seats { demands: demands.len(), seats: seats.len() });
        }
        if u32::try_from(demands.len()).is_err() {
            return Err(SolveError::TooMany(demands.len()));
        }
        let clusters = supply.capacities().len();
        let all = ClusterSet::first(clusters);
        let mut places: HashMap<Seat, u32> = HashMap::new();
        let mut groups = Vec::new();
        let mut group_of = Vec::with_capacity(seats.len());
        for (swarm, seat) in seats.iter().enumerate() {
            let seat = Seat { clusters: seat.clusters.and(all), ..*seat };
            if seat.clusters.is_empty() {
                return Err(SolveError::NoCluster { swarm, clusters });
            }
            if let Some(tenant) = seat.tenant.filter(|t| t.0 as usize >= supply.shares().len()) {
                return Err(SolveError::NoTenant { swarm, tenant: tenant.0 });
            }
            group_of.push(*places.entry(seat).or_insert_with(|| {
                groups.push(seat);
                groups.len() as u32 - 1
            }));
        }
        let quantum = Quantum::for_capacity(supply.total().get());
        Ok(Self { demands, supply, groups, group_of, quantum })
    }

    /// What the swarms ask for.
    #[must_use]
    pub fn demands(&self) -> &[Demand] {
        &self.demands
    }

    /// Solves the problem; `warm` is [`Solution::warm`] of an earlier one.
    #[must_use]
    pub fn solve(&self, warm: Option<f64>) -> Solution {
        let network = Network::new(&self.supply, self.quantum);
        let most = network.total;
        let mut curves = Curves::new(self.demands.iter().copied(), most, self.quantum);
        let cut = curves.cut;
        let mut solves = 0;
        let overloaded = self.floors_overload(&curves, &network);
        if overloaded {
            let scale = |d: &Demand| Demand::proportional(d.lo, 0.0, d.lo);
            let only_floors = Curves::new(self.demands.iter().map(scale), most, self.quantum);
            let possible = self.decompose(&only_floors, network.clone(), None);
            let lowered = self.demands.iter().zip(&possible.rates);
            let demands: Vec<Demand> = lowered.map(|(d, &given)| Demand { lo: d.lo.min(given), ..*d }).collect();
            curves = Curves::new(demands.into_iter(), most, self.quantum);
            solves = possible.solves;
        }
        let mut solution = self.decompose(&curves, network, warm);
        // Otherwise everybody has his floor, and a million demands need not be looked at again.
        let short = if overloaded || cut { &self.demands[..] } else { &[] };
        for (swarm, (demand, &given)) in short.iter().zip(&solution.rates).enumerate() {
            if given < demand.lo * (1.0 - SCALED) - self.quantum.get() {
                solution.scaled.push(ScaledFloor { swarm, wanted: demand.lo, given });
            }
        }
        solution.solves += solves;
        solution
    }

    /// Whether the clusters cannot carry even the floors.
    fn floors_overload(&self, curves: &Curves, network: &Network) -> bool {
        let wanted = curves.limits().0;
        if wanted == 0.0 || wanted > network.total {
            return wanted > 0.0;
        }
        let mut floors = vec![0.0; curves.len()];
        curves.write_limit(false, &mut floors);
        network.worst(&self.groups, &self.loads(None, &floors)).is_some()
    }

    /// Load of each group, of all swarms or of these members.
    fn loads(&self, members: Option<&[u32]>, rates: &[f64]) -> Vec<f64> {
        let mut loads = vec![0.0; self.groups.len()];
        match members {
            None if loads.len() == 1 => loads[0] = rates.iter().sum(),
            None => {
                for (&group, rate) in self.group_of.iter().zip(rates) {
                    loads[group as usize] += rate;
                }
            }
            Some(members) => {
                for (&member, rate) in members.iter().zip(rates) {
                    loads[self.group_of[member as usize] as usize] += rate;
                }
            }
        }
        loads
    }

    fn decompose(&self, curves: &Curves, network: Network, warm: Option<f64>) -> Solution {
        let n = curves.len();
        let mut solution = Solution {
            rates: vec![0.0; n],
            blocks: Vec::new(),
            block_of: vec![0; n],
            scaled: Vec::new(),
            warm: f64::NEG_INFINITY,
            passes: 0.0,
            solves: 0,
            quantum: self.quantum,
        };
        // The whole problem needs no list of members and no copy of the arrays.
        let mut open: Vec<(Option<Vec<u32>>, Network, Option<f64>)> = vec![(None, network, warm)];
        while let Some((members, network, warm)) = open.pop() {
            let part = members.as_ref().map(|members| curves.subset(members));
            let part = part.as_ref().unwrap_or(curves);
            let mut rates = vec![0.0; part.len()];
            let price = one_price(part, network.total, warm, &mut rates);
            if solution.solves == 0 {
                solution.warm = price.nu;
            }
            solution.solves += 1;
            solution.passes += f64::from(price.passes) * part.len() as f64 / n.max(1) as f64;
            let loads = self.loads(members.as_deref(), &rates);
            match network.worst(&self.groups, &loads) {
                None => {
                    let block = solution.blocks.len() as u32;
                    solution.blocks.push(Block { nu: price.nu, capacity: network.total });
                    let Some(members) = members else {
                        solution.rates = rates;
                        continue;
                    };
                    for (&swarm, rate) in members.iter().zip(rates) {
                        solution.rates[swarm as usize] = rate;
                        solution.block_of[swarm as usize] = block;
                    }
                }
                Some(Violation { inside, for_inside, for_outside }) => {
                    let is_inside = |&i: &u32| inside[self.group_of[i as usize] as usize];
                    let all = || members.clone().unwrap_or_else(|| (0..n as u32).collect());
                    let (first, rest): (Vec<u32>, Vec<u32>) = all().into_iter().partition(is_inside);
                    let start = Some(price.nu);
                    for (members, network) in [(rest, for_outside), (first, for_inside)] {
                        if !members.is_empty() {
                            open.push((Some(members), network, start));
                        }
                    }
                }
            }
        }
        solution
    }
}
