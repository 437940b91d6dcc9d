//! `compare`: policies, and on request solvers, side by side on the same swarms.

mod drawings;
mod solvers;

use videocloud_scheduler::model::{Objective, Swarm};
use videocloud_scheduler::policy::{Allocation, FreeCompetitive, InjectionFirst, Optimal, Policy, Pool, Proportional};
use videocloud_scheduler::simulator::pieces::SERVED;
use videocloud_scheduler::units::BytesPerSecond;

use super::cli::CompareArgs;
use super::error::CommandError;
use super::pool::Named;
use super::write::Sink;

/// `d_basic`, under which a viewer is hungry (Li et al., IEEE TPDS 24(11), 2013), bytes per second.
const HUNGRY: f64 = 30_000.0;

/// What one policy makes of the pool, as the laws predict.
struct Outcome {
    name: &'static str,
    spent: f64,
    download: f64,
    /// Mean over viewers of their rate, bytes per second.
    mean: f64,
    /// The rate nine in ten viewers exceed.
    p10: f64,
    hungry: f64,
    served: f64,
    deviation: f64,
}

/// Reads, allocates with every policy, writes and prints.
pub(crate) fn run(args: &CompareArgs) -> Result<(), CommandError> {
    let named = Named::read(&args.pool)?;
    let target = Objective::Target(BytesPerSecond::clamped(args.target_rate));
    let optimal = |objective| Box::new(Optimal { objective }) as Box<dyn Policy>;
    // Not Ration: without a history its level absorbs the seeders, and it is the multiplier's equal.
    let policies: [Box<dyn Policy>; 7] = [
        Box::new(FreeCompetitive),
        Box::new(Proportional),
        Box::new(InjectionFirst),
        optimal(Objective::Multiplier),
        optimal(Objective::Balanced),
        optimal(Objective::Delay),
        optimal(target),
    ];
    // Whether it can be done is known before anything is written.
    let contest = if args.solvers { Some(solvers::Contest::of(&named.pool)?) } else { None };
    let mut sink = Sink::open(&args.out)?;
    sink.write("policy,spent,download,multiplier,mean,p10,hungry,served,dev_mu\n")?;
    let mut shown = Vec::new();
    for policy in &policies {
        let found = policy.allocate(&named.pool, None)?;
        let o = outcome(policy.name(), &named.pool, &found);
        sink.write(&format!(
            "{},{:.0},{:.0},{:.4},{:.0},{:.0},{:.4},{:.4},{:.4}\n",
            o.name,
            o.spent,
            o.download,
            o.download / o.spent.max(f64::MIN_POSITIVE),
            o.mean,
            o.p10,
            o.hungry,
            o.served,
            o.deviation,
        ))?;
        shown.push((o, found.solution.rates));
    }
    sink.finish()?;
    print(&shown);
    if let Some(folder) = &args.plots {
        drawings::marginals(
            folder,
            &named.pool,
            &shown.iter().map(|(o, rates)| (o.name, &rates[..])).collect::<Vec<_>>(),
        )?;
    }
    contest.map_or(Ok(()), |contest| contest.run(args.plots.as_deref()))
}

fn outcome(name: &'static str, pool: &Pool, found: &Allocation) -> Outcome {
    let mut rates: Vec<(f64, f64)> = Vec::with_capacity(pool.swarms.len());
    let (mut spent, mut download) = (0.0, 0.0);
    for (swarm, &rate) in pool.swarms.iter().zip(&found.solution.rates) {
        let leechers = swarm.audience.leechers.get();
        // No law promises less than what the cloud itself uploads.
        let here = swarm.download(BytesPerSecond::clamped(rate)).get().max(rate);
        spent += rate;
        download += here;
        if leechers > 0.0 {
            rates.push((here / leechers, leechers));
        }
    }
    rates.sort_by(|a, b| a.0.total_cmp(&b.0));
    let viewers: f64 = rates.iter().map(|r| r.1).sum();
    let viewers = viewers.max(f64::MIN_POSITIVE);
    let share = |test: &dyn Fn(f64) -> bool| {
        let passed = rates.iter().filter(|r| test(r.0));
        passed.fold(0.0, |sum, r| sum + r.1) / viewers
    };
    let mut below = 0.0;
    let p10 = rates.iter().find(|r| {
        below += r.1;
        below >= 0.1 * viewers
    });
    Outcome {
        name,
        spent,
        download,
        mean: download / viewers,
        p10: p10.map_or(0.0, |r| r.0),
        hungry: share(&|rate| rate < HUNGRY),
        served: share(&|rate| rate >= SERVED),
        deviation: spread(&pool.swarms, &found.solution.rates),
    }
}

/// `dev_mu` of the true marginals `dD/dS`, of all swarms that get something.
fn spread(swarms: &[Swarm], rates: &[f64]) -> f64 {
    let given = swarms.iter().zip(rates).filter(|(_, rate)| **rate > 0.0);
    let mu: Vec<f64> = given.map(|(swarm, &rate)| super::pool::marginal(swarm, rate)).collect();
    let mean = mu.iter().sum::<f64>() / mu.len().max(1) as f64;
    if mean > 0.0 { mu.iter().map(|m| (m - mean).abs()).sum::<f64>() / (mu.len() as f64 * mean) } else { 0.0 }
}

fn print(shown: &[(Outcome, Vec<f64>)]) {
    let head = ["policy", "spent MB/s", "D MB/s", "D/S", "mean kB/s", "p10 kB/s", "hungry %", "served %", "dev_mu"];
    eprintln!(
        "{:<17} {:>10} {:>9} {:>6} {:>9} {:>9} {:>9} {:>9} {:>8}",
        head[0], head[1], head[2], head[3], head[4], head[5], head[6], head[7], head[8]
    );
    for (o, _) in shown {
        eprintln!(
            "{:<17} {:>10.1} {:>9.1} {:>6.3} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>8.3}",
            o.name,
            o.spent / 1e6,
            o.download / 1e6,
            o.download / o.spent.max(f64::MIN_POSITIVE),
            o.mean / 1e3,
            o.p10 / 1e3,
            100.0 * o.hungry,
            100.0 * o.served,
            o.deviation,
        );
    }
}
