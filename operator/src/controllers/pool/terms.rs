//! What the pool's videos ask, put together by content and held within their tenants' bounds. Pure.

use std::collections::BTreeMap;

use videocloud_crds::BandwidthPoolSpec;
use videocloud_protocol::ids::ContentId;
use videocloud_scheduler::model::ClusterSet;

use super::{members::Member, tenants::Tenants};
use crate::index::Wanted;

/// A viewer who is to play without a pause needs this much of the rate at which the content plays.
const MARGIN: f64 = 1.2;
/// The weight that counts once.
const USUAL_WEIGHT: f64 = 10.0;

/// What is asked for one content.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    /// The content.
    pub(super) content: ContentId,
    /// How many times its viewers count.
    pub(super) weight: f64,
    /// Bytes per second each viewer gets first; 0 for none.
    pub(super) floor: f64,
    /// Bytes per second each viewer is to be kept at.
    pub(super) target: f64,
    /// Whose share it counts in.
    pub(super) tenant: Option<usize>,
    /// Members that may deliver it, by their place.
    pub(super) clusters: ClusterSet,
    /// By HTTP alone.
    pub(super) direct: bool,
}

/// The terms of a pool, in the order of contents. A content of several videos is worth as much as the one that asks most.
pub(super) fn terms(
    wanted: &BTreeMap<ContentId, Vec<Wanted>>,
    spec: &BandwidthPoolSpec,
    tenants: &mut Tenants<'_>,
    members: &[Member],
) -> Vec<Term> {
    wanted.iter().map(|(content, videos)| term(*content, videos, spec, tenants, members)).collect()
}

fn term(
    content: ContentId,
    videos: &[Wanted],
    spec: &BandwidthPoolSpec,
    tenants: &mut Tenants<'_>,
    members: &[Member],
) -> Term {
    let usual = spec.target_bytes_per_second_per_peer.get() as f64;
    let mut term = Term {
        content,
        weight: 0.0,
        floor: 0.0,
        target: usual,
        tenant: None,
        clusters: ClusterSet::NONE,
        direct: true,
    };
    let mut playback = 0;
    for video in videos {
        let tenant = tenants.of(&video.namespace);
        let most = tenant.map_or(100, |(_, tenant)| tenant.max_weight);
        let weight = f64::from(i32::from(video.weight).min(most)) / USUAL_WEIGHT;
        let cap = tenant.and_then(|(_, tenant)| tenant.max_floor_bytes_per_second_per_peer);
        let floor = video.floor.min(cap.map_or(u64::MAX, |cap| cap.get())) as f64;
        term.weight = term.weight.max(weight);
        term.floor = term.floor.max(floor);
        term.tenant = match (term.tenant, tenant) {
            (Some(old), Some((new, _))) => Some(old.min(new)),
            (old, new) => old.or(new.map(|(place, _)| place)),
        };
        let may = |member: &Member| {
            video.clusters.is_empty() || video.clusters.iter().any(|cluster| **cluster == *member.name)
        };
        for (place, _) in members.iter().enumerate().filter(|(_, member)| may(member)) {
            term.clusters = term.clusters.with(place);
        }
        term.direct &= video.direct;
        playback = playback.max(video.playback);
    }
    if playback > 0 {
        term.target = MARGIN * f64::from(playback);
    }
    // Whoever asks for a floor wants at least that.
    term.target = term.target.max(term.floor);
    term
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn video(namespace: &str, weight: u8, floor: u64, clusters: &[&str], playback: u32) -> Wanted {
        let clusters = clusters.iter().map(|cluster| (*cluster).into()).collect();
        Wanted { namespace: namespace.into(), weight, floor, clusters, direct: false, playback }
    }

    #[test]
    fn bounds_of_tenants_hold_and_the_most_that_is_asked_counts() {
        let spec: BandwidthPoolSpec = serde_json::from_value(json!({
            "capacityBytesPerSecond": 1_000_000,
            "tenants": [{ "name": "cheap", "namespaceSelector": { "matchLabels": { "tier": "low" } }, "maxWeight": 5,
                          "maxFloorBytesPerSecondPerPeer": 1000 }],
        }))
        .unwrap();
        let labels = |namespace: &str| match namespace {
            "low" => BTreeMap::from([("tier".to_owned(), "low".to_owned())]),
            _ => BTreeMap::new(),
        };
        let mut tenants = Tenants::new(&spec.tenants, &labels);
        let members = ["east", "west"].map(|name| Member::new(name, 1000.0));
        let id = |n| ContentId::from_bytes([n; 32]);
        let wanted = BTreeMap::from([
            (id(1), vec![video("low", 100, 50_000, &["west"], 0)]),
            (id(2), vec![video("low", 100, 0, &["west"], 0), video("rich", 20, 200_000, &[], 125_000)]),
            (id(3), vec![video("rich", 10, 0, &["gone"], 400_000)]),
        ]);
        let terms = terms(&wanted, &spec, &mut tenants, &members);
        let seen: Vec<_> = terms.iter().map(|t| (t.weight, t.floor, t.target, t.tenant, t.clusters.len())).collect();
        assert_eq!(
            seen,
            [
                (0.5, 1000.0, 100_000.0, Some(0), 1),
                (2.0, 200_000.0, 200_000.0, Some(0), 2),
                (1.0, 0.0, 480_000.0, None, 0),
            ]
        );
    }
}
