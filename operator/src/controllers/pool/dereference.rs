//! What is known of a pool, from the index alone.

use std::{sync::Arc, time::Duration};

use videocloud_crds::{BandwidthPool, BandwidthPoolSpec, BandwidthPoolStatus, UploadCluster};
use videocloud_protocol::tracker::IntervalSamples;

use crate::{
    controllers::World,
    index::{Committed, Health},
};

/// Everything a pass goes by.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) spec: BandwidthPoolSpec,
    pub(super) generation: Option<i64>,
    pub(super) interval: Duration,
    /// The status as it is shown, or as it was committed and will be shown.
    pub(super) shown: BandwidthPoolStatus,
    /// The version it is a status of.
    pub(super) version: Option<String>,
    /// Its UploadClusters.
    pub(super) clusters: Vec<Arc<UploadCluster>>,
    /// The newest intervals, and the database that numbers them.
    pub(super) epoch: Arc<str>,
    pub(super) intervals: Vec<Arc<IntervalSamples>>,
    /// How fresh they are.
    pub(super) health: Health,
}

/// Looks everything up.
pub(super) fn dereference(pool: &BandwidthPool, world: &World) -> Facts {
    let index = &world.index;
    let uid = pool.metadata.uid.clone().unwrap_or_default();
    let name = pool.metadata.name.clone().unwrap_or_default();
    let committed = index.state().committed_pools.get(&uid).cloned();
    let (shown, version) = match committed {
        Some(Committed { over, version, status }) if over == pool.metadata.resource_version => (status, version),
        _ => (pool.status.clone().unwrap_or_default(), pool.metadata.resource_version.clone()),
    };
    let clusters = index.clusters.names(None).iter().filter_map(|name| index.clusters.get(name)).collect::<Vec<_>>();
    let clusters = clusters.into_iter().filter(|cluster| cluster.spec.pool_ref.as_str() == name).collect();
    let (epoch, intervals) = index.measured.kept();
    let seconds = u64::try_from(pool.spec.interval_seconds).unwrap_or(300).max(1);
    Facts {
        spec: pool.spec.clone(),
        generation: pool.metadata.generation,
        interval: Duration::from_secs(seconds),
        shown,
        version,
        clusters,
        epoch,
        intervals,
        health: index.measured.health(),
        name,
        uid,
    }
}
