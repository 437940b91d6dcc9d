//! What the pool's UploadClusters say of themselves: who reports, what they can, what they use. Written when it changed.

use std::time::Instant;

use k8s_openapi::jiff::Timestamp;
use videocloud_crds::{
    UploadCluster, UploadClusterStatus,
    conditions::{delivery as reasons, types},
    types::BytesPerSecond,
};

use super::{MANAGER, dereference::Facts, members::Member, memory::Memory};
use crate::{
    controllers::{Error, World},
    events::Note,
    status::{Condition, merge, same},
};

/// Writes the statuses that changed.
///
/// # Errors
/// The API server's.
pub(super) async fn say(facts: &Facts, members: &[Member], memory: &mut Memory, world: &World) -> Result<(), Error> {
    let now = Instant::now();
    for cluster in &facts.clusters {
        let name = cluster.metadata.name.as_deref().unwrap_or_default();
        let Some(member) = members.iter().find(|member| member.name == name) else { continue };
        let before = memory.sent.insert(name.to_owned(), (member.sent, now));
        // Uploaders that came and went have counted anew.
        let used = before.filter(|(sent, _)| *sent <= member.sent).map(|(sent, at)| {
            coarse((member.sent - sent) as f64 / now.saturating_duration_since(at).as_secs_f64().max(1.0))
        });
        let next = compose(cluster, member, used, Timestamp::now());
        let shown = cluster.status.clone().unwrap_or_default();
        let timeless = |status: &UploadClusterStatus| UploadClusterStatus { conditions: Vec::new(), ..status.clone() };
        if same(&shown.conditions, &next.conditions) && timeless(&shown) == timeless(&next) {
            continue;
        }
        world.api.commit_status(&**cluster, MANAGER, None, &next).await?;
        let flips = ["True", "False"].into_iter().filter_map(|to| {
            let note = Note::on_flip(types::ACTIVE, to, "Watch", &shown.conditions, &next.conditions)?;
            Some(Note { warning: to == "False", ..note })
        });
        world.events.write(&**cluster, flips.collect()).await;
    }
    Ok(())
}

fn compose(cluster: &UploadCluster, member: &Member, used: Option<u64>, now: Timestamp) -> UploadClusterStatus {
    let shown = cluster.status.clone().unwrap_or_default();
    let generation = cluster.metadata.generation;
    let (reason, text) = if member.active {
        (reasons::REPORTING, "Its uploaders report, and it takes part in the pool.")
    } else {
        (reasons::NO_REPORT, "None of its uploaders reports: the pool is shared without it.")
    };
    let both = [types::READY, types::ACTIVE].map(|kind| Condition::new(kind, Some(member.active), reason, text));
    UploadClusterStatus {
        observed_generation: generation,
        conditions: merge(&shown.conditions, &both, generation, now),
        uploaders: i32::try_from(member.uploaders).ok(),
        capacity_bytes_per_second: Some(BytesPerSecond::saturating(member.capacity as u64)),
        used_bytes_per_second: used.map(BytesPerSecond::saturating).or(shown.used_bytes_per_second),
        cluster_uid: shown.cluster_uid,
    }
}

/// Two digits: what changes less is not worth a write.
fn coarse(rate: f64) -> u64 {
    if rate < 1000.0 {
        return 0;
    }
    let step = 10_f64.powf(rate.log10().floor() - 1.0);
    ((rate / step).round() * step) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_are_told() {
        let rates = [0.0, 999.0, 1234.0, 98_765.0, 99_999.0, 123_456_789.0];
        assert_eq!(rates.map(coarse), [0, 0, 1200, 99_000, 100_000, 120_000_000]);
    }
}
