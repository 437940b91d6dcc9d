//! A run of many chunks: short of memory, stopped half-way, and done without because something near is there.

use k8s_openapi::api::batch::v1::Job;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use videocloud_crds::{TranscodeJob, transcode::TranscodePhase};

use crate::support::{Hub, Loss};

const LINK: &str = "http://origin.example/one.mp4";

fn memory(job: &Job) -> String {
    let pod = job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
    pod.containers[0].resources.as_ref().unwrap().limits.as_ref().unwrap()["memory"].0.clone()
}

fn phase(job: &TranscodeJob) -> Option<TranscodePhase> {
    job.status.as_ref()?.phase
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_ran_out_of_memory_are_encoded_again_with_more() {
    let hub = Hub::start("short", 4).await;
    let operator = hub.operator(&["--transcoder-limits=memory=1Gi", "--more-memory=3"]).await;
    // One tells of it, one is killed before it can.
    hub.workers.lose(&[(1, Loss::Starved), (3, Loss::Killed)]);
    hub.video("one", LINK, json!({})).await;
    hub.until_ready("one").await;
    let jobs = hub.workers.jobs();
    let find = |end: &str| jobs.keys().find(|name| name.ends_with(end)).cloned().unwrap();
    let (first, second) =
        (hub.jobs().get(&find("-chunk")).await.unwrap(), hub.jobs().get(&find("-again")).await.unwrap());
    assert_eq!((memory(&first).as_str(), memory(&second).as_str()), ("1Gi", "3Gi"));
    assert_eq!(first.status.unwrap().failed_indexes.as_deref(), Some("1,3"));
    assert_eq!(second.spec.unwrap().completions, Some(2));
    let started = hub.workers.started();
    let count = |end: &str| started.iter().filter(|(name, _)| name.ends_with(end)).count();
    assert_eq!((count("-chunk"), count("-again"), count("-finish")), (4, 2, 1), "nothing is encoded twice");
    let job = hub.transcodes().get("one-short").await.unwrap();
    assert_eq!(job.status.unwrap().chunks.as_deref(), Some("4/4"));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_was_killed_when_it_was_done_is_done() {
    let hub = Hub::start("late", 3).await;
    let operator = hub.operator(&[]).await;
    hub.workers.lose(&[(1, Loss::KilledDone)]);
    hub.video("one", LINK, json!({})).await;
    hub.until_ready("one").await;
    let started = hub.workers.started();
    let count = |end: &str| started.iter().filter(|(name, _)| name.ends_with(end)).count();
    assert_eq!((count("-chunk"), count("-again"), count("-finish")), (3, 0, 1), "nothing is encoded twice");
    let job = hub.transcodes().get("one-late").await.unwrap();
    assert_eq!(job.status.unwrap().chunks.as_deref(), Some("3/3"));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_stopped_half_way_goes_on_where_it_was() {
    let hub = Hub::start("halfway", 3).await;
    let operator = hub.operator(&[]).await;
    hub.workers.hold(&["chunk"]);
    hub.video("one", LINK, json!({})).await;
    hub.until_started("chunks", |pods| pods.len() == 5).await;
    let suspend = async |stop: bool| {
        let patch = Patch::Merge(json!({ "spec": { "suspend": stop } }));
        hub.videos().patch("one", &PatchParams::default(), &patch).await.unwrap();
    };
    suspend(true).await;
    hub.until_transcode("one-halfway", "suspended", |job| phase(job) == Some(TranscodePhase::Suspended)).await;
    let before = hub.workers.started().len();
    hub.workers.hold(&[]);
    suspend(false).await;
    hub.until_ready("one").await;
    assert!(hub.workers.started().len() > before);
    assert!(hub.workers.jobs().values().all(|uids| uids.len() == 1), "{:?}", hub.workers.jobs());
    operator.stop().await;
}

/// The settings of the world's profile with another ceiling of the rate, as a TranscodeJob of its own.
async fn wanting_more(hub: &Hub, name: &str) -> TranscodeJob {
    let text = include_str!("../../../crds/tests/objects/good/transcodeprofile.yaml");
    let profile: Value = serde_yaml_ng::from_str(text).unwrap();
    let mut settings = profile["spec"].clone();
    let rate = settings["rateControl"]["maxBitrate"].as_i64().unwrap();
    settings["rateControl"]["maxBitrate"] = json!(rate + rate / 10);
    let ttl = json!({ "succeeded": 1 });
    let spec = json!({ "videoRef": { "name": "one" }, "settings": settings, "ttlSecondsAfterFinished": ttl });
    let body: TranscodeJob = serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap();
    hub.transcodes().create(&PostParams::default(), &body).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recommendation_that_is_accepted_ends_the_job_and_its_time_ends_the_object() {
    let hub = Hub::start("accepted", 0).await;
    let operator = hub.operator(&[]).await;
    hub.video("one", LINK, json!({})).await;
    hub.until_ready("one").await;
    hub.workers.hold(&["plan"]);
    wanting_more(&hub, "more").await;
    let recommended = |job: &TranscodeJob| job.status.as_ref().and_then(|status| status.recommended.clone());
    let job = hub.until_transcode("more", "recommended another", |job| recommended(job).is_some()).await;
    let key = recommended(&job).unwrap().key;
    let accept = json!({ "metadata": { "annotations": { "videocloud.dev/accept-recommended": key } } });
    hub.transcodes().patch("more", &PatchParams::default(), &Patch::Merge(accept)).await.unwrap();
    hub.until_gone(hub.transcodes(), "more").await;
    operator.stop().await;
}
