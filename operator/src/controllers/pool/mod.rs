//! BandwidthPools: who of the swarms gets how much, once an interval.
//!
//! A pass is the pipeline [`dereference`] (the pool, its videos, clusters and samples), learn ([`belief`]), decide ([`timing`]), solve
//! ([`solve`]), [`apply`] (commit the generation in status, then put the table on the tracker) and [`status`] (say so). The commit is
//! optimistic: a leader that was deposed writes over a version that is no more, fails, and puts nothing. Arithmetic runs beside the
//! threads that serve, and all of it is pure.

mod apply;
mod belief;
mod bench;
mod clusters;
mod dereference;
mod direct;
mod divide;
mod members;
mod memory;
mod models;
mod solve;
mod status;
mod table;
mod tenants;
mod terms;
mod timing;
mod verdict;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use videocloud_crds::BandwidthPool;

use super::{Error, Pass, World};
use apply::Applied;
use dereference::Facts;
use memory::Memory;
use timing::{Moment, Step, Why};

pub use bench::Loop;
pub use memory::Pools;

/// Field manager of the status of BandwidthPools and UploadClusters.
pub const MANAGER: &str = "videocloud-pool";

/// One pass over `pool`.
///
/// # Errors
/// [`Error`] when the API server or the tracker failed, or another leader was faster; the next pass finds the same state.
pub async fn reconcile(pool: Arc<BandwidthPool>, world: Arc<World>) -> Result<Pass, Error> {
    if pool.metadata.deletion_timestamp.is_some() {
        return Ok(Pass::UNCHANGED);
    }
    let facts = dereference::dereference(&pool, &world);
    let mut memory = world.pools.take(&facts.name, &facts.uid);
    let result = pass(&pool, &facts, &mut memory, &world).await;
    world.pools.put(&facts.name, &facts.uid, memory);
    result
}

async fn pass(pool: &BandwidthPool, facts: &Facts, memory: &mut Memory, world: &World) -> Result<Pass, Error> {
    let prepared = prepare(facts, memory, world).await;
    match moment(facts, memory).step() {
        Step::Solve => {
            prepared?;
            match apply::solve(pool, facts, memory, world).await? {
                Applied::Solved => Ok(Pass { changed: true, again: Some(facts.interval) }),
                Applied::Overtaken => Ok(Pass { changed: false, again: Some(AGAIN) }),
            }
        }
        Step::Wait(left) => {
            prepared?;
            Ok(Pass { changed: false, again: Some(left) })
        }
        Step::Skip(why, left) => {
            // What failed on the way is said before it is tried again.
            let changed = status::skip(pool, facts, memory, why, world).await?;
            let counts = matches!(why, Why::Missing | Why::Unreachable);
            if counts && memory.skipped.is_none_or(|at| at.elapsed() >= facts.interval) {
                memory.skipped = Some(Instant::now());
                world.metrics.pool_skipped(&facts.name);
            }
            // When a table in force runs out there is something to say.
            let runs_out = memory.until.and_then(|until| until.checked_duration_since(Instant::now()));
            let next = counts.then_some(facts.interval);
            let again = [left, next, runs_out.map(|left| left + AGAIN)].into_iter().flatten().min();
            prepared?;
            Ok(Pass { changed, again })
        }
    }
}

/// Brings what is remembered up to date, and puts what was committed.
async fn prepare(facts: &Facts, memory: &mut Memory, world: &World) -> Result<(), Error> {
    apply::remember(facts, memory, world).await?;
    apply::put_pending(facts, memory, world).await?;
    apply::learn(facts, memory, world).await
}

/// Shortest pause before another look.
const AGAIN: Duration = Duration::from_millis(200);

fn moment(facts: &Facts, memory: &Memory) -> Moment {
    let tick = memory.beliefs.as_ref().map_or(0, |beliefs| beliefs.clock.tick);
    Moment {
        now: Instant::now(),
        interval: facts.interval,
        suspended: facts.spec.suspend,
        began: memory.began,
        solved: memory.solved.map(|(at, _, _)| at),
        current: memory.solved.is_some_and(|(_, generation, _)| generation == facts.generation),
        arrived: facts.health.arrived,
        length: facts.health.length,
        news: memory.solved.is_some_and(|(_, _, at)| at != tick),
        measured: memory.measured,
        partial: memory.partial,
        unreachable: facts.health.trouble.is_some(),
    }
}
