//! The same problem for an independent solver: Clarabel, an interior-point method on power and exponential cones.
//!
//! Knows nothing of prices or decompositions: one variable per swarm and cluster, one cone per swarm.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use clarabel::algebra::CscMatrix;
use clarabel::solver::{
    DefaultSettings, DefaultSettingsBuilder, DefaultSolver, IPSolver, SolverStatus, SupportedConeT,
};
use videocloud_scheduler::solver::{Demand, Shape};

/// Demands with masks, capacities of clusters and of all together.
#[derive(Debug, Clone)]
pub struct Instance {
    pub demands: Vec<Demand>,
    /// By swarm: the clusters that can serve it.
    pub masks: Vec<Vec<usize>>,
    pub capacities: Vec<f64>,
    pub total: f64,
}

impl Instance {
    /// One cluster.
    pub fn one(demands: &[Demand], capacity: f64) -> Self {
        let masks = vec![vec![0]; demands.len()];
        Self { demands: demands.to_vec(), masks, capacities: vec![capacity], total: capacity }
    }
}

/// Rows of the cone program, filled one by one.
#[derive(Default)]
struct Program {
    entries: Vec<(usize, usize, f64)>,
    bounds: Vec<f64>,
    cones: Vec<SupportedConeT<f64>>,
}

impl Program {
    /// `bound - sum coefficient x` is a member of the cone that the caller adds.
    fn row(&mut self, terms: &[(usize, f64)], bound: f64) {
        let row = self.bounds.len();
        self.entries.extend(terms.iter().map(|&(column, value)| (row, column, value)));
        self.bounds.push(bound);
    }

    fn at_most(&mut self, terms: &[(usize, f64)], bound: f64) {
        self.row(terms, bound);
        self.cones.push(SupportedConeT::NonnegativeConeT(1));
    }

    fn matrix(&self, columns: usize) -> CscMatrix<f64> {
        let rows = self.entries.iter().map(|e| e.0).collect();
        let places = self.entries.iter().map(|e| e.1).collect();
        let values = self.entries.iter().map(|e| e.2).collect();
        CscMatrix::new_from_triplets(self.bounds.len(), columns, rows, places, values)
    }
}

/// Rates by swarm; `None` when the solver gave up.
pub fn solve(instance: &Instance) -> Option<Vec<f64>> {
    let n = instance.demands.len();
    // Upload in units of an average share of what can be used, utility in units of its size there, so that numbers are
    // near 1: the solver's tolerances are absolute, and a ceiling of 1e-5 units would be lost in them.
    let usable = instance.demands.iter().map(|d| d.hi).sum::<f64>().min(instance.total);
    let unit = usable / n as f64;
    let first: Vec<usize> =
        instance.masks.iter().scan(2 * n, |at, mask| Some(std::mem::replace(at, *at + mask.len()))).collect();
    let columns = 2 * n + instance.masks.iter().map(Vec::len).sum::<usize>();
    let largest = instance.demands.iter().map(|d| d.slope_at(unit)).fold(0.0, f64::max);
    let mut program = Program::default();
    let mut cost = vec![0.0; columns];
    for (i, demand) in instance.demands.iter().enumerate() {
        // Columns: the rate, its utility, and its parts by cluster.
        let (rate, utility) = (i, n + i);
        let mut terms = vec![(rate, 1.0)];
        terms.extend((0..instance.masks[i].len()).map(|part| (first[i] + part, -1.0)));
        program.row(&terms, 0.0);
        program.cones.push(SupportedConeT::ZeroConeT(1));
        for part in 0..instance.masks[i].len() {
            program.at_most(&[(first[i] + part, -1.0)], 0.0);
        }
        program.at_most(&[(rate, -1.0)], -demand.lo / unit);
        program.at_most(&[(rate, 1.0)], demand.hi / unit);
        if demand.lo >= demand.hi {
            program.at_most(&[(utility, 1.0)], 0.0);
            continue;
        }
        // The slope at the unit, shared by all shapes: utility is that times a function of rate / unit.
        let slope_here = demand.slope_at(unit) / largest;
        let Shape::Power { slope, .. } = demand.shape else {
            // A constant marginal.
            program.at_most(&[(utility, 1.0), (rate, -1.0)], 0.0);
            cost[utility] = -slope_here;
            continue;
        };
        let power = 1.0 - 1.0 / slope;
        if power.abs() < 1e-12 {
            // utility <= ln(rate): (utility, 1, rate) in the exponential cone.
            program.row(&[(utility, -1.0)], 0.0);
            program.row(&[], 1.0);
            program.row(&[(rate, -1.0)], 0.0);
            program.cones.push(SupportedConeT::ExponentialConeT());
            cost[utility] = -slope_here;
        } else if power > 0.0 {
            // utility <= rate^power.
            program.row(&[(rate, -1.0)], 0.0);
            program.row(&[], 1.0);
            program.row(&[(utility, -1.0)], 0.0);
            program.cones.push(SupportedConeT::PowerConeT(power));
            cost[utility] = -slope_here / power;
        } else {
            // delay >= rate^power, which is delay^(1/(1-power)) rate^(-power/(1-power)) >= 1.
            program.row(&[(utility, -1.0)], 0.0);
            program.row(&[(rate, -1.0)], 0.0);
            program.row(&[], 1.0);
            program.cones.push(SupportedConeT::PowerConeT(1.0 / (1.0 - power)));
            cost[utility] = -slope_here / power;
        }
    }
    for (k, capacity) in instance.capacities.iter().enumerate() {
        let part_of = |i: usize| instance.masks[i].iter().position(|&c| c == k).map(|part| (first[i] + part, 1.0));
        let terms: Vec<(usize, f64)> = (0..n).filter_map(part_of).collect();
        program.at_most(&terms, capacity / unit);
    }
    program.at_most(&(0..n).map(|i| (i, 1.0)).collect::<Vec<_>>(), instance.total / unit);

    let settings: DefaultSettings<f64> = DefaultSettingsBuilder::default()
        .verbose(false)
        .max_iter(400)
        .tol_gap_rel(1e-10)
        .tol_gap_abs(1e-10)
        .build()
        .unwrap();
    let nothing = CscMatrix::zeros((columns, columns));
    let matrix = program.matrix(columns);
    let mut solver = DefaultSolver::new(&nothing, &cost, &matrix, &program.bounds, &program.cones, settings).ok()?;
    solver.solve();
    let found = matches!(solver.solution.status, SolverStatus::Solved | SolverStatus::AlmostSolved);
    found.then(|| solver.solution.x[..n].iter().map(|x| x * unit).collect())
}
