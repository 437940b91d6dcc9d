//! A video that is deleted takes everything along, at every stage; nothing hangs.

use kube::api::DeleteParams;
use serde_json::json;

use crate::support::Hub;

async fn deleted_while(name: &str, stage: &'static str, pods: usize) {
    let hub = Hub::start(name, 2).await;
    let operator = hub.operator(&[]).await;
    hub.workers.hold(&[stage]);
    hub.video("one", "http://origin.example/one.mp4", json!({})).await;
    hub.until_started(stage, |started| started.len() >= pods).await;
    hub.videos().delete("one", &DeleteParams::default()).await.unwrap();
    hub.until_gone(hub.videos(), "one").await;
    hub.until_gone(hub.transcodes(), &format!("one-{name}")).await;
    hub.until_no_jobs().await;
    assert!(hub.tracker().publication(name, "one").await.unwrap().is_none());
    // The same name again starts over.
    hub.workers.hold(&[]);
    hub.video("one", "http://origin.example/one.mp4", json!({})).await;
    hub.until_ready("one").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_its_download() {
    deleted_while("deleted-download", "download", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_its_plan() {
    deleted_while("deleted-plan", "plan", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_chunks_are_encoded() {
    deleted_while("deleted-chunk", "chunk", 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_no_operator_runs() {
    let hub = Hub::start("deleted-unseen", 0).await;
    let operator = hub.operator(&[]).await;
    hub.workers.hold(&["plan"]);
    hub.video("one", "http://origin.example/one.mp4", json!({})).await;
    hub.until_started("a plan", |started| started.len() == 2).await;
    operator.crash().await;
    hub.videos().delete("one", &DeleteParams::default()).await.unwrap();
    hub.until_gone(hub.videos(), "one").await;
    let operator = hub.operator(&[]).await;
    hub.until_no_jobs().await;
    operator.stop().await;
}
