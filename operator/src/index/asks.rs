//! What videos ask of bandwidth pools: kept small beside each row, and gathered by content when a pool is solved.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use videocloud_crds::{
    VideoObject,
    videoobject::{Delivery, DeliveryMode},
};
use videocloud_protocol::ids::ContentId;

use super::{Named, VideoRow};

/// `spec.delivery`, as far as pools read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The pool that pays; `None` for the operator's default.
    pub pool: Option<Box<str>>,
    /// By HTTP alone.
    pub direct: bool,
    /// From 1 to 100; 10 is usual.
    pub weight: u8,
    /// Bytes per second each viewer gets first; 0 for none.
    pub floor: u64,
    /// Clusters that may deliver it; empty for all.
    pub clusters: Box<[Box<str>]>,
}

impl Default for Ask {
    fn default() -> Self {
        Self::read(&Delivery::default())
    }
}

impl Ask {
    fn read(delivery: &Delivery) -> Self {
        Self {
            pool: delivery.pool_ref.as_ref().map(|pool| pool.as_str().into()),
            direct: delivery.mode == DeliveryMode::Direct,
            weight: u8::try_from(delivery.weight.clamp(1, 100)).unwrap_or(10),
            floor: delivery.min_bytes_per_second_per_peer.map_or(0, |rate| rate.get()),
            clusters: delivery.clusters.iter().map(|cluster| cluster.as_str().into()).collect(),
        }
    }

    /// What `video` asks; `None` for the usual, so that most rows hold nothing.
    pub(super) fn of(video: &VideoObject) -> Option<Box<Self>> {
        let ask = Self::read(&video.spec.delivery);
        (ask != Self::default()).then(|| Box::new(ask))
    }
}

/// The rate at which the original plays, bytes per second; 0 while it is not known. The highest rendition's stands in for an
/// original nobody probed.
pub(super) fn playback(video: &VideoObject) -> u32 {
    let Some(shown) = &video.status else { return 0 };
    let content = shown.content.as_ref();
    let media = content.and_then(|content| content.media.as_ref());
    let mean = media.and_then(|media| media.bitrate).map(|bits| bits.get() / 8);
    let duration = media.and_then(|media| media.duration_millis).and_then(|millis| u64::try_from(millis).ok());
    let by_size = || {
        let (size, millis) = (content?.size.get(), duration.filter(|millis| *millis > 0)?);
        u64::try_from(u128::from(size) * 1000 / u128::from(millis)).ok()
    };
    let by_rendition = || shown.renditions.iter().filter_map(|made| made.bitrate).map(|bits| bits.get() / 8).max();
    let rate = mean.filter(|rate| *rate > 0).or_else(by_size).or_else(by_rendition).unwrap_or(0);
    u32::try_from(rate).unwrap_or(u32::MAX)
}

/// What one video asks for a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Whose it is.
    pub namespace: Arc<str>,
    /// From 1 to 100.
    pub weight: u8,
    /// Bytes per second each viewer gets first; 0 for none.
    pub floor: u64,
    /// Clusters that may deliver it; empty for all.
    pub clusters: Box<[Box<str>]>,
    /// By HTTP alone.
    pub direct: bool,
    /// The rate at which it plays, bytes per second; 0 while it is not known.
    pub playback: u32,
}

/// The contents that `pool` pays for, and what each of their videos asks, in the order of namespaces. A content of videos in
/// several pools is paid for by the first pool by name: so the tracker reads its tables.
pub(super) fn wanted<'a>(
    rows: impl Iterator<Item = (&'a Named, &'a VideoRow)>,
    pool: &str,
    default_pool: &str,
) -> BTreeMap<ContentId, Vec<Wanted>> {
    let usual = Ask::default();
    let mut found: BTreeMap<ContentId, Vec<Wanted>> = BTreeMap::new();
    let mut taken = HashSet::new();
    for (name, row) in rows {
        let Some(content) = row.content else { continue };
        let ask = row.ask.as_deref().unwrap_or(&usual);
        let payer = ask.pool.as_deref().unwrap_or(default_pool);
        if payer < pool {
            taken.insert(content);
        }
        if payer == pool {
            found.entry(content).or_default().push(Wanted {
                namespace: Arc::clone(&name.namespace),
                weight: ask.weight,
                floor: ask.floor,
                clusters: ask.clusters.clone(),
                direct: ask.direct,
                playback: row.playback,
            });
        }
    }
    if !taken.is_empty() {
        found.retain(|content, _| !taken.contains(content));
    }
    for videos in found.values_mut().filter(|videos| videos.len() > 1) {
        videos.sort_by(|a, b| a.namespace.cmp(&b.namespace));
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn video(name: &str, content: u8, delivery: serde_json::Value) -> (Named, VideoRow) {
        let content = ContentId::from_bytes([content; 32]).to_string();
        let video: VideoObject = serde_json::from_value(json!({
            "metadata": { "name": name, "namespace": "team", "uid": name },
            "spec": { "sources": [{ "name": "web", "url": "http://h/a.mp4" }], "delivery": delivery },
            "status": { "content": { "id": content, "size": 1_000_000, "media": { "durationMillis": 4000 } } },
        }))
        .unwrap();
        (Named::of(&video), VideoRow::of(&video))
    }

    #[test]
    fn usual_asks_take_no_room_and_playback_is_size_over_duration() {
        let (_, row) = video("a", 1, json!({}));
        assert_eq!((row.ask, row.playback), (None, 250_000));
        let (_, row) = video("a", 1, json!({ "weight": 20, "minBytesPerSecondPerPeer": 5 }));
        let ask = row.ask.unwrap();
        assert_eq!((ask.weight, ask.floor, ask.direct), (20, 5, false));
    }

    #[test]
    fn a_content_of_two_pools_is_paid_for_by_the_first_by_name() {
        let rows = [
            video("a", 1, json!({ "poolRef": "second" })),
            video("b", 1, json!({ "poolRef": "first" })),
            video("c", 2, json!({ "poolRef": "second" })),
            video("d", 3, json!({})),
        ];
        let of = |pool: &str| wanted(rows.iter().map(|(name, row)| (name, row)), pool, "second");
        let ids = |pool: &str| of(pool).keys().map(|id| id.as_bytes()[0]).collect::<Vec<_>>();
        assert_eq!((ids("first"), ids("second"), ids("third")), (vec![1], vec![2, 3], vec![]));
    }
}
