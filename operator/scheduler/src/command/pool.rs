//! The pool a command works on, from its flags and files.

use videocloud_scheduler::model::{Swarm, SwarmLaw};
use videocloud_scheduler::policy::{FreeCompetitive, InjectionFirst, Optimal, Policy, Pool, Proportional, Ration};
use videocloud_scheduler::solver::Supply;
use videocloud_scheduler::units::BytesPerSecond;

use super::cli::{PolicyArgs, PolicyName, PoolArgs};
use super::error::CommandError;
use super::read::{self, Input};

/// Name of the one cluster there is without a file of clusters.
const ONLY: &str = "pool";

/// Swarms, clusters, and what they are called.
pub(crate) struct Named {
    pub(crate) ids: Vec<String>,
    pub(crate) clusters: Vec<String>,
    pub(crate) pool: Pool,
}

impl Named {
    /// Reads the files.
    pub(crate) fn read(args: &PoolArgs) -> Result<Self, CommandError> {
        if args.swarms == "-" && args.clusters.as_deref() == Some("-") {
            return Err(CommandError::Usage("--swarms and --clusters cannot both be the standard input".to_owned()));
        }
        let clusters = args.clusters.as_deref().map(|path| read::clusters(Input::open(path)?)).transpose()?;
        let supply = match (&clusters, args.capacity) {
            (Some(clusters), capacity) => Supply::clusters(clusters.capacities.clone(), capacity)?,
            (None, Some(capacity)) => Supply::pool(capacity),
            (None, None) => {
                let problem = "there is nothing to share; give --capacity, or --clusters with a capacity each";
                return Err(CommandError::Usage(problem.to_owned()));
            }
        };
        let read::Swarms { ids, swarms } = read::swarms(Input::open(&args.swarms)?, clusters.as_ref())?;
        let clusters = clusters.map_or_else(|| vec![ONLY.to_owned()], |clusters| clusters.names);
        Ok(Self { ids, clusters, pool: Pool { swarms, supply, min_marginal: args.min_marginal } })
    }
}

/// The policy the flags name.
pub(crate) fn policy(args: &PolicyArgs) -> Box<dyn Policy> {
    match args.policy {
        PolicyName::Optimal => Box::new(Optimal { objective: args.objective() }),
        PolicyName::FreeCompetitive => Box::new(FreeCompetitive),
        PolicyName::Proportional => Box::new(Proportional),
        PolicyName::Ration => Box::new(Ration::default()),
        PolicyName::InjectionFirst => Box::new(InjectionFirst),
    }
}

/// `dD/dS` of a swarm, as an owner of bytes sees it: nothing more comes once the viewers' lines are full.
pub(crate) fn marginal(swarm: &Swarm, rate: f64) -> f64 {
    if swarm.audience.is_idle() {
        return 0.0;
    }
    match swarm.present_law() {
        SwarmLaw::Solo(_) => 1.0,
        _ => swarm.marginal(BytesPerSecond::clamped(rate)),
    }
}
