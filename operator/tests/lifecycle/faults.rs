//! Dead links, a tracker that goes, an operator that is killed again and again.

use serde_json::json;
use videocloud_crds::{conditions::types, videoobject::VideoPhase};

use crate::support::Hub;

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_link_says_so_and_the_retry_annotation_tries_again() {
    let hub = Hub::start("dead", 0).await;
    let operator = hub.operator(&[]).await;
    hub.video("one", "http://origin.example/missing.mp4", json!({})).await;
    let video = hub.until_true("one", types::STALLED).await;
    let status = video.status.unwrap();
    assert_eq!(status.phase, Some(VideoPhase::Failed));
    let ready = status.conditions.iter().find(|one| one.type_ == types::READY).unwrap();
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "NotFound"));
    hub.until_event("NotFound").await;
    hub.retry("one", "1").await;
    hub.until_started("a second try", |pods| pods.len() == 2).await;
    hub.until("one", "failed again", |video| {
        let status = video.status.as_ref().unwrap();
        status.phase == Some(VideoPhase::Failed) && status.observed_retry.as_deref() == Some("1")
    })
    .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_fetched_is_refused_without_a_job() {
    let hub = Hub::start("refused", 0).await;
    let operator = hub.operator(&[]).await;
    hub.video("hash", "ed2k://|file|a.mp4|1|965c013e991ee246d63d45ea71954c4d|/", json!({})).await;
    hub.until_true("hash", types::STALLED).await;
    hub.video("no-profile", "http://origin.example/a.mp4", json!({ "renditions": [{ "profileRef": "absent" }] })).await;
    hub.until("no-profile", "waiting for its profile", |video| {
        video.status.as_ref().is_some_and(|s| s.content.is_some())
    })
    .await;
    assert_eq!(hub.workers.started().len(), 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tracker_that_was_away_or_lost_everything_is_told_again() {
    let mut hub = Hub::start("away", 0).await;
    let operator = hub.operator(&[]).await;
    hub.stop_tracker(false).await;
    hub.video("one", "http://origin.example/one.mp4", json!({})).await;
    operator.until_metric("videocloud_operator_reconciles_total{controller=\"Video\",outcome=\"Error\"}", 1).await;
    hub.start_tracker().await;
    hub.until_ready("one").await;
    hub.stop_tracker(true).await;
    hub.start_tracker().await;
    hub.video("two", "http://origin.example/two.mp4", json!({})).await;
    hub.until_ready("two").await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(90);
    while hub.tracker().publication("away", "one").await.unwrap().is_none() {
        assert!(tokio::time::Instant::now() < deadline, "the first video was not published again");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_killed_at_every_stage_does_nothing_twice() {
    let hub = Hub::start("killed", 2).await;
    let mut operator = hub.operator(&[]).await;
    hub.workers.hold(&["download", "plan", "chunk", "finish"]);
    hub.video("one", "http://origin.example/one.mp4", json!({})).await;
    let stages = [(1, &["plan", "chunk", "finish"][..]), (2, &["chunk", "finish"]), (4, &["finish"]), (5, &[])];
    for (pods, held) in stages {
        hub.until_started("the next stage", |started| started.len() >= pods).await;
        operator.crash().await;
        hub.workers.hold(held);
        operator = hub.operator(&[]).await;
    }
    hub.until_ready("one").await;
    assert!(hub.workers.jobs().values().all(|uids| uids.len() == 1), "{:?}", hub.workers.jobs());
    assert_eq!(hub.workers.started().len(), 5);
    operator.stop().await;
}
