//! What a video says of its sources while they fail, and how it comes by Secrets.

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::json;
use videocloud_crds::{
    VideoObject,
    conditions::{types, video as reasons},
    videoobject::SourceState,
};

use crate::support::Hub;

fn ready_reason(video: &VideoObject) -> Option<&str> {
    let conditions = &video.status.as_ref()?.conditions;
    Some(conditions.iter().find(|one| one.type_ == types::READY)?.reason.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_nobody_answers_says_so_early_with_what_was_tried() {
    let hub = Hub::start("silent", 0).await;
    let operator = hub.operator(&["--no-source-after=1"]).await;
    hub.workers.hold(&["download"]);
    hub.video("one", "http://origin.example/silent.mp4", json!({ "renditions": [] })).await;
    let says = |video: &VideoObject| ready_reason(video) == Some(reasons::NO_SOURCE_ANSWERS);
    let video = hub.until("one", "without an answer", says).await;
    let conditions = video.status.unwrap().conditions;
    let ready = conditions.iter().find(|one| one.type_ == types::READY).unwrap();
    assert!(ready.message.contains("origin (Unreachable)"), "{}", ready.message);
    let stalled = conditions.iter().find(|one| one.type_ == types::STALLED).unwrap();
    assert_eq!(stalled.status, "False", "it is tried on");
    hub.until_event(reasons::NO_SOURCE_ANSWERS).await;
    operator.until_metric("videocloud_operator_quiet_downloads", 1).await;
    hub.workers.hold(&[]);
    hub.until_true("one", types::READY).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_source_is_in_the_status_and_one_event() {
    let hub = Hub::start("dropped", 0).await;
    let operator = hub.operator(&[]).await;
    let sources = json!([
        { "name": "dead", "url": "http://origin.example/missing.mp4" },
        { "name": "alive", "url": "ftp://origin.example/one.mp4" },
    ]);
    hub.video("one", "", json!({ "sources": sources, "renditions": [] })).await;
    let video = hub.until_true("one", types::READY).await;
    let states: Vec<_> = video.status.unwrap().sources.iter().map(|source| source.state).collect();
    assert_eq!(states, [SourceState::Failed, SourceState::Idle]);
    hub.until_event(reasons::SOURCE_DROPPED).await;
    operator.until_metric("videocloud_operator_dropped_sources_total{reason=\"NotFound\"}", 1).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_lent_to_the_download_and_go_with_it() {
    let hub = Hub::start("lent", 0).await;
    let operator = hub.operator(&[]).await;
    let sources = json!([{
        "name": "origin", "url": "http://origin.example/one.mp4", "credentialsSecretRef": { "name": "login" },
    }]);
    hub.video("one", "", json!({ "sources": sources, "renditions": [] })).await;
    let waits = |video: &VideoObject| ready_reason(video) == Some(reasons::CREDENTIALS_UNAVAILABLE);
    hub.until("one", "without its Secret", waits).await;
    hub.until_event(reasons::CREDENTIALS_UNAVAILABLE).await;
    assert_eq!(hub.workers.started(), []);
    let secrets = |namespace: &str| Api::<Secret>::namespaced(hub.client.clone(), namespace);
    let body = json!({ "metadata": { "name": "login" }, "stringData": { "username": "u", "password": "p" } });
    secrets(&hub.tenant).create(&PostParams::default(), &serde_json::from_value(body).unwrap()).await.unwrap();
    hub.retry("one", "1").await;
    hub.until_true("one", types::READY).await;
    let (job, uid) = hub.workers.started()[0].clone();
    let copy = secrets(&hub.system).get(&job).await.unwrap();
    assert_eq!(copy.data.unwrap().into_keys().collect::<Vec<_>>(), ["origin.password", "origin.username"]);
    assert_eq!(copy.metadata.owner_references.unwrap()[0].uid, uid);
    let job_object = hub.jobs().get(&job).await.unwrap();
    let pod = job_object.spec.unwrap().template.spec.unwrap();
    assert!(pod.volumes.unwrap().iter().any(|volume| {
        volume.secret.as_ref().is_some_and(|secret| secret.secret_name.as_deref() == Some(job.as_str()))
    }));
    hub.videos().delete("one", &DeleteParams::default()).await.unwrap();
    hub.until_gone(secrets(&hub.system), &job).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_leader_gives_a_job_the_secret_its_maker_did_not() {
    let hub = Hub::start("given", 0).await;
    let operator = hub.operator(&[]).await;
    hub.workers.hold(&["download"]);
    let secrets = |namespace: &str| Api::<Secret>::namespaced(hub.client.clone(), namespace);
    let body = json!({ "metadata": { "name": "torrents" }, "stringData": { "a.torrent": "d4:infodee" } });
    secrets(&hub.tenant).create(&PostParams::default(), &serde_json::from_value(body).unwrap()).await.unwrap();
    let document = json!({ "secretKeyRef": { "name": "torrents", "key": "a.torrent" } });
    let sources = json!([{ "name": "inline", "document": document }]);
    hub.video("one", "", json!({ "sources": sources, "renditions": [] })).await;
    hub.until_started("the download", |pods| pods.len() == 1).await;
    let (job, _) = hub.workers.started()[0].clone();
    operator.crash().await;
    match secrets(&hub.system).delete(&job, &DeleteParams::default()).await {
        // It went before it made one.
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        other => drop(other.unwrap()),
    }
    let operator = hub.operator(&[]).await;
    let there =
        kube::runtime::wait::await_condition(secrets(&hub.system), &job, |secret: Option<&Secret>| secret.is_some());
    tokio::time::timeout(std::time::Duration::from_secs(90), there).await.unwrap().unwrap();
    hub.workers.hold(&[]);
    hub.until_true("one", types::READY).await;
    operator.stop().await;
}
