//! UploadClusters whose BandwidthPool is not there: they say so, and that they are waited for once it is. All else about a cluster is
//! said by its pool ([`super::pool`]), which solves with it.

use std::sync::Arc;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition as Shown, jiff::Timestamp};
use videocloud_crds::{
    UploadCluster, UploadClusterStatus,
    conditions::{delivery as reasons, types},
};

use super::{Error, Pass, World, pool::MANAGER};
use crate::{
    events::Note,
    index::Named,
    status::{Condition, find, merge, same},
};

/// One pass over `cluster`.
///
/// # Errors
/// [`Error`] when the API server failed; the next pass finds the same state.
pub async fn reconcile(cluster: Arc<UploadCluster>, world: Arc<World>) -> Result<Pass, Error> {
    if cluster.metadata.deletion_timestamp.is_some() {
        return Ok(Pass::UNCHANGED);
    }
    let pool = cluster.spec.pool_ref.as_str();
    // Pools of another operator are not known here, whether they are there or not.
    let named = &world.settings.control.pools;
    if !named.is_empty() && !named.iter().any(|name| name == pool) {
        return Ok(Pass::UNCHANGED);
    }
    let exists = world.index.pools.get(&Named::new("", pool)).is_some();
    let shown = cluster.status.clone().unwrap_or_default();
    let Some(decided) = verdict(pool, exists, &shown.conditions) else { return Ok(Pass::UNCHANGED) };
    let generation = cluster.metadata.generation;
    let conditions = merge(&shown.conditions, &decided, generation, Timestamp::now());
    if same(&shown.conditions, &conditions) && shown.observed_generation == generation {
        return Ok(Pass::UNCHANGED);
    }
    let next = UploadClusterStatus { observed_generation: generation, conditions, ..shown.clone() };
    world.api.commit_status(&*cluster, MANAGER, None, &next).await?;
    let note = Note::on_flip(types::ACTIVE, "False", "Watch", &shown.conditions, &next.conditions);
    world.events.write(&*cluster, note.map(|note| Note { warning: true, ..note }).into_iter().collect()).await;
    Ok(Pass { changed: true, again: None })
}

/// What there is to say; `None` when it is the pool's to say.
fn verdict(pool: &str, exists: bool, shown: &[Shown]) -> Option<Vec<Condition>> {
    let (status, reason, text) = if !exists {
        let text = format!("There is no BandwidthPool {pool}: uploaders of this cluster are held to no table.");
        (Some(false), reasons::POOL_NOT_FOUND, text)
    } else if find(shown, types::ACTIVE).is_some_and(|active| active.reason == reasons::POOL_NOT_FOUND) {
        (None, reasons::WAITING_FOR_SAMPLES, "Its pool has not been solved since it came.".to_owned())
    } else {
        return None;
    };
    Some([types::READY, types::ACTIVE].map(|kind| Condition::new(kind, status, reason, &*text)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_speaks_while_the_pool_is_absent_and_once_when_it_came() {
        let said = |decided: Option<Vec<Condition>>, before: &[Shown]| {
            decided.map(|decided| merge(before, &decided, Some(1), Timestamp::now()))
        };
        let absent = said(verdict("p", false, &[]), &[]).unwrap_or_default();
        assert!(absent.iter().all(|one| one.status == "False" && one.reason == "PoolNotFound"));
        assert_eq!(absent.len(), 2);
        let came = said(verdict("p", true, &absent), &absent).unwrap_or_default();
        assert!(came.iter().all(|one| one.status == "Unknown" && one.reason == "WaitingForSamples"));
        assert!(verdict("p", true, &came).is_none() && verdict("p", true, &[]).is_none());
    }
}
