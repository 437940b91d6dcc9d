//! Plays kubelet and workers: every pod of a Job reports to the real tracker with the token its Job gave it, and then ends with
//! the exit code of what it reported. What a worker finds is written in its link.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use futures::StreamExt;
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::{sync::watch, task::JoinSet};
use videocloud_operator::jobs::labels;
use videocloud_protocol::{
    content::{ContentHashes, ContentManifest, MediaFacts, Verification},
    failure::{Failure, FailureClass, reason},
    ids::{ContentId, InfoHash, TaskId},
    rendition::RenditionSummary,
    task::{
        ChunkOutcome, DownloadOutcome, DownloadTask, Outcome, PlanOutcome, Progress, SourceReport, SourceSpec,
        SourceState, TaskResult, TranscodeOutcome, TranscodeTask, TranscodeWork,
    },
    tracker::Client as Tracker,
};

/// How a chunk of the first Job is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It ran out of memory, and told the tracker.
    Starved,
    /// It was killed before it could say a word.
    Killed,
    /// It was killed when it had told the tracker that it is done.
    KilledDone,
}

/// The workers of one system namespace. They end with this value.
pub struct Workers {
    /// Kinds of work that wait before they end: `download`, `plan`, `chunk`, `finish`.
    held: watch::Sender<BTreeSet<&'static str>>,
    lost: watch::Sender<Vec<(u32, Loss)>>,
    seen: Arc<Mutex<Vec<(String, String)>>>,
    _playing: JoinSet<()>,
}

impl Workers {
    /// Starts to play in `namespace`. A plan asks for `chunks` chunks; 0 means that it does all the work itself.
    pub fn start(client: Client, namespace: &str, chunks: u32) -> Self {
        let held = watch::Sender::new(BTreeSet::new());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut playing = JoinSet::new();
        let lost = watch::Sender::new(Vec::new());
        let part = Part { chunks, held: held.subscribe(), lost: lost.subscribe() };
        playing.spawn(play(Api::namespaced(client, namespace), part, Arc::clone(&seen)));
        Self { held, lost, seen, _playing: playing }
    }

    /// Has these chunks of the first Job lost.
    pub fn lose(&self, chunks: &[(u32, Loss)]) {
        self.lost.send_replace(chunks.to_vec());
    }

    /// Holds these kinds of work back from ending, and no others.
    pub fn hold(&self, work: &[&'static str]) {
        self.held.send_replace(work.iter().copied().collect());
    }

    /// Pods in the order they started: their Job's name and the Job's uid.
    pub fn started(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().clone()
    }

    /// Uids of the Jobs that had pods, by the Job's name.
    pub fn jobs(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut jobs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, uid) in self.started() {
            jobs.entry(name).or_default().insert(uid);
        }
        jobs
    }
}

/// What every worker is told.
#[derive(Clone)]
struct Part {
    chunks: u32,
    held: watch::Receiver<BTreeSet<&'static str>>,
    lost: watch::Receiver<Vec<(u32, Loss)>>,
}

async fn play(pods: Api<Pod>, part: Part, seen: Arc<Mutex<Vec<(String, String)>>>) {
    let mut running = JoinSet::new();
    let mut known = BTreeMap::new();
    let selector = watcher::Config::default().labels(labels::TASK);
    let mut changes = watcher(pods.clone(), selector).default_backoff().boxed();
    while let Some(change) = changes.next().await {
        match change {
            Ok(watcher::Event::InitApply(pod) | watcher::Event::Apply(pod)) => {
                let uid = pod.uid().unwrap();
                if pod.metadata.deletion_timestamp.is_some() || known.contains_key(&uid) {
                    continue;
                }
                let owner = &pod.owner_references()[0];
                seen.lock().unwrap().push((owner.name.clone(), owner.uid.clone()));
                known.insert(uid, running.spawn(work(pods.clone(), pod, part.clone())));
            }
            // A pod that goes takes its worker along.
            Ok(watcher::Event::Delete(pod)) => {
                if let Some(worker) = known.get(&pod.uid().unwrap()) {
                    worker.abort();
                }
            }
            _ => {}
        }
    }
}

async fn work(pods: Api<Pod>, pod: Pod, part: Part) {
    let Part { chunks, mut held, lost } = part;
    let variable = |name: &str| {
        let variables = pod.spec.as_ref().unwrap().containers[0].env.iter().flatten();
        variables.filter(|variable| variable.name == name).find_map(|variable| variable.value.clone()).unwrap()
    };
    let url = variable("VIDEOCLOUD_TRACKER_URL").parse().unwrap();
    let tracker = Tracker::new(url, variable("VIDEOCLOUD_TASK_TOKEN")).unwrap();
    let order = variable("VIDEOCLOUD_TASK");
    let kind = pod.labels()[labels::WORK].clone();
    let mut progress = Progress { stage: kind.clone(), ..Progress::default() };
    let mut loss = None;
    let (task, mut result) = if kind == "download" {
        let order: DownloadTask = serde_json::from_str(&order).unwrap();
        progress.leading = if order.while_downloading { 1000 } else { 0 };
        progress.sources = order.sources.iter().map(|source| report(source, true)).collect();
        (order.task.clone(), download(&order))
    } else {
        let order: TranscodeTask = serde_json::from_str(&order).unwrap();
        let index = pod.annotations().get("batch.kubernetes.io/job-completion-index");
        let index: Option<u32> = index.and_then(|text| text.parse().ok());
        let chunk = index.and_then(|index| order.chunk_of(index));
        if order.again.is_empty() {
            loss = lost.borrow().iter().find(|(one, _)| Some(*one) == chunk).map(|(_, loss)| *loss);
        }
        transcode(&order, chunk, chunks)
    };
    if loss == Some(Loss::Starved) {
        let failure = Failure::new(FailureClass::Resources, reason::OUT_OF_MEMORY, "Memory ran out.");
        result = TaskResult::Failed { failure, sources: Vec::new() };
    }
    let running = json!({ "status": { "phase": "Running", "startTime": Timestamp::now() } });
    if pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(running)).await.is_err() {
        return;
    }
    // Refused when the task ended already: then the result is refused or taken as well.
    let _ = tracker.progress(&task, &progress).await;
    if held.wait_for(|held| !held.contains(kind.as_str())).await.is_err() {
        return;
    }
    if loss != Some(Loss::Killed) && tracker.report_until_taken(&task, &result).await.is_err() {
        return;
    }
    let code = match &result {
        // The kernel's SIGKILL.
        _ if matches!(loss, Some(Loss::Killed | Loss::KilledDone)) => 137,
        TaskResult::Succeeded(_) => 0,
        TaskResult::Failed { failure, .. } => failure.class.exit_code(),
    };
    let now = Timestamp::now();
    let ended = json!({ "status": {
        "phase": if code == 0 { "Succeeded" } else { "Failed" },
        "containerStatuses": [{
            "name": "worker", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "terminated": { "exitCode": code, "startedAt": now, "finishedAt": now } },
        }],
    }});
    // Refused only when the pod is gone.
    let _ = pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(ended)).await;
}

/// The content behind a link: named by the link's last part.
pub fn content_of(link: &str) -> ContentId {
    let name = link.rsplit('/').next().unwrap();
    ContentId::from_bytes(Sha256::digest(name.as_bytes()).into())
}

/// The info hash of a content's torrent.
pub fn info_hash(content: &ContentId) -> InfoHash {
    InfoHash::derive([content.as_bytes().as_slice()])
}

/// Links that say `missing` are not there, those that say `silent` do not answer; every other holds a content.
fn report(source: &SourceSpec, running: bool) -> SourceReport {
    let link = source.link.to_string();
    let (state, word) = match link.contains("missing") {
        true => (SourceState::Failed, Some(reason::NOT_FOUND)),
        false if link.contains("silent") => (SourceState::Waiting, Some(reason::UNREACHABLE)),
        false => (if running { SourceState::Active } else { SourceState::Idle }, None),
    };
    SourceReport {
        name: source.name.clone(),
        link: source.link.clone(),
        state,
        reason: word.map(str::to_owned),
        message: None,
        bytes: 0,
        etag: None,
        last_modified: None,
    }
}

fn download(order: &DownloadTask) -> TaskResult {
    let sources: Vec<SourceReport> = order.sources.iter().map(|source| report(source, false)).collect();
    let Some(source) = order.sources.iter().find(|source| !source.link.to_string().contains("missing")) else {
        let failure = Failure::new(FailureClass::SourceFailed, reason::NOT_FOUND, "The server answered 404.");
        return TaskResult::Failed { failure, sources };
    };
    let id = content_of(&source.link.to_string());
    let content = ContentManifest {
        id,
        size: 1 << 30,
        mime: "video/mp4".into(),
        hashes: ContentHashes { info_hash_v1: Some(info_hash(&id).to_string()), ..ContentHashes::default() },
        verification: Verification::SingleSource,
        visibility: order.visibility.clone(),
        created: 1,
    };
    let outcome = DownloadOutcome { content, deduplicated: false, revalidated: false, sources };
    TaskResult::Succeeded(Outcome::Download(outcome))
}

fn transcode(order: &TranscodeTask, index: Option<u32>, chunks: u32) -> (TaskId, TaskResult) {
    let media = MediaFacts { duration_millis: 60_000, width: 1280, height: 720, ..MediaFacts::default() };
    let renditions = order.renditions.iter().map(|ordered| RenditionSummary {
        key: ordered.key,
        source: order.source,
        settings: ordered.settings.clone(),
        width: ordered.settings.frame.width,
        height: ordered.settings.frame.height,
        bits_per_second: 1_000_000,
        size: 7_500_000,
        duration_millis: 60_000,
        quality: None,
    });
    let done = TranscodeOutcome { renditions: renditions.collect(), media: media.clone(), chunks, cpu_millis: 1 };
    let (task, outcome) = match order.work {
        TranscodeWork::Plan if chunks == 0 => (order.task.clone(), Outcome::Plan(PlanOutcome::Done(done))),
        TranscodeWork::Plan => (order.task.clone(), Outcome::Plan(PlanOutcome::Chunks { chunks, media })),
        TranscodeWork::Chunk => {
            let index = index.unwrap();
            (TaskId::chunk(&order.run, index), Outcome::Chunk(ChunkOutcome { index, frames: 1, cpu_millis: 1 }))
        }
        TranscodeWork::Finish => (order.task.clone(), Outcome::Finish(done)),
    };
    (task, TaskResult::Succeeded(outcome))
}
