//! Who is admitted when, and who leads.

use kube::{
    ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;
use videocloud_crds::conditions::{types, video::WAITING_FOR_ADMISSION};

use crate::support::Hub;

fn link(name: &str) -> String {
    format!("http://origin.example/{name}.mp4")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_holds_and_priority_orders_the_line() {
    let hub = Hub::start("line", 0).await;
    let operator = hub.operator(&["--max-downloads=1"]).await;
    hub.workers.hold(&["download"]);
    let bare = |priority: i32| json!({ "renditions": [], "priority": priority });
    hub.video("first", &link("first"), bare(0)).await;
    hub.until_started("the first download", |pods| pods.len() == 1).await;
    for (name, priority) in [("low", -5), ("high", 5)] {
        hub.video(name, &link(name), bare(priority)).await;
        hub.until(name, "waiting", |video| {
            let conditions = video.status.iter().flat_map(|status| &status.conditions);
            conditions.into_iter().any(|one| one.type_ == types::READY && one.reason == WAITING_FOR_ADMISSION)
        })
        .await;
    }
    assert_eq!(hub.jobs().list(&ListParams::default()).await.unwrap().items.len(), 1);
    hub.workers.hold(&[]);
    for name in ["first", "low", "high"] {
        hub.until_true(name, types::READY).await;
    }
    let mut order = Vec::new();
    for (job, _) in hub.workers.started() {
        let job = hub.jobs().get(&job).await.unwrap();
        order.push(job.annotations()["videocloud.dev/owner"].clone());
    }
    assert_eq!(order, ["line/first", "line/high", "line/low"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_takes_over_from_a_leader_that_stops_or_crashes() {
    let hub = Hub::start("leaders", 0).await;
    let flags = |name: &'static str| ["--lease-duration=6", "--lease-renew-deadline=5", "--lease-retry-period=1", name];
    let first = hub.operator(&flags("--identity=first")).await;
    first.until_metric("videocloud_operator_leader", 1).await;
    let second = hub.operator(&flags("--identity=second")).await;
    hub.workers.hold(&["plan"]);
    hub.video("one", &link("one"), json!({})).await;
    hub.until_started("a plan", |pods| pods.len() == 2).await;
    assert_eq!(second.requests(), 0, "a follower writes");
    first.crash().await;
    hub.workers.hold(&[]);
    hub.until_ready("one").await;
    let third = hub.operator(&flags("--identity=third")).await;
    second.stop().await;
    hub.video("two", &link("two"), json!({})).await;
    hub.until_ready("two").await;
    assert!(hub.workers.jobs().values().all(|uids| uids.len() == 1), "{:?}", hub.workers.jobs());
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_of_others_do_not_keep_a_video_from_its_way() {
    let hub = Hub::start("storm", 3).await;
    let operator = hub.operator(&[]).await;
    hub.video("one", &link("one"), json!({})).await;
    for count in 0..60 {
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { "example.com/count": count.to_string() } } }));
        hub.videos().patch("one", &PatchParams::default(), &patch).await.unwrap();
    }
    hub.until_ready("one").await;
    assert!(hub.workers.jobs().values().all(|uids| uids.len() == 1), "{:?}", hub.workers.jobs());
    operator.stop().await;
}
