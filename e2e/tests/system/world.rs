//! One cluster with one installation, an origin, and the questions every scenario asks.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use futures::StreamExt;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
    runtime::{WatchStreamExt, watcher},
};
use rand::seq::IndexedRandom;
use tokio::runtime::Runtime;
use videocloud_cluster::{Cluster, Progress, faults::disk::SmallDisk};
use videocloud_crds::VideoObject;
use videocloud_e2e::{
    clip,
    origin::Origin,
    system::{NAMESPACE, Objects, System},
    testbed::{self, Store, Testbed},
};

const CLUSTER: &str = "vc-e2e";
/// Port of the edge at the node.
pub const EDGE_PORT: u16 = 30080;
/// Bytes of the store, in memory: all that the scenarios keep at once, with room to spare.
const DISK: u64 = 2 << 30;

/// A scenario, as the table in `main` holds it.
pub type Scenario = for<'w> fn(&'w World) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'w>>;

/// What is killed.
#[derive(Debug, Clone, Copy)]
pub enum Victim {
    /// The leading operator (and, one time in two, the other with it).
    Operator,
    /// The tracker.
    Tracker,
    /// A downloader or transcoder pod, if one runs.
    Worker,
}

/// The objects of one video's owner: how Jobs are found.
#[derive(Debug, Clone)]
pub struct Owner {
    claim: String,
    namespace: String,
    name: String,
}

/// A Job in few words.
#[derive(Debug, Clone)]
pub struct JobSeen {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// The world of the scenarios. Clones share it.
#[derive(Clone)]
pub struct World {
    runtime: Arc<Runtime>,
    bed: Arc<Testbed>,
    origin: Arc<Origin>,
    clips: PathBuf,
}

impl World {
    /// Makes the cluster, installs the system, starts the origin.
    pub fn start() -> anyhow::Result<Self> {
        let runtime = Arc::new(Runtime::new()?);
        let (bed, origin, clips) = runtime.block_on(async {
            let bed = Testbed::up(CLUSTER, EDGE_PORT, Store::Small(DISK), Progress::Told).await?;
            let clips = testbed::cache()?.join("e2e-origin");
            tokio::fs::create_dir_all(&clips).await?;
            let bunny = clip::fetch(&testbed::cache()?).await?;
            for name in ["bigbuckbunny.mp4", "bikes.mp4"] {
                tokio::fs::copy(&bunny, clips.join(name)).await?;
            }
            let origin = Origin::start(IpAddr::V4(bed.cluster().host_ip()), 0, &clips).await?;
            anyhow::Ok((bed, origin, clips))
        })?;
        Ok(Self { runtime, bed: Arc::new(bed), origin: Arc::new(origin), clips })
    }

    /// Runs a scenario to its end; on failure, prints what the parts said last.
    pub fn run(&self, name: &str, scenario: Scenario) -> anyhow::Result<()> {
        let outcome = self.runtime.block_on(scenario(self));
        if outcome.is_err() {
            println!("== what the parts said last ({name})");
            for part in ["operator", "tracker", "uploader"] {
                let selector = format!("app.kubernetes.io/component={part}");
                let logs = ["logs", "--namespace", NAMESPACE, "--selector", &selector, "--tail=40", "--prefix"];
                println!("{}", self.runtime.block_on(self.kubectl(&logs)).unwrap_or_else(|e| e.to_string()));
            }
            let everything = ["get", "vo,tj,jobs,pods", "--all-namespaces", "--output=wide"];
            println!("{}", self.runtime.block_on(self.kubectl(&everything)).unwrap_or_else(|e| e.to_string()));
        }
        outcome
    }

    /// Removes the cluster.
    pub fn stop(self) -> anyhow::Result<()> {
        if std::env::var_os("VIDEOCLOUD_E2E_KEEP").is_some() {
            println!("cluster {CLUSTER} is kept; remove it with `videocloud-cluster down {CLUSTER}`");
            return Ok(());
        }
        self.runtime.block_on(async { Cluster::remove(CLUSTER).await })?;
        Ok(())
    }

    /// A connection of its own to the API server.
    pub async fn objects(&self) -> anyhow::Result<Objects> {
        Ok(self.system().objects().await?)
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        self.bed.cluster()
    }

    /// The origin.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The origin's address, which is this machine's as pods see it.
    pub fn host(&self) -> anyhow::Result<Ipv4Addr> {
        match self.origin.address().ip() {
            IpAddr::V4(host) => Ok(host),
            IpAddr::V6(_) => bail!("the origin has no IPv4 address"),
        }
    }

    /// The folder with ffmpeg and ffprobe.
    pub fn tools(&self) -> &Path {
        self.bed.tools()
    }

    fn system(&self) -> &System {
        self.bed.system()
    }

    /// The disk of the store.
    pub fn disk(&self) -> anyhow::Result<&SmallDisk> {
        self.bed.disk().context("the store is on no disk of its own")
    }

    /// Runs the chart's upgrade with more arguments.
    pub async fn upgrade(&self, arguments: &[&str]) -> anyhow::Result<()> {
        Ok(self.system().upgrade(arguments).await?)
    }

    /// Runs `kubectl`.
    pub async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(self.bed.cluster().kubectl(arguments).await?)
    }

    /// A VideoObject with these links and renditions. The text may be continued with more fields of `spec`.
    pub fn video(&self, name: &str, links: &[&str], renditions: &[&str]) -> String {
        use std::fmt::Write;
        let mut text = format!(
            "apiVersion: videocloud.dev/v1alpha1\nkind: VideoObject\nmetadata:\n  name: {name}\nspec:\n  sources:\n"
        );
        for (i, link) in links.iter().enumerate() {
            let _ = writeln!(text, "    - name: link-{i}\n      url: \"{link}\"");
        }
        if !renditions.is_empty() {
            text.push_str("  renditions:\n");
            for profile in renditions {
                let _ = writeln!(text, "    - profileRef: {profile}");
            }
        }
        text
    }

    /// A clip at the origin that no other scenario uses, made on first use; its file name is returned.
    pub async fn fresh_clip(&self, name: &str, seconds: u32, seed: u32) -> anyhow::Result<String> {
        let file = format!("{name}-{seconds}s-{seed}.mp4");
        let path = self.clips.join(&file);
        if !path.exists() {
            let partial = self.clips.join(format!("partial-{file}"));
            clip::synthesise(&self.tools().join("ffmpeg"), &partial, seconds, seed).await?;
            tokio::fs::rename(&partial, &path).await?;
        }
        Ok(file)
    }

    /// A film at the origin: the real clip so many times, made on first use; its file name is returned.
    pub async fn film(&self, name: &str, times: u32) -> anyhow::Result<String> {
        let file = format!("{name}-{times}x.mp4");
        let path = self.clips.join(&file);
        if !path.exists() {
            let clip = clip::fetch(&testbed::cache()?).await?;
            let partial = self.clips.join(format!("partial-{file}"));
            clip::repeat(&self.tools().join("ffmpeg"), &clip, &partial, times).await?;
            tokio::fs::rename(&partial, &path).await?;
        }
        Ok(file)
    }

    async fn chunk_pods(&self, run: &str) -> anyhow::Result<Api<Pod>> {
        ensure!(run.starts_with("tc-"), "no run: {run}");
        Ok(Api::namespaced(self.objects().await?.client(), NAMESPACE))
    }

    /// Waits until chunk number `index` of a run is encoded.
    pub async fn await_chunk(&self, run: &str, index: u32, limit: Duration) -> anyhow::Result<()> {
        let config = watcher::Config::default().labels(&chunks_of(run));
        let mut changes = watcher(self.chunk_pods(run).await?, config).default_backoff().applied_objects().boxed();
        let wanted = index.to_string();
        let waiting = async {
            while let Some(change) = changes.next().await {
                let Ok(pod) = change else { continue };
                let this = pod.annotations().get("batch.kubernetes.io/job-completion-index") == Some(&wanted);
                if this && phase(&pod) == Some("Succeeded") {
                    return Ok(());
                }
            }
            bail!("the watch of pods ended")
        };
        tokio::time::timeout(limit, waiting).await.with_context(|| format!("chunk {index} of {run} after {limit:?}"))?
    }

    /// Kills a pod that encodes a chunk of a run, with no time to say goodbye; `None` when none does.
    pub async fn kill_chunk(&self, run: &str) -> anyhow::Result<Option<String>> {
        let pods = self.chunk_pods(run).await?;
        for pod in pods.list(&ListParams::default().labels(&chunks_of(run))).await? {
            if phase(&pod) == Some("Running") {
                pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await?;
                return Ok(Some(pod.name_any()));
            }
        }
        Ok(None)
    }

    async fn jobs(&self) -> anyhow::Result<Api<Job>> {
        Ok(Api::namespaced(self.objects().await?.client(), NAMESPACE))
    }

    /// How the Jobs of a video are found.
    pub fn owner(&self, video: &VideoObject) -> anyhow::Result<Owner> {
        let claim = video.status.as_ref().and_then(|s| s.claim_key.clone()).context("no claim key in status")?;
        Ok(Owner { claim, namespace: video.namespace().unwrap_or_default(), name: video.name_any() })
    }

    /// The Jobs that work for a video.
    pub async fn jobs_of(&self, owner: &Owner) -> anyhow::Result<Vec<JobSeen>> {
        let all = self.jobs().await?.list(&ListParams::default()).await?;
        Ok(all.into_iter().filter(|job| works_for(job, owner)).map(|job| seen(&job)).collect())
    }

    /// The download Jobs of a claim.
    pub async fn download_jobs(&self, claim: &str) -> anyhow::Result<Vec<JobSeen>> {
        let wanted = format!("dl-{claim}");
        let all = self.jobs().await?.list(&ListParams::default()).await?;
        Ok(all.into_iter().filter(|job| job.name_any() == wanted).map(|job| seen(&job)).collect())
    }

    /// Waits until the Jobs of a video are as wanted.
    pub async fn await_jobs(
        &self,
        owner: &Owner,
        limit: Duration,
        done: impl Fn(&Vec<JobSeen>) -> bool,
    ) -> anyhow::Result<()> {
        let mut jobs: BTreeMap<String, Job> = BTreeMap::new();
        let mut changes = watcher(self.jobs().await?, watcher::Config::default()).default_backoff().boxed();
        let waiting = async {
            let mut listed = false;
            while let Some(change) = changes.next().await {
                match change {
                    Ok(watcher::Event::Init) => jobs.clear(),
                    Ok(watcher::Event::InitApply(job) | watcher::Event::Apply(job)) => {
                        jobs.insert(job.name_any(), job);
                    }
                    Ok(watcher::Event::Delete(job)) => {
                        jobs.remove(&job.name_any());
                    }
                    Ok(watcher::Event::InitDone) => listed = true,
                    Err(_) => continue,
                }
                if listed && done(&jobs.values().filter(|job| works_for(job, owner)).map(seen).collect()) {
                    return Ok(());
                }
            }
            bail!("the watch of Jobs ended")
        };
        tokio::time::timeout(limit, waiting).await.with_context(|| format!("Jobs of {owner:?} after {limit:?}"))?
    }

    /// Waits until a VideoObject is gone.
    pub async fn await_gone(&self, name: &str, limit: Duration) -> anyhow::Result<()> {
        let limit = format!("--timeout={}s", limit.as_secs());
        self.kubectl(&["wait", "--for=delete", &format!("vo/{name}"), &limit]).await?;
        Ok(())
    }

    /// Waits until no TranscodeJob, Job or worker pod is left of videos whose names start so.
    pub async fn await_no_orphans(&self, prefix: &str, limit: Duration) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let listed = self
                .kubectl(&[
                    "get",
                    "tj,jobs",
                    "--all-namespaces",
                    "--output=jsonpath={range .items[*]}{.metadata}{\"\\n\"}{end}",
                ])
                .await?;
            let left: Vec<&str> = listed.lines().filter(|line| line.contains(&format!("\"{prefix}"))).collect();
            if left.is_empty() {
                return Ok(());
            }
            ensure!(tokio::time::Instant::now() < deadline, "left behind:\n{}", left.join("\n"));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Kills the victim's process with no time to say goodbye; tells which pods.
    pub async fn kill(&self, victim: Victim) -> anyhow::Result<Vec<String>> {
        let selector = match victim {
            Victim::Operator => "app.kubernetes.io/component=operator",
            Victim::Tracker => "app.kubernetes.io/component=tracker",
            Victim::Worker => "videocloud.dev/task",
        };
        let pods: Api<Pod> = Api::namespaced(self.objects().await?.client(), NAMESPACE);
        let running = pods.list(&ListParams::default().labels(selector)).await?;
        let running: Vec<_> = running
            .into_iter()
            .filter(|pod| pod.status.as_ref().is_some_and(|s| s.phase.as_deref() == Some("Running")))
            .collect();
        let Some(one) = running.choose(&mut rand::rng()) else { return Ok(Vec::new()) };
        let both = matches!(victim, Victim::Operator) && rand::random();
        let killed: Vec<_> = if both { running.iter().collect() } else { vec![one] };
        let mut names = Vec::new();
        for pod in killed {
            match pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await {
                Ok(_) => names.push(pod.name_any()),
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error).context("failed to kill a pod"),
            }
        }
        Ok(names)
    }

    /// Notes every Job that is ever made from now on.
    pub async fn record_jobs(&self) -> anyhow::Result<JobRecord> {
        let record = JobRecord::default();
        let made = record.made.clone();
        let mut changes = watcher(self.jobs().await?, watcher::Config::default()).default_backoff().boxed();
        let task = tokio::spawn(async move {
            while let Some(change) = changes.next().await {
                if let Ok(watcher::Event::InitApply(job) | watcher::Event::Apply(job)) = change {
                    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                    made.entry(job.name_any()).or_default().insert(job.uid().unwrap_or_default());
                }
            }
        });
        Ok(JobRecord { _task: Some(Arc::new(AbortOnDrop(task))), ..record })
    }
}

/// The label selector of a run's chunk pods.
fn chunks_of(run: &str) -> String {
    format!("videocloud.dev/run={},videocloud.dev/work=chunk", run.trim_start_matches("tc-"))
}

fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

fn works_for(job: &Job, owner: &Owner) -> bool {
    job.name_any() == format!("dl-{}", owner.claim)
        || serde_json::to_string(&job.metadata)
            .is_ok_and(|text| text.contains(&format!("{}/{}", owner.namespace, owner.name)))
}

fn seen(job: &Job) -> JobSeen {
    JobSeen { name: job.name_any(), uid: job.uid().unwrap_or_default() }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Every Job seen, by name, with the uids it had.
#[derive(Clone, Default)]
pub struct JobRecord {
    made: Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>,
    _task: Option<Arc<AbortOnDrop>>,
}

impl JobRecord {
    /// The uids a Job of this name had: more than one means it was made again.
    pub fn uids(&self, name: &str) -> BTreeSet<String> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().unwrap_or_default()
    }
}
