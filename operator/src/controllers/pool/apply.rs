//! Makes it so: models read, samples learned, the table solved, its generation committed, the table put.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use videocloud_crds::BandwidthPool;
use videocloud_protocol::{
    ids::ContentId,
    tracker::{ClientError, ModelSnapshot},
};

use super::{
    belief::{Beliefs, Learnt},
    clusters,
    dereference::Facts,
    members::{Fleet, members},
    memory::Memory,
    models,
    solve::{Order, Solved, solve as solve_order},
    status,
    tenants::Tenants,
    terms::terms,
    timing::holds,
};
use crate::{
    controllers::{Error, World},
    index::Wanted,
};

/// Models go to the tracker at most at this rate, bytes per second: small pools keep every interval, large ones some.
const MODELS_RATE: u64 = 100_000;

/// What came of a solution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applied {
    /// Its table is in force.
    Solved,
    /// The tracker holds a newer table, of an earlier pool of this name: the next generation goes beyond it.
    Overtaken,
}

/// Reads the models the last leader left.
///
/// # Errors
/// The tracker's.
pub(super) async fn remember(facts: &Facts, memory: &mut Memory, world: &World) -> Result<(), Error> {
    if memory.beliefs.is_some() {
        return Ok(());
    }
    let beliefs = match world.tracker.models(&facts.name).await? {
        Some(kept) => beside(move || models::decode(&kept.body)).await?.unwrap_or_else(|error| {
            tracing::warn!(pool = facts.name, %error, "models are learned anew");
            Beliefs::default()
        }),
        None => Beliefs::default(),
    };
    memory.beliefs = Some(beliefs);
    Ok(())
}

/// Runs what takes long beside the threads that serve. The caller waits for it, so it has an owner.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Arithmetic(error.to_string()))
}

/// Takes in the intervals that are new.
///
/// # Errors
/// A panic of the arithmetic, after which models are read again.
pub(super) async fn learn(facts: &Facts, memory: &mut Memory, world: &World) -> Result<(), Error> {
    let is_new = |beliefs: &Beliefs| {
        let newest = facts.intervals.last().map_or(0, |interval| interval.interval);
        beliefs.clock.epoch != *facts.epoch || beliefs.clock.number < newest || !memory.measured
    };
    if facts.intervals.is_empty() || !memory.beliefs.as_ref().is_some_and(is_new) {
        return Ok(());
    }
    let Some(mut beliefs) = memory.beliefs.take() else { return Ok(()) };
    let wanted = wanted(facts, world);
    let (epoch, intervals) = (facts.epoch.clone(), facts.intervals.clone());
    let ration = facts.spec.policy == videocloud_crds::bandwidthpool::Policy::Ration;
    let (beliefs, last, seen) = beside(move || {
        let ours: BTreeSet<ContentId> = wanted().into_keys().collect();
        let (mut last, mut seen) = (None, false);
        for interval in &intervals {
            let learnt = beliefs.learn(&epoch, interval, ration, |content| ours.contains(content));
            seen |= learnt == Learnt::Taken || (learnt == Learnt::Known && interval.interval == beliefs.clock.number);
            last = Some(learnt);
        }
        (beliefs, last, seen)
    })
    .await?;
    memory.beliefs = Some(beliefs);
    memory.measured |= seen;
    memory.partial = last == Some(Learnt::Partial);
    Ok(())
}

/// Gathers what the pool's videos ask, when called: it takes long for many.
fn wanted(facts: &Facts, world: &World) -> impl FnOnce() -> BTreeMap<ContentId, Vec<Wanted>> + Send + use<> {
    let (index, name) = (Arc::clone(&world.index), facts.name.clone());
    let default_pool = world.settings.control.default_pool.clone();
    move || index.state().videos.wanted(&name, &default_pool)
}

/// Solves, commits, puts.
///
/// # Errors
/// The API server's, a conflict with another leader among them, and the tracker's.
pub(super) async fn solve(
    pool: &BandwidthPool,
    facts: &Facts,
    memory: &mut Memory,
    world: &World,
) -> Result<Applied, Error> {
    let fleet = Fleet::of(&world.tracker.uploaders().await?.uploaders);
    let started = Instant::now();
    let order = order(facts, memory, world, &fleet);
    let Some(mut beliefs) = memory.beliefs.take() else { return Err(Error::Arithmetic("no models".into())) };
    let (solved, order, beliefs) = beside(move || {
        let order = order();
        (solve_order(&mut beliefs, &order), order, beliefs)
    })
    .await?;
    memory.beliefs = Some(beliefs);
    let solved = solved.map_err(|error| Error::Arithmetic(error.to_string()))?;
    world.metrics.pool_solved(&facts.name, &solved.gauges(), started.elapsed());
    let generation = status::commit(pool, facts, memory, (&solved, &order.members), world).await?;
    let tick = memory.beliefs.as_ref().map_or(0, |beliefs| beliefs.clock.tick);
    let now = Instant::now();
    memory.solved = Some((now, facts.generation, tick));
    memory.until = Some(now + holds(facts.interval));
    memory.warm = solved.warm;
    memory.pending = solved.table.map(|mut table| {
        table.generation = generation;
        table.ttl_seconds = holds(facts.interval).as_secs();
        table
    });
    let applied = put_pending(facts, memory, world).await?;
    if applied == Applied::Solved {
        keep(facts, memory, generation, world).await?;
        clusters::say(facts, &order.members, memory, world).await?;
    }
    Ok(applied)
}

/// Makes the order, when called: it takes long for many videos.
fn order(facts: &Facts, memory: &mut Memory, world: &World, fleet: &Fleet) -> impl FnOnce() -> Order + Send + use<> {
    let (spec, now) = (facts.spec.clone(), Instant::now());
    let grace = holds(facts.interval) + facts.interval;
    let clusters: Vec<_> = facts.clusters.iter().map(|cluster| (**cluster).clone()).collect();
    let capacity = spec.capacity_bytes_per_second.get();
    let members = members(&clusters, capacity, fleet, &mut memory.heard, (now, grace));
    let wanted = wanted(facts, world);
    let mut seed = DefaultHasher::new();
    facts.uid.hash(&mut seed);
    let (seed, warm, index) = (seed.finish(), memory.warm, Arc::clone(&world.index));
    move || {
        let labels = |namespace: &str| index.state().namespaces.get(namespace).cloned().unwrap_or_default();
        let terms = terms(&wanted(), &spec, &mut Tenants::new(&spec.tenants, &labels), &members);
        Order { spec, terms, members, seed, warm }
    }
}

/// Puts a committed table on the tracker, if there is one that it has not taken.
///
/// # Errors
/// The tracker's; the table stays pending.
pub(super) async fn put_pending(facts: &Facts, memory: &mut Memory, world: &World) -> Result<Applied, Error> {
    let Some(table) = &memory.pending else { return Ok(Applied::Solved) };
    match world.tracker.put_table(&facts.name, table).await {
        Ok(_) => {
            memory.pending = None;
            Ok(Applied::Solved)
        }
        Err(ClientError::Status { status, .. }) if status.as_u16() == 409 => {
            let pools = world.tracker.pools().await?.pools;
            let known = pools.iter().find(|pool| pool.name == facts.name).map_or(0, |pool| pool.generation);
            tracing::warn!(pool = facts.name, known, generation = table.generation, "the tracker holds a newer table");
            memory.overtaken = known;
            (memory.pending, memory.solved) = (None, None);
            Ok(Applied::Overtaken)
        }
        Err(error) => Err(error.into()),
    }
}

/// Gives the models to the tracker, when it is time. That this fails costs what was learned since, at a restart.
async fn keep(facts: &Facts, memory: &mut Memory, generation: u64, world: &World) -> Result<(), Error> {
    let due = memory.kept.is_none_or(|(at, bytes)| at.elapsed() >= Duration::from_secs(bytes as u64 / MODELS_RATE));
    let Some(beliefs) = memory.beliefs.take_if(|_| due) else { return Ok(()) };
    let (text, beliefs) = beside(move || (models::encode(&beliefs), beliefs)).await?;
    memory.beliefs = Some(beliefs);
    match text {
        Ok(body) => {
            let bytes = body.len();
            match world.tracker.put_models(&facts.name, &ModelSnapshot { generation, body }).await {
                Ok(()) => memory.kept = Some((Instant::now(), bytes)),
                Err(error) => tracing::warn!(pool = facts.name, %error, "models are not kept, trying again later"),
            }
        }
        Err(error) => tracing::error!(pool = facts.name, %error, "failed to write models"),
    }
    Ok(())
}

impl Solved {
    fn gauges(&self) -> crate::metrics::PoolGauges {
        crate::metrics::PoolGauges {
            capacity: self.capacity,
            allocated: self.allocated,
            needed: self.needed as u64,
            download: self.download as u64,
            upload: self.upload as u64,
            swarms: self.swarms as u64,
            rows: self.table.as_ref().map_or(0, |table| table.rates.len() as u64),
        }
    }
}
