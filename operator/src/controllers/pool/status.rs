//! Says what came of a pass. A solution's status is its commit: written over the version the pass began with, or not at all.

use std::time::Instant;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use videocloud_crds::{
    BandwidthPool, BandwidthPoolStatus, bandwidthpool::PoolClusterStatus, conditions::types, types::BytesPerSecond,
};

use super::{MANAGER, dereference::Facts, members::Member, memory::Memory, solve::Solved, timing::Why, verdict};
use crate::{
    controllers::{Error, World},
    events::Note,
    index::Committed,
    status::{Condition, merge, same},
};

/// Commits a solution as the next generation, and returns that.
///
/// # Errors
/// The API server's: a conflict when the pool changed meanwhile, by its owner or by another leader.
pub(super) async fn commit(
    pool: &BandwidthPool,
    facts: &Facts,
    memory: &Memory,
    (solved, members): (&Solved, &[Member]),
    world: &World,
) -> Result<u64, Error> {
    let shown = &facts.shown;
    let last = shown.generation.and_then(|generation| u64::try_from(generation).ok()).unwrap_or(0);
    let generation = last.max(memory.overtaken) + 1;
    let active = members.iter().filter(|member| member.active).count();
    let now = Timestamp::now();
    let conditions = carried(shown, verdict::solved(solved, active));
    let rate = |rate: u64| BytesPerSecond::saturating(rate);
    let cluster = |(member, allocated): (&Member, &u64)| PoolClusterStatus {
        name: member.name.as_str().into(),
        capacity_bytes_per_second: rate(member.capacity as u64),
        allocated_bytes_per_second: rate(*allocated),
        active: member.active,
    };
    let named = members.iter().zip(&solved.by_member).filter(|(member, _)| !member.name.is_empty());
    let milli = 1000.0 * solved.download / solved.upload;
    let next = BandwidthPoolStatus {
        observed_generation: facts.generation,
        conditions: merge(&shown.conditions, &conditions, facts.generation, now),
        generation: i64::try_from(generation).ok(),
        capacity_bytes_per_second: Some(rate(solved.capacity)),
        allocated_bytes_per_second: Some(rate(solved.allocated)),
        multiplier_milli: milli.is_finite().then_some(milli.min(f64::from(i32::MAX)) as i32),
        swarms: i32::try_from(solved.swarms).ok(),
        last_solve: Some(Time(now)),
        clusters: named.map(cluster).collect(),
    };
    write(pool, facts, next, world).await?;
    Ok(generation)
}

/// Says why an interval is skipped, when that is news.
///
/// # Errors
/// The API server's.
pub(super) async fn skip(
    pool: &BandwidthPool,
    facts: &Facts,
    memory: &Memory,
    why: Why,
    world: &World,
) -> Result<bool, Error> {
    let in_force = memory.until.is_some_and(|until| until > Instant::now());
    let decided = carried(&facts.shown, verdict::skipped(why, in_force, facts.health.trouble.as_deref()));
    let conditions = merge(&facts.shown.conditions, &decided, facts.generation, Timestamp::now());
    let next = BandwidthPoolStatus { observed_generation: facts.generation, conditions, ..facts.shown.clone() };
    if same(&facts.shown.conditions, &next.conditions) && facts.shown.observed_generation == next.observed_generation {
        return Ok(false);
    }
    write(pool, facts, next, world).await?;
    Ok(true)
}

/// What was decided, and of conditions nothing was decided about, what is shown.
fn carried(shown: &BandwidthPoolStatus, mut decided: Vec<Condition>) -> Vec<Condition> {
    let short = crate::status::find(&shown.conditions, types::CAPACITY_SHORT);
    if let Some(short) = short.filter(|_| decided.iter().all(|one| one.kind != types::CAPACITY_SHORT)) {
        let status = match short.status.as_str() {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        };
        decided.push(Condition::new(types::CAPACITY_SHORT, status, &short.reason, short.message.clone()));
    }
    decided
}

async fn write(pool: &BandwidthPool, facts: &Facts, next: BandwidthPoolStatus, world: &World) -> Result<(), Error> {
    let version = world.api.commit_status(pool, MANAGER, facts.version.as_deref(), &next).await?;
    let committed = Committed { over: pool.metadata.resource_version.clone(), version, status: next.clone() };
    world.index.state().committed_pools.insert(facts.uid.clone(), committed);
    world.events.write(pool, notes(&facts.shown, &next)).await;
    Ok(())
}

/// Events for what flipped.
fn notes(old: &BandwidthPoolStatus, new: &BandwidthPoolStatus) -> Vec<Note> {
    let flip = |kind, to, warning| {
        let note = Note::on_flip(kind, to, "Solve", &old.conditions, &new.conditions)?;
        Some(Note { warning, ..note })
    };
    let was_short = crate::status::is_true(&old.conditions, types::CAPACITY_SHORT);
    let fits = flip(types::CAPACITY_SHORT, "False", false).filter(|_| was_short);
    let all = [
        flip(types::SOLVED, "False", true),
        flip(types::SOLVED, "True", false),
        flip(types::CAPACITY_SHORT, "True", true),
        fits,
    ];
    all.into_iter().flatten().collect()
}
