//! What the edge reads: publications, renditions, tables; and that a database has one tracker.

use videocloud_protocol::{
    content::MediaFacts,
    ids::{ContentId, RenditionKey, RunId, TaskId},
    publication::{Access, Original, Publication, PublishedRendition},
    rendition::{
        AudioCodec, AudioSettings, Frame, Packaging, RateControl, RenditionSettings, RenditionSummary, VideoCodec,
    },
    task::{Outcome, PlanOutcome, TaskResult, TranscodeOutcome},
    tracker::{ClaimSync, RenditionsRequest, UploaderReport, UploaderSwarm},
};
use videocloud_tracker::database::{Database, DatabaseError, DatabaseLocation};

use crate::support::Running;

fn publication(uid: &str) -> Publication {
    Publication {
        uid: uid.into(),
        original: Original::Content(ContentId::from_bytes([1; 32])),
        access: Access::Signed,
        renditions: vec![PublishedRendition { name: "720p".into(), key: RenditionKey::from_bytes([2; 32]), run: None }],
    }
}

pub async fn publications_come_and_go(location: &DatabaseLocation) {
    let tracker = Running::start(location).await;
    let (operator, uploader) = (tracker.operator(), tracker.uploader());
    assert_eq!(uploader.publication("team", "video").await.unwrap(), None);
    operator.publish("team", "video", &publication("old")).await.unwrap();
    operator.publish("team", "video", &publication("new")).await.unwrap();
    assert_eq!(uploader.publication("team", "video").await.unwrap(), Some(publication("new")));
    assert_eq!(uploader.publication("other", "video").await.unwrap(), None);
    operator.unpublish("team", "video").await.unwrap();
    operator.unpublish("team", "video").await.unwrap();
    assert_eq!(uploader.publication("team", "video").await.unwrap(), None);
    // One whose owner is gone is swept.
    operator.publish("team", "video", &publication("gone")).await.unwrap();
    operator.sync_claims(&ClaimSync { claims: Vec::new(), grace_seconds: 600 }).await.unwrap();
    assert!(uploader.publication("team", "video").await.unwrap().is_some());
    operator.sync_claims(&ClaimSync { claims: Vec::new(), grace_seconds: 0 }).await.unwrap();
    assert_eq!(uploader.publication("team", "video").await.unwrap(), None);
    tracker.stop().await;
}

fn rendition(key: u8, source: u8) -> RenditionSummary {
    RenditionSummary {
        key: RenditionKey::from_bytes([key; 32]),
        source: ContentId::from_bytes([source; 32]),
        settings: RenditionSettings {
            name: "720p".into(),
            video: VideoCodec::H264,
            frame: Frame { width: 1280, height: 720 },
            rate: RateControl { crf: 21, max_bits_per_second: 3_000_000, buffer_bits: 6_000_000, target_vmaf: None },
            preset: 5,
            encoder_threads: 2,
            max_frame_rate_milli: None,
            tone_map: true,
            audio: Some(AudioSettings {
                codec: AudioCodec::Aac,
                bits_per_second: 128_000,
                channels: 2,
                loudness_decilufs: None,
            }),
            captions: false,
            packaging: Packaging {
                hls: true,
                dash: true,
                file: None,
                poster: true,
                poster_at_percent: 10,
                sprite: None,
            },
            keyframe_seconds: 2,
            segment_seconds: 4,
        },
        width: 1280,
        height: 720,
        bits_per_second: 1,
        size: 1,
        duration_millis: 1,
        quality: None,
    }
}

pub async fn renditions_are_found_by_key_and_by_source(location: &DatabaseLocation) {
    let tracker = Running::start(location).await;
    let outcome = |renditions| TranscodeOutcome { renditions, media: MediaFacts::default(), chunks: 1, cpu_millis: 1 };
    let run = RunId::from_bytes([1; 16]);
    let (plan, finish) = (TaskId::plan(&run), TaskId::finish(&run));
    let result = TaskResult::Succeeded(Outcome::Plan(PlanOutcome::Done(outcome(vec![rendition(1, 9)]))));
    tracker.worker(&plan).report(&plan, &result).await.unwrap();
    let result = TaskResult::Succeeded(Outcome::Finish(outcome(vec![rendition(2, 9), rendition(3, 8)])));
    tracker.worker(&finish).report(&finish, &result).await.unwrap();
    let keys = vec![RenditionKey::from_bytes([3; 32]), RenditionKey::from_bytes([4; 32])];
    let request = RenditionsRequest { keys, sources: vec![ContentId::from_bytes([9; 32])] };
    let answer = tracker.operator().resolve_renditions(&request).await.unwrap();
    assert_eq!(answer.renditions, [rendition(1, 9), rendition(2, 9), rendition(3, 8)]);
    tracker.stop().await;
}

pub async fn uploaders_get_tables_that_grow(location: &DatabaseLocation) {
    let swarm = UploaderSwarm { http_bytes: 7, requests: 1, ..UploaderSwarm::new(ContentId::from_bytes([1; 32])) };
    let report = UploaderReport { capacity: 1000, swarms: vec![swarm], ..UploaderReport::default() };
    let tracker = Running::start(location).await;
    let table = tracker.uploader().report_uploader("edge-0", &report).await.unwrap();
    assert_eq!((table.rates.len(), table.rates[0].http), (1, 1000));
    let next = tracker.uploader().report_uploader("edge-0", &report).await.unwrap();
    assert!(next.generation > table.generation);
    tracker.stop().await;
    let tracker = Running::start(location).await;
    assert!(tracker.uploader().report_uploader("edge-0", &report).await.unwrap().generation > next.generation);
    tracker.stop().await;
}

pub async fn only_one_tracker_per_database(location: &DatabaseLocation) {
    let tracker = Running::start(location).await;
    let error = Database::open(location).await.unwrap_err();
    assert!(matches!(error, DatabaseError::InUse { .. }), "{error}");
    tracker.stop().await;
    Running::start(location).await.stop().await;
}
