//! What must survive: the tracker away, a stop with clients under way.

use std::time::Duration;

use nix::sys::signal::Signal;
use reqwest::StatusCode;
use videocloud_protocol::publication::Access;

use crate::support::{Site, Tracker, client, header, until};

#[tokio::test]
async fn while_the_tracker_is_away_what_is_known_is_served() {
    let Site { folder, store, tracker, uploader, clip } = Site::open(Access::Public).await;
    let at = |path: &str| format!("http://{}/v/team/{path}", uploader.http);
    let status = async |path: &str| client().get(at(path)).send().await.unwrap().status();
    assert_eq!(status("holiday/high/video/1.m4s").await, StatusCode::OK);
    let address = tracker.address();
    tracker.stop().await;
    let failed = || async { (uploader.metric("videocloud_uploader_reports_total").await > 2.0).then_some(()) };
    until("reports that fail", failed).await;
    // Longer than an answer of the tracker is used without asking again.
    let long = tokio::time::Instant::now() + Duration::from_secs(6);
    while tokio::time::Instant::now() < long {
        assert_eq!(status("holiday/high/video/2.m4s").await, StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let unknown = client().get(at("other/file")).send().await.unwrap();
    assert_eq!((unknown.status(), header(&unknown, "retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "2"));
    let tracker = Tracker::restart(folder.path(), address).await;
    tracker.operator().unpublish("team", "holiday").await.unwrap();
    let gone = || async { (status("holiday/file").await == StatusCode::NOT_FOUND).then_some(()) };
    until("404 once the tracker is back", gone).await;
    drop((store, clip));
}

#[tokio::test]
async fn a_stop_lets_answers_end_and_takes_no_more() {
    let mut site = Site::with(Access::Public, &["--capacity", "400000"]).await;
    let original = site.original();
    let mut slow = site.get("file", &[]).await;
    let first = slow.chunk().await.unwrap().unwrap();
    let probe = async |site: &Site| client().get(format!("http://{}/readyz", site.uploader.metrics)).send().await;
    assert_eq!(probe(&site).await.unwrap().status(), StatusCode::OK);
    site.uploader.signal(Signal::SIGTERM);
    until("no longer ready", || async {
        probe(&site).await.is_ok_and(|answer| answer.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    until("no new connections", || async { client().get(site.at("file")).send().await.is_err().then_some(()) }).await;
    let mut body = first.to_vec();
    while let Some(chunk) = slow.chunk().await.unwrap() {
        body.extend(chunk);
    }
    assert!(body == original, "{} of {} bytes", body.len(), original.len());
    drop(slow);
    assert!(site.uploader.wait().success());
}
