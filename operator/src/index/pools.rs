//! What changes of pools, their clusters and namespaces mean: whom they wake.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use videocloud_crds::{BandwidthPool, UploadCluster};

use super::{Index, Named};

impl Index {
    /// A BandwidthPool appeared or changed.
    pub fn pool_changed(&self, name: &Named, pool: &BandwidthPool) {
        let mut state = self.state();
        state.departed_pools.remove(&*name.name);
        let uid = pool.metadata.uid.as_deref().unwrap_or_default();
        if state.committed_pools.get(uid).is_some_and(|kept| kept.over != pool.metadata.resource_version) {
            state.committed_pools.remove(uid);
        }
        drop(state);
        self.measured.want();
        self.pool_wakes.push(name);
        self.wake_clusters(name);
    }

    /// Clusters say whether their pool is there.
    fn wake_clusters(&self, pool: &Named) {
        for name in self.clusters.names(None) {
            if self.clusters.get(&name).is_some_and(|cluster| cluster.spec.pool_ref.as_str() == &*pool.name) {
                self.cluster_wakes.push(&name);
            }
        }
    }

    /// A BandwidthPool went: its table and models are forgotten by the next sweep.
    pub fn pool_gone(&self, name: &Named) {
        self.state().departed_pools.insert(name.name.to_string());
        self.wake_clusters(name);
        self.sweep.notify_one();
    }

    /// An UploadCluster appeared or changed.
    pub fn cluster_changed(&self, name: &Named, cluster: &UploadCluster) {
        self.cluster_wakes.push(name);
        self.pool_wakes.push(&Named::new("", cluster.spec.pool_ref.as_str()));
    }

    /// An UploadCluster went.
    pub fn cluster_gone(&self) {
        for pool in self.pools.names(None) {
            self.pool_wakes.push(&pool);
        }
    }

    /// A Namespace appeared or changed. Pools look at labels when they are solved next.
    pub fn namespace_changed(&self, name: &Named, namespace: &Namespace) {
        let labels = namespace.metadata.labels.clone().unwrap_or_default();
        self.state().namespaces.insert(Arc::clone(&name.name), labels);
    }

    /// A Namespace went.
    pub fn namespace_gone(&self, name: &Named) {
        self.state().namespaces.remove(&name.name);
    }

    /// Pools that went since the last call.
    #[must_use]
    pub fn take_departed_pools(&self) -> Vec<String> {
        std::mem::take(&mut self.state().departed_pools).into_iter().collect()
    }

    /// Puts back what could not be forgotten.
    pub fn put_departed_pools(&self, pools: Vec<String>) {
        self.state().departed_pools.extend(pools);
    }
}
