//! `solve`: a capacity shared among swarms.

use std::fmt::Write as _;

use serde::Serialize;
use videocloud_scheduler::policy::Allocation;
use videocloud_scheduler::solver::{Costs, Part, Placement, split};
use videocloud_scheduler::units::BytesPerSecond;

use super::cli::SolveArgs;
use super::error::CommandError;
use super::pool::{Named, marginal, policy};
use super::write::{Decimals, Sink, counted, push_name};

/// Scaled floors that are named one by one.
const NAMED_FLOORS: usize = 20;

/// What was found, for people and scripts.
#[derive(Debug, Serialize)]
struct Summary {
    policy: &'static str,
    swarms: usize,
    clusters: usize,
    capacity: f64,
    /// Upload given, bytes per second.
    spent: f64,
    /// Predicted download, bytes per second.
    download: f64,
    /// `D/S`.
    multiplier: f64,
    /// How far the utility can be from the optimum, relatively.
    duality_gap: f64,
    /// The paper's spread of marginal utilities.
    dev_mu: f64,
    /// Log prices, one for each set of swarms whose clusters are full together.
    prices: Vec<f64>,
    /// For `--warm-start`.
    warm: f64,
    passes: f64,
    solves: u32,
    scaled_floors: usize,
    /// The first of the floors that did not fit.
    scaled: Vec<Scaled>,
}

#[derive(Debug, Serialize)]
struct Scaled {
    id: String,
    floor: f64,
    given: f64,
}

/// Reads, solves, writes.
pub(crate) fn run(args: &SolveArgs) -> Result<(), CommandError> {
    if args.json && args.out == "-" {
        return Err(CommandError::Usage("--json needs the standard output; give --out a file".to_owned()));
    }
    let named = Named::read(&args.pool)?;
    let found = policy(&args.policy).allocate(&named.pool, args.warm_start)?;
    let places = vec![Placement::ANYWHERE; named.pool.swarms.len()];
    let parts = split(&found.solution, &named.pool.seats(), &places, &Costs::default(), &named.pool.supply);
    let download = write(&args.out, &named, &parts)?;
    let policy = policy(&args.policy);
    report(args, &summary(&named, &found, &parts, download, policy.name()))
}

/// Writes the rows and returns the download in all.
fn write(path: &str, named: &Named, parts: &[Part]) -> Result<f64, CommandError> {
    let supply = &named.pool.supply;
    let mut spent = vec![0.0; named.clusters.len()];
    for part in parts {
        spent[part.cluster as usize] += part.rate;
    }
    let total = (spent.iter().sum(), supply.total().get());
    let each = spent.into_iter().zip(supply.capacities().iter().map(|c| c.get()));
    let decimals = Decimals::for_sums(each.chain([total]));

    let mut sink = Sink::open(path)?;
    sink.write("id,cluster,rate,download,marginal\n")?;
    let (mut row, mut rest, mut sum) = (String::new(), parts, 0.0);
    for (place, (id, swarm)) in named.ids.iter().zip(&named.pool.swarms).enumerate() {
        let own = rest.iter().take_while(|part| part.swarm as usize == place).count();
        let (mine, others) = rest.split_at(own);
        rest = others;
        let rate: f64 = mine.iter().map(|part| part.rate).sum();
        let download = swarm.download(BytesPerSecond::clamped(rate)).get();
        let marginal = marginal(swarm, rate);
        sum += download;
        let nothing =
            [Part { swarm: place as u32, cluster: swarm.clusters.iter().next().unwrap_or(0) as u32, rate: 0.0 }];
        for part in if mine.is_empty() { &nothing[..] } else { mine } {
            row.clear();
            push_name(&mut row, id);
            row.push(',');
            push_name(&mut row, &named.clusters[part.cluster as usize]);
            row.push(',');
            decimals.push(part.rate, &mut row);
            let share = if rate > 0.0 { download * (part.rate / rate) } else { download };
            // Writing to a string cannot fail.
            let _ = writeln!(row, ",{share},{marginal}");
            sink.write(&row)?;
        }
    }
    sink.finish()?;
    Ok(sum)
}

fn summary(named: &Named, found: &Allocation, parts: &[Part], download: f64, policy: &'static str) -> Summary {
    // Not `sum`, which is -0 of nothing.
    let spent = parts.iter().fold(0.0, |sum, part| sum + part.rate);
    let solution = &found.solution;
    // Not what a policy would give first of its own accord.
    let wanted = |swarm: usize| named.pool.swarms[swarm].range(named.pool.min_marginal).0;
    let scaled: Vec<_> = solution.scaled.iter().filter(|s| s.given < wanted(s.swarm)).collect();
    Summary {
        policy,
        swarms: named.ids.len(),
        clusters: named.clusters.len(),
        capacity: named.pool.supply.total().get(),
        spent,
        download,
        multiplier: if spent > 0.0 { download / spent } else { 0.0 },
        duality_gap: found.certificate().relative,
        dev_mu: found.marginal_deviation(),
        prices: solution.blocks.iter().map(|block| block.nu).collect(),
        warm: solution.warm,
        passes: solution.passes,
        solves: solution.solves,
        scaled_floors: scaled.len(),
        scaled: scaled
            .iter()
            .take(NAMED_FLOORS)
            .map(|s| Scaled { id: named.ids[s.swarm].clone(), floor: wanted(s.swarm), given: s.given })
            .collect(),
    }
}

fn report(args: &SolveArgs, summary: &Summary) -> Result<(), CommandError> {
    for floor in &summary.scaled {
        eprintln!(
            "warning: swarm {}: its floor of {} B/s does not fit; it gets {} B/s",
            floor.id.escape_debug(),
            floor.floor,
            floor.given
        );
    }
    let more = summary.scaled_floors - summary.scaled.len();
    if more > 0 {
        eprintln!("warning: so it is with {} more", counted(more, "floor"));
    }
    if args.json {
        let text = serde_json::to_string_pretty(summary).unwrap_or_default();
        let mut sink = Sink::open("-")?;
        sink.write(&text)?;
        sink.write("\n")?;
        return sink.finish();
    }
    eprintln!(
        "{}, {}, {}: {:.0} of {:.0} B/s spent, {:.0} B/s downloaded, D/S {:.3}; {}, {}, duality gap {:.1e}",
        counted(summary.swarms, "swarm"),
        counted(summary.clusters, "cluster"),
        summary.policy,
        summary.spent,
        summary.capacity,
        summary.download,
        summary.multiplier,
        counted(summary.prices.len(), "price"),
        counted(summary.solves as usize, "solve"),
        summary.duality_gap,
    );
    Ok(())
}
