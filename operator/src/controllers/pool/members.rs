//! The clusters that upload for a pool, and what each can: its UploadCluster's capacity as far as its uploaders report it. Pure.
//!
//! A pool without UploadClusters has one member without a name: the uploaders that name no cluster. The hub's own UploadCluster
//! (`local`) speaks of the same uploaders.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use videocloud_crds::UploadCluster;
use videocloud_protocol::tracker::UploaderSummary;

/// Who uploads, as the last reports say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fleet {
    /// By the cluster they name: uploaders, what they can together, and what they have sent since they came.
    clusters: BTreeMap<String, (usize, u64, u64)>,
}

impl Fleet {
    /// The uploaders that report.
    pub(super) fn of(uploaders: &[UploaderSummary]) -> Self {
        let mut fleet = Self::default();
        for uploader in uploaders {
            let entry = fleet.clusters.entry(uploader.cluster.clone()).or_default();
            *entry =
                (entry.0 + 1, entry.1.saturating_add(uploader.capacity), entry.2.saturating_add(uploader.sent_bytes));
        }
        fleet
    }

    /// Uploaders, capacity and bytes sent of a cluster.
    fn get(&self, cluster: &str) -> (usize, u64, u64) {
        self.clusters.get(cluster).copied().unwrap_or_default()
    }
}

/// A cluster that may take part.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    /// Its UploadCluster; empty without one.
    pub(super) name: String,
    /// What its uploaders call it.
    pub(super) cluster: String,
    /// Bytes per second it can upload.
    pub(super) capacity: f64,
    /// Whether it takes part.
    pub(super) active: bool,
    /// Uploaders that report.
    pub(super) uploaders: usize,
    /// Bytes its uploaders have sent since they came.
    pub(super) sent: u64,
    /// Bytes per second to leave to it while it does not take part.
    pub(super) offline: f64,
}

impl Member {
    #[cfg(test)]
    pub(super) fn new(name: &str, capacity: f64) -> Self {
        let cluster = name.to_owned();
        Self { name: name.to_owned(), cluster, capacity, active: true, uploaders: 1, sent: 0, offline: 0.0 }
    }
}

/// When each cluster was heard of last.
pub(super) type Heard = BTreeMap<String, Instant>;

/// The members of a pool, by name. One that was heard within `grace` takes part with what it is said to have.
pub(super) fn members(
    clusters: &[UploadCluster],
    capacity: u64,
    fleet: &Fleet,
    heard: &mut Heard,
    (now, grace): (Instant, Duration),
) -> Vec<Member> {
    for cluster in fleet.clusters.keys() {
        heard.insert(cluster.clone(), now);
    }
    heard.retain(|_, at| now.saturating_duration_since(*at) <= grace);
    let mut members: Vec<Member> = clusters.iter().map(|cluster| member(cluster, fleet, heard)).collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    if members.is_empty() {
        let (uploaders, can, sent) = fleet.get("");
        // While nobody reports nobody is held to anything: whoever comes finds the table of a pool that holds all it may.
        let capacity = if uploaders > 0 { can.min(capacity) } else { capacity } as f64;
        let (name, cluster) = (String::new(), String::new());
        members.push(Member { name, cluster, capacity, active: true, uploaders, sent, offline: 0.0 });
    }
    members
}

fn member(cluster: &UploadCluster, fleet: &Fleet, heard: &Heard) -> Member {
    let name = cluster.metadata.name.clone().unwrap_or_default();
    let called = if cluster.spec.local.is_some() { String::new() } else { name.clone() };
    let (uploaders, can, sent) = fleet.get(&called);
    let whole = cluster.spec.capacity_bytes_per_second.get();
    Member {
        capacity: if uploaders > 0 { can.min(whole) } else { whole } as f64,
        active: heard.contains_key(&called),
        offline: cluster.spec.offline_rate_bytes_per_second.map_or(0, |rate| rate.get()) as f64,
        name,
        cluster: called,
        uploaders,
        sent,
    }
}

/// What the members can upload together, at most `capacity`, and less what is left to those that are cut off.
pub(super) fn reach(members: &[Member], capacity: u64) -> f64 {
    let active: f64 = members.iter().filter(|member| member.active).map(|member| member.capacity).sum();
    let offline: f64 = members.iter().filter(|member| !member.active).map(|member| member.offline).sum();
    active.min((capacity as f64 - offline).max(0.0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn uploader(cluster: &str, capacity: u64) -> UploaderSummary {
        let name = format!("{cluster}-{capacity}");
        UploaderSummary { name, cluster: cluster.into(), capacity, sent_bytes: 7, age_millis: 0 }
    }

    fn cluster(name: &str, spec: serde_json::Value) -> UploadCluster {
        let mut all = json!({ "poolRef": "p", "capacityBytesPerSecond": 1000 });
        all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        serde_json::from_value(json!({ "metadata": { "name": name }, "spec": all })).unwrap()
    }

    #[test]
    fn without_clusters_the_pool_has_one_nameless_member() {
        let (mut heard, at) = (Heard::new(), (Instant::now(), Duration::from_secs(60)));
        let nobody = members(&[], 5000, &Fleet::default(), &mut heard, at);
        assert_eq!((nobody[0].capacity, nobody[0].active, reach(&nobody, 5000)), (5000.0, true, 5000.0));
        let fleet = Fleet::of(&[uploader("", 1200), uploader("", 800), uploader("elsewhere", 9)]);
        let two = members(&[], 5000, &fleet, &mut heard, at);
        assert_eq!((two.len(), two[0].capacity, two[0].uploaders, two[0].sent), (1, 2000.0, 2, 14));
    }

    #[test]
    fn a_cluster_that_is_cut_off_keeps_its_offline_rate_and_gives_up_the_rest() {
        let clusters = [
            cluster("far", json!({ "offlineRateBytesPerSecond": 300 })),
            cluster("hub", json!({ "local": {}, "capacityBytesPerSecond": 4000 })),
        ];
        let (mut heard, start, grace) = (Heard::new(), Instant::now(), Duration::from_secs(60));
        let fleet = Fleet::of(&[uploader("", 9000), uploader("far", 700)]);
        let all = members(&clusters, 4500, &fleet, &mut heard, (start, grace));
        assert_eq!(
            all.iter().map(|m| (m.name.as_str(), m.cluster.as_str(), m.capacity)).collect::<Vec<_>>(),
            [("far", "far", 700.0), ("hub", "", 4000.0)]
        );
        assert_eq!(reach(&all, 4500), 4500.0);
        let fleet = Fleet::of(&[uploader("", 9000)]);
        let within = members(&clusters, 4500, &fleet, &mut heard, (start + grace, grace));
        assert_eq!((within[0].active, within[0].capacity), (true, 1000.0));
        let after = members(&clusters, 4500, &fleet, &mut heard, (start + grace + grace, grace));
        assert_eq!((after[0].active, reach(&after, 4500)), (false, 4000.0));
        assert_eq!(reach(&after, 4100), 3800.0);
    }
}
