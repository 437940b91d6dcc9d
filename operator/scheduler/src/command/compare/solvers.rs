//! The paper's solvers beside the exact one, on swarms without floors, ceilings and masks.

use videocloud_scheduler::baseline::{Run, Stop, conditional_gradient, hill_climbing, water_filling};
use videocloud_scheduler::model::{Objective, Swarm};
use videocloud_scheduler::policy::Pool;
use videocloud_scheduler::solver::{Curves, Demand, Quantum, marginal_deviation, one_price};

use super::drawings;
use crate::command::error::CommandError;
use crate::command::plot::Line;
use crate::command::progress;
use crate::command::write::counted;

/// Above this many swarms FA's quadratic time is no longer a comparison.
const MOST: usize = 20_000;
/// `dev_mu` of the paper's prototype.
const DEVIATION: f64 = 0.01;
/// FA's iterations are several hundred times as long as the others'.
const FA_ITERATIONS: usize = 4_000;
const ITERATIONS: usize = 200_000;
/// Points of a line that are drawn.
const POINTS: usize = 150;

type Solver = (&'static str, usize, fn(&[Demand], f64, Stop) -> Run);
const PAPER: [Solver; 3] = [
    ("FA (conditional gradient)", FA_ITERATIONS, conditional_gradient),
    ("water-filling", ITERATIONS, water_filling),
    ("hill-climbing", ITERATIONS, hill_climbing),
];

/// What the solvers share.
pub(super) struct Contest {
    demands: Vec<Demand>,
    capacity: f64,
}

impl Contest {
    /// The swarms with a law, if there are not too few or too many.
    pub(super) fn of(pool: &Pool) -> Result<Self, CommandError> {
        let capacity = pool.supply.total().get();
        let wanted = |swarm: &&Swarm| !swarm.audience.is_idle() && !swarm.audience.is_solo();
        let demand = |swarm: &Swarm| Demand { lo: 0.0, hi: capacity, ..Demand::of(swarm, Objective::Multiplier, 0.0) };
        let demands: Vec<Demand> = pool.swarms.iter().filter(wanted).map(demand).collect();
        let demands: Vec<Demand> = demands.into_iter().filter(|d| d.step().is_none()).collect();
        if demands.len() < 2 || demands.len() > MOST || capacity <= 0.0 {
            let found = counted(demands.len(), "swarm");
            let problem = format!(
                "--solvers compares on 2 to {MOST} swarms with a law and some capacity, not on {found} and {capacity} B/s"
            );
            return Err(CommandError::Usage(problem));
        }
        Ok(Self { demands, capacity })
    }

    /// Runs the solvers, prints a table and perhaps draws.
    pub(super) fn run(&self, plots: Option<&str>) -> Result<(), CommandError> {
        let Self { ref demands, capacity } = *self;
        let blocks = vec![0; demands.len()];
        let total = |rates: &[f64]| demands.iter().zip(rates).map(|(d, &s)| d.utility(s)).sum::<f64>();
        let curves = Curves::new(demands.iter().copied(), capacity, Quantum::for_capacity(capacity));
        let mut rates = vec![0.0; demands.len()];
        let price = one_price(&curves, capacity, None, &mut rates);
        let best = total(&rates);
        let deviation = |rates: &[f64]| marginal_deviation(demands, rates, &blocks, 0.0);
        let equal = deviation(&vec![capacity / demands.len() as f64; demands.len()]);

        eprintln!("\n{:<28}{:>11}{:>10}{:>10}{:>13}", "solver", "iterations", "passes", "dev_mu", "below best");
        let row = |name: &str, iterations: usize, passes: usize, rates: &[f64]| {
            let below = 1.0 - total(rates) / best;
            eprintln!("{name:<28}{iterations:>11}{passes:>10}{:>10.1e}{below:>13.1e}", deviation(rates));
        };
        row("one price (exact)", price.passes as usize, price.passes as usize, &rates);
        let points = vec![(1.0, equal), (f64::from(price.passes), deviation(&rates).max(1e-12))];
        let mut lines = vec![Line { name: "one price (exact)".to_owned(), points, marks: true }];
        let bar = progress::steps("the paper's solvers");
        bar.set_length(PAPER.len() as u64);
        for (name, iterations, solve) in PAPER {
            let found = solve(demands, capacity, Stop { deviation: DEVIATION, iterations });
            row(name, found.iterations, found.passes, &found.rates);
            lines.push(line(name, &found, equal));
            bar.inc(1);
        }
        bar.finish_and_clear();
        plots.map_or(Ok(()), |folder| drawings::convergence(folder, lines))
    }
}

/// The trace of a run over its passes, thinned evenly on a logarithmic scale.
fn line(name: &str, run: &Run, equal: f64) -> Line {
    let each = run.passes as f64 / run.iterations.max(1) as f64;
    let most = (run.passes as f64).max(2.0).ln();
    let mut points = vec![(1.0, equal)];
    let mut drawn = 0;
    for &(iteration, deviation) in &run.trace {
        let passes = (iteration as f64 * each).max(1.0);
        let place = (passes.ln() / most * POINTS as f64) as usize;
        if place > drawn || iteration == run.iterations {
            points.push((passes, deviation));
            drawn = place;
        }
    }
    // Only looked at when it was done.
    let marks = run.trace.len() < 2;
    if marks {
        points.remove(0);
    }
    Line { name: name.to_owned(), points, marks }
}
