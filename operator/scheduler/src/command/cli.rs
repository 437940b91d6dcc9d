//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use videocloud_scheduler::model::{DEFAULT_TARGET, Objective};
use videocloud_scheduler::units::BytesPerSecond;

use super::read::capacity;

/// What-if questions to the bandwidth scheduler, on CSV files.
///
/// Which swarm should get how much of a cloud's upload? `trace` records samples of a live tracker, `fit` learns from them how each
/// swarm's total download follows the upload it is given, `solve` shares a capacity exactly, `simulate` plays days of a cloud
/// under every policy, and `compare` holds policies and solvers side by side on the same swarms.
///
/// Files are CSV with a header; columns stand in any order, rates are bytes per second, `-` is the standard input or output.
/// Results appear whole or not at all.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 a file could not be read or written, or the tracker be asked; 2 wrong flags; 20 bad input, named by file, line, column and value.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Learn from samples how each swarm's download follows its upload
    Fit(FitArgs),
    /// Share a capacity among swarms: which swarm gets how much from which cluster
    Solve(SolveArgs),
    /// Play a day of a cloud, or a world of peers that exchange pieces, under every policy
    Simulate(SimulateArgs),
    /// Hold policies and solvers side by side on the same swarms
    Compare(CompareArgs),
    /// Record samples of a live tracker, for `fit`
    Trace(TraceArgs),
}

/// Swarms and what there is to share.
#[derive(Debug, Args)]
pub(crate) struct PoolArgs {
    /// Swarms: id,seeders,leechers,a,b,f[,weight,floor,ceiling,clusters]
    ///
    /// The download of a swarm is D = l (S/l)^a (l/(s+1))^-b f for an upload of S bytes per second, with s seeders and l leechers
    /// online. weight (default 1) is how many times its download counts; floor and ceiling bound its upload in bytes per second;
    /// clusters, separated by `;`, are those that can serve it (default: every cluster). Empty cells are defaults. A lone leecher
    /// without seeders needs no a, b, f: it downloads what it is given, at least 30 kB/s where no floor is set.
    #[arg(long, value_name = "FILE")]
    pub(crate) swarms: String,

    /// Clusters: id,capacity in bytes per second
    #[arg(long, value_name = "FILE")]
    pub(crate) clusters: Option<String>,

    /// What all clusters may upload together, bytes per second; without --clusters, the capacity of the one there is
    #[arg(long, value_name = "BYTES_PER_SECOND", allow_negative_numbers = true, value_parser = capacity)]
    pub(crate) capacity: Option<BytesPerSecond>,

    /// Upload nothing that brings less than this many bytes of download per byte
    #[arg(long, value_name = "BYTES", default_value_t = 0.0, allow_negative_numbers = true, value_parser = marginal)]
    pub(crate) min_marginal: f64,
}

/// Flags of `fit`.
#[derive(Debug, Args)]
pub(crate) struct FitArgs {
    /// Samples: id,interval,upload,download,seeders,leechers
    ///
    /// One row per swarm and interval: upload and download are the means of all its peers together in bytes per second, seeders and
    /// leechers time averages. Intervals are numbered, or given as seconds since any start, in any order.
    #[arg(long, value_name = "FILE")]
    pub(crate) samples: String,

    /// Result: id,seeders,leechers,a,b,f,samples,a_error,source, which `solve` reads
    ///
    /// The audience is that of the last sample. a is kept within 0.05 and 0.9 and b at 0 or above; where the samples said otherwise
    /// the level f is solved again and source is `clamped`. Samples that are too few or too much alike give the law of the
    /// population as far as they do not speak against it (source `population`). Lone viewers have no law (source `solo`).
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) out: String,

    /// How to fit
    #[arg(long, value_enum, default_value_t = Method::LeastSquares)]
    pub(crate) method: Method,

    /// Print the summary as JSON on the standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// A way to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// All samples alike, each swarm for itself (the paper's)
    LeastSquares,
    /// The operator's filter: recent samples count more, swarms lean on each other
    Kalman,
}

/// Flags of `simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// What swarms truly do
    #[arg(long, value_enum, default_value_t = Truth::Law)]
    pub(crate) truth: Truth,

    /// Swarms; 1,457 with the power law and 20 with pieces unless given
    #[arg(long, value_name = "COUNT")]
    pub(crate) swarms: Option<usize>,

    /// Seed: the same seed, the same numbers
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Worlds to play with pieces, for intervals
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) worlds: u64,

    /// What the cloud may upload with pieces, as a share of the demand
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, allow_negative_numbers = true, value_parser = share)]
    pub(crate) share: f64,

    /// Find the spreads of the laws' parameters that give the paper's multipliers, and play with those
    #[arg(long)]
    pub(crate) calibrate: bool,

    /// Also play the day with spreads from none to twice the usual, for the curve of gains
    #[arg(long)]
    pub(crate) gains: bool,

    /// Result, a row for each policy and period (or world)
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) out: String,

    /// Draw day.svg and, with --gains, gains.svg into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) plots: Option<String>,

    /// Write the swarms of the busiest period as a table for `solve` and `compare`
    #[arg(long, value_name = "FILE")]
    pub(crate) pool: Option<String>,

    /// Print the summary as JSON on the standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// What swarms truly do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Truth {
    /// The paper's day: the power law with noise, churn and flash crowds
    Law,
    /// Peers that exchange pieces, arrive and leave; no law is assumed
    Pieces,
}

/// Flags of `compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    pub(crate) pool: PoolArgs,

    /// Rate of each viewer for the objective target, bytes per second
    #[arg(long, value_name = "BYTES_PER_SECOND", default_value_t = DEFAULT_TARGET, allow_negative_numbers = true, value_parser = target)]
    pub(crate) target_rate: f64,

    /// Result: policy,spent,download,multiplier,mean,p10,hungry,served,dev_mu
    ///
    /// mean and p10 are rates over viewers in bytes per second; hungry is the share of viewers under 30 kB/s, served of those at 95 kB/s
    /// or more. All are predictions of the laws in the table.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) out: String,

    /// Also run the paper's solvers on the swarms without their floors, ceilings and masks: iterations, passes, deviation
    #[arg(long)]
    pub(crate) solvers: bool,

    /// Draw marginals.svg and, with --solvers, convergence.svg into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) plots: Option<String>,
}

/// Flags of `trace`.
#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The tracker, for example http://127.0.0.1:7080
    #[arg(long, value_name = "URL")]
    pub(crate) tracker: url::Url,

    /// Only swarms that this pool's table names
    #[arg(long, value_name = "NAME")]
    pub(crate) pool: Option<String>,

    /// File with the key that the tracker checks tokens with; not needed for one with --insecure-no-auth
    #[arg(long, env = "VIDEOCLOUD_TRACKER_KEY_FILE", value_name = "FILE")]
    pub(crate) key_file: Option<std::path::PathBuf>,

    /// Intervals to record, those the tracker still keeps included; without it until interrupted (Ctrl-C), which keeps what is there
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) intervals: Option<u64>,

    /// Result: id,interval,upload,download,seeders,leechers, which `fit` reads
    ///
    /// Samples that say nothing of a law are left out: of swarms that wanted no more, that were lent upload, or that nobody was in.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) out: String,
}

/// Flags of `solve`.
#[derive(Debug, Args)]
pub(crate) struct SolveArgs {
    #[command(flatten)]
    pub(crate) pool: PoolArgs,

    #[command(flatten)]
    pub(crate) policy: PolicyArgs,

    /// Result: id,cluster,rate,download,marginal
    ///
    /// One row for each swarm, more where several clusters share it; the rates of a cluster never exceed its capacity. rate is the upload from
    /// that cluster; download is its part of the swarm's predicted download; marginal is dD/dS of the swarm. A swarm that gets
    /// nothing has one row with the first cluster that could serve it. Without --clusters the cluster is called `pool`.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) out: String,

    /// Log price to start from, `warm` in the summary of an earlier, similar run: saves passes, changes nothing else
    #[arg(long, value_name = "NU", allow_negative_numbers = true, value_parser = log_price)]
    pub(crate) warm_start: Option<f64>,

    /// Print the summary as JSON on the standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// How to share.
#[derive(Debug, Clone, Args)]
pub(crate) struct PolicyArgs {
    /// Who gets how much
    #[arg(long, value_enum, default_value_t = PolicyName::Optimal)]
    pub(crate) policy: PolicyName,

    /// What the optimal policy wants; a pool in Kubernetes defaults to target
    #[arg(long, value_enum, default_value_t = ObjectiveName::Multiplier)]
    pub(crate) objective: ObjectiveName,

    /// Rate of each viewer for the objective target, bytes per second
    #[arg(long, value_name = "BYTES_PER_SECOND", default_value_t = DEFAULT_TARGET, allow_negative_numbers = true, value_parser = target)]
    pub(crate) target_rate: f64,
}

/// A policy by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyName {
    /// The best for the objective
    Optimal,
    /// Nobody schedules: every leecher gets the same
    FreeCompetitive,
    /// In proportion to the peers
    Proportional,
    /// The optimum of a model without seeders (Wu, Li, Zhao 2011)
    Ration,
    /// What keeps viewers from starving first, the rest in proportion to what playing takes
    InjectionFirst,
}

/// An objective by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ObjectiveName {
    /// The most download in all (the paper's)
    Multiplier,
    /// Proportional fairness among viewers
    Balanced,
    /// The least delay in all
    Delay,
    /// The least upload that keeps every viewer at the target rate
    Target,
}

impl PolicyArgs {
    /// The objective with its rate.
    pub(crate) fn objective(&self) -> Objective {
        match self.objective {
            ObjectiveName::Multiplier => Objective::Multiplier,
            ObjectiveName::Balanced => Objective::Balanced,
            ObjectiveName::Delay => Objective::Delay,
            ObjectiveName::Target => Objective::Target(BytesPerSecond::clamped(self.target_rate)),
        }
    }
}

fn finite(text: &str) -> Result<f64, String> {
    text.trim().parse().ok().filter(|n: &f64| n.is_finite()).ok_or_else(|| "not a finite number".to_owned())
}

fn marginal(text: &str) -> Result<f64, String> {
    finite(text).and_then(|n| if n >= 0.0 { Ok(n) } else { Err("negative; write bytes from 0 on".to_owned()) })
}

fn share(text: &str) -> Result<f64, String> {
    finite(text).and_then(|n| if n >= 0.0 { Ok(n) } else { Err("negative; write a share such as 0.1".to_owned()) })
}

fn log_price(text: &str) -> Result<f64, String> {
    // The summary of a run whose capacity exceeds all ceilings, or whose floors take it all, says so.
    match text.trim() {
        "inf" | "-inf" | "null" => Ok(f64::NEG_INFINITY),
        text => finite(text),
    }
}

fn target(text: &str) -> Result<f64, String> {
    let rate = finite(text)?;
    let valid = BytesPerSecond::new(rate).is_ok_and(|rate| rate > BytesPerSecond::ZERO);
    if valid { Ok(rate) } else { Err("not a rate; write bytes per second above 0".to_owned()) }
}
