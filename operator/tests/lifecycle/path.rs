//! From apply to Ready, and what it costs.

use kube::api::{Patch, PatchParams};
use serde_json::json;
use videocloud_crds::{
    VideoObject,
    conditions::{types, video as reasons},
    videoobject::EndpointType,
};
use videocloud_protocol::{ids::TaskId, publication::Original};

use crate::support::{Hub, content_of, is};

const LINK: &str = "http://origin.example/one.mp4";

/// Calls to the API server from apply to Ready with one rendition, events included.
const MOST_CALLS: u64 = 12;
/// Of them, those that write.
const MOST_WRITES: u64 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn a_link_becomes_a_published_video_with_few_writes() {
    let hub = Hub::start("happy", 0).await;
    let operator = hub.operator(&[]).await;
    hub.video("one", LINK, json!({})).await;
    let video = hub.until_ready("one").await;
    let status = video.status.unwrap();
    assert_eq!(status.content.unwrap().id, content_of(LINK).to_string());
    let types: Vec<_> = status.endpoints.iter().map(|endpoint| endpoint.type_).collect();
    assert!(types.contains(&EndpointType::Hls), "{types:?}");
    assert!(status.endpoints.iter().all(|one| one.url.starts_with("https://edge.example/v/happy/one/")));
    let publication = hub.tracker().publication("happy", "one").await.unwrap().unwrap();
    assert_eq!((publication.original, publication.renditions.len()), (Original::Content(content_of(LINK)), 1));
    assert!(operator.requests() <= MOST_CALLS, "{} requests", operator.requests());
    assert!(operator.writes() <= MOST_WRITES, "{} writes", operator.writes());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_with_nothing_to_do_makes_no_call() {
    let hub = Hub::start("idle", 0).await;
    let operator = hub.operator(&[]).await;
    for (name, link) in [("one", LINK), ("two", "http://origin.example/missing.mp4")] {
        hub.video(name, link, json!({})).await;
    }
    hub.until_ready("one").await;
    hub.until_true("two", types::STALLED).await;
    operator.stop().await;
    let restarted = hub.operator(&[]).await;
    restarted.until_metric("videocloud_operator_reconciles_total{controller=\"Video\",outcome=\"Unchanged\"}", 2).await;
    restarted
        .until_metric("videocloud_operator_reconciles_total{controller=\"Transcode\",outcome=\"Unchanged\"}", 1)
        .await;
    assert_eq!(restarted.requests(), 0, "{}", restarted.metrics().await);
    restarted.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_are_an_indexed_job_between_plan_and_finish() {
    let hub = Hub::start("chunks", 3).await;
    let operator = hub.operator(&[]).await;
    hub.workers.hold(&["chunk"]);
    hub.video("one", LINK, json!({})).await;
    // While chunks are encoded the edge is told which run to play from.
    let offers = |video: &VideoObject| {
        let endpoints = video.status.iter().flat_map(|status| &status.endpoints);
        endpoints.into_iter().any(|endpoint| endpoint.type_ == EndpointType::Hls)
    };
    let video = hub.until("one", "offered by HLS", offers).await;
    assert!(!is(&video, types::READY));
    let run = async || {
        let publication = hub.tracker().publication("chunks", "one").await.unwrap().unwrap();
        publication.renditions.iter().map(|rendition| rendition.run).collect::<Vec<_>>()
    };
    let running = run().await;
    assert!(matches!(running[..], [Some(run)] if hub.workers.jobs().contains_key(TaskId::chunks(&run).as_str())));
    hub.workers.hold(&[]);
    hub.until_ready("one").await;
    assert_eq!(run().await, [None]);
    let job = hub.transcodes().get("one-chunks").await.unwrap();
    assert_eq!(job.status.unwrap().chunks.as_deref(), Some("3/3"));
    let work: Vec<String> =
        hub.workers.started().iter().map(|(name, _)| name.rsplit('-').next().unwrap().into()).collect();
    assert_eq!(work[1..], ["plan", "chunk", "chunk", "chunk", "finish"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_offered_while_it_is_fetched_to_who_asks_for_that() {
    let hub = Hub::start("arriving", 0).await;
    let operator = hub.operator(&[]).await;
    hub.workers.hold(&["download"]);
    hub.video("one", LINK, json!({ "delivery": { "whileDownloading": true } })).await;
    let offered = |video: &VideoObject| video.status.as_ref().is_some_and(|status| !status.endpoints.is_empty());
    let video = hub.until("one", "offered", offered).await;
    let status = video.status.clone().unwrap();
    let list: Vec<_> = status.endpoints.iter().map(|one| (one.type_, one.url.as_str())).collect();
    assert_eq!(list, [(EndpointType::File, "https://edge.example/v/arriving/one/file")]);
    let delivered = status.conditions.iter().find(|condition| condition.type_ == types::DELIVERED).unwrap();
    assert_eq!((delivered.status.as_str(), delivered.reason.as_str()), ("True", reasons::ARRIVING));
    assert!(!is(&video, types::READY));
    let original = async || hub.tracker().publication("arriving", "one").await.unwrap().unwrap().original;
    assert!(matches!(original().await, Original::Arriving(key) if Some(key.to_string()) == status.claim_key));
    let ask = async |wanted: bool| {
        let patch = Patch::Merge(json!({ "spec": { "delivery": { "whileDownloading": wanted } } }));
        hub.videos().patch("one", &PatchParams::default(), &patch).await.unwrap();
    };
    ask(false).await;
    let video = hub.until("one", "taken back", |video| !offered(video)).await;
    assert!(!is(&video, types::DELIVERED), "{:?}", video.status);
    assert_eq!(hub.tracker().publication("arriving", "one").await.unwrap(), None);
    ask(true).await;
    hub.until("one", "offered again", offered).await;
    hub.workers.hold(&[]);
    let status = hub.until_ready("one").await.status.unwrap();
    assert_eq!(original().await, Original::Content(content_of(LINK)));
    assert!(status.endpoints.iter().any(|one| one.type_ == EndpointType::Hls));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_videos_of_one_link_are_fetched_once() {
    let hub = Hub::start("joined", 0).await;
    let operator = hub.operator(&[]).await;
    hub.workers.hold(&["download"]);
    for name in ["one", "two"] {
        hub.video(name, LINK, json!({})).await;
        hub.until(name, "Downloading", |video| video.status.as_ref().is_some_and(|s| s.phase.is_some())).await;
    }
    hub.workers.hold(&[]);
    hub.until_ready("one").await;
    hub.until_ready("two").await;
    // The content and the rendition are known by now: a third is ready without a Job.
    let third = hub.video("three", "http://origin.example/one.mp4", json!({})).await;
    assert!(!is(&third, types::READY));
    hub.until_ready("three").await;
    let jobs = hub.workers.jobs();
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert_eq!(hub.workers.started().len(), 2);
    operator.stop().await;
}
