//! The Job of a download.

use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use videocloud_protocol::{
    ids::TaskId,
    task::{DownloadLimits, DownloadTask, SourceSpec},
    tracker::{ClaimAnswer, Wanted},
};

use super::{
    Environment, Inputs, Placement, annotations,
    frame::{Frame, failure_policy},
    labels,
};

/// What is to be downloaded.
#[derive(Debug, Clone)]
pub struct DownloadOrder {
    /// The wish all owners share.
    pub wanted: Wanted,
    /// Where to fetch from.
    pub sources: Vec<SourceSpec>,
    /// Whether it is watched while it is fetched.
    pub while_downloading: bool,
    /// Seconds without one new byte before giving up.
    pub progress_deadline_seconds: u64,
    /// What the tracker knew.
    pub answer: ClaimAnswer,
    /// Credentials and documents of its sources.
    pub inputs: Inputs,
}

/// The task of an order. Links the index knows of join the sources after those the owner named.
fn task(order: DownloadOrder, environment: &Environment) -> DownloadTask {
    let DownloadOrder { wanted, mut sources, while_downloading, progress_deadline_seconds, answer, inputs: _ } = order;
    let key = wanted.key();
    for (number, link) in answer.links.into_iter().enumerate() {
        if sources.iter().all(|source| source.link != link) {
            sources.push(SourceSpec {
                name: format!("index-{number}"),
                link,
                document: None,
                select: None,
                headers: Vec::new(),
                priority: i32::MIN,
                credentials: None,
            });
        }
    }
    let jobs = &environment.settings.jobs;
    DownloadTask {
        task: TaskId::download(&key),
        key,
        sources,
        digest: wanted.digest,
        size: wanted.size,
        visibility: wanted.visibility,
        limits: DownloadLimits {
            max_size: jobs.max_content_size,
            progress_deadline_seconds,
            connections_per_host: jobs.connections_per_host,
            bytes_per_second: Some(jobs.download_rate).filter(|rate| *rate > 0),
            upload_bytes_per_second: jobs.upload_rate,
            shared: jobs.shared(environment.settings.control.max_downloads),
        },
        any_content: false,
        while_downloading,
        known: answer.known,
    }
}

/// The Job that downloads `order`.
///
/// # Errors
/// When the order cannot be written as JSON, which plain data never is.
pub fn download(
    order: DownloadOrder,
    placement: &Placement,
    environment: &Environment,
) -> Result<Job, serde_json::Error> {
    let inputs = order.inputs.clone();
    let task = task(order, environment);
    let settings = &environment.settings;
    let frame = Frame {
        name: &task.task,
        task: &task.task,
        work: "download",
        subject: (labels::CLAIM, task.key.to_string()),
        component: "downloader",
        placement,
        annotations: if inputs.is_empty() { Vec::new() } else { vec![(annotations::INPUTS, "true".to_owned())] },
    };
    let deadline: Duration = settings.jobs.download_deadline;
    let text = serde_json::to_string(&task)?;
    let mut template = environment.template(&frame, settings.jobs.downloader(), &[], text, deadline);
    inputs.mount(task.task.as_str(), &mut template);
    let spec = JobSpec {
        template,
        completions: Some(1),
        parallelism: Some(1),
        backoff_limit: i32::try_from(settings.jobs.job_backoff_limit).ok(),
        active_deadline_seconds: i64::try_from(deadline.as_secs()).ok(),
        ttl_seconds_after_finished: i32::try_from(settings.jobs.job_ttl.as_secs()).ok(),
        pod_failure_policy: Some(failure_policy()),
        // The next pod starts when the last has ended: two never write to one staging area.
        pod_replacement_policy: Some("Failed".into()),
        ..JobSpec::default()
    };
    Ok(frame.job(&settings.namespace, spec))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;
    use videocloud_protocol::{
        content::Visibility,
        link::Link,
        token::{Grant, TokenKey},
    };

    use super::*;
    use crate::config::{Settings, StoreMount};

    fn environment() -> Environment {
        let settings = Settings::try_parse_from([
            "operator",
            "--tracker-url=http://tracker:8080",
            "--key-file=/key",
            "--downloader-image=downloader:1",
            "--transcoder-image=transcoder:1",
            "--store=file:///store",
            "--store-claim=store",
        ])
        .unwrap();
        Environment { settings, store: StoreMount::Claim("store".into()), key: TokenKey::new(&[1; 32]).unwrap() }
    }

    fn order(links: &[&str]) -> DownloadOrder {
        let link: Link = "http://origin/a.mp4".parse().unwrap();
        DownloadOrder {
            wanted: Wanted {
                links: vec![link.clone()],
                digest: None,
                size: Some(10),
                visibility: Visibility::Public,
                variant: String::new(),
            },
            sources: vec![SourceSpec {
                name: "a".into(),
                link,
                document: None,
                select: None,
                headers: Vec::new(),
                priority: 100,
                credentials: None,
            }],
            while_downloading: false,
            progress_deadline_seconds: 60,
            answer: ClaimAnswer {
                content: None,
                known: Vec::new(),
                links: links.iter().map(|link| link.parse().unwrap()).collect(),
            },
            inputs: Inputs::default(),
        }
    }

    fn placement(queue: Option<&str>) -> Placement {
        Placement { namespace: "team".into(), owner: "team/a".into(), attempt: 1, queue: queue.map(Into::into) }
    }

    #[test]
    fn links_of_the_index_join_the_sources_once() {
        let task = task(order(&["http://origin/a.mp4", "http://mirror/a.mp4"]), &environment());
        let links: Vec<String> = task.sources.iter().map(|source| source.link.to_string()).collect();
        assert_eq!(links, ["http://origin/a.mp4", "http://mirror/a.mp4"]);
        assert_eq!(task.limits.progress_deadline_seconds, 60);
    }

    #[test]
    fn hosts_are_shared_as_the_flags_say() {
        let with = |flags: &[&str]| {
            let mut environment = environment();
            let needed = ["operator", "--tracker-url=http://t", "--key-file=/k", "--downloader-image=d"];
            let more = ["--transcoder-image=t", "--store=file:///store", "--store-claim=store", "--max-downloads=4"];
            let all = needed.iter().chain(&more).chain(flags);
            environment.settings = Settings::try_parse_from(all).unwrap();
            task(order(&[]), &environment).limits.shared
        };
        let usual = with(&[]).unwrap();
        assert_eq!((usual.connections, usual.requests_per_second, usual.downloads), (32, None, 4));
        assert_eq!(with(&["--host-connections=0"]), None);
        let rated = with(&["--host-connections=0", "--host-rate=1000", "--host-requests=2"]).unwrap();
        assert_eq!((rated.connections, rated.bytes_per_second, rated.requests_per_second), (32, Some(1000), Some(2)));
    }

    #[test]
    fn pods_stay_within_restricted_pod_security() {
        let spec = download(order(&[]), &placement(None), &environment()).unwrap().spec.unwrap();
        assert_eq!(spec.suspend, Some(false));
        let pod = spec.template.spec.unwrap();
        assert_eq!(pod.automount_service_account_token, Some(false));
        let security = pod.security_context.unwrap();
        assert_eq!(security.run_as_non_root, Some(true));
        assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
        let container = pod.containers[0].security_context.clone().unwrap();
        assert_eq!(container.allow_privilege_escalation, Some(false));
        assert_eq!(container.read_only_root_filesystem, Some(true));
        assert_eq!(container.capabilities.unwrap().drop.unwrap(), ["ALL"]);
        assert!(pod.volumes.unwrap().iter().any(|volume| volume.persistent_volume_claim.is_some()));
    }

    #[test]
    fn kueue_gets_a_suspended_job() {
        let job = download(order(&[]), &placement(Some("video")), &environment()).unwrap();
        assert_eq!(job.metadata.labels.unwrap()[labels::QUEUE], "video");
        assert_eq!(job.spec.unwrap().suspend, Some(true));
    }

    #[test]
    fn the_token_speaks_for_this_task_alone() {
        let environment = environment();
        let job = download(order(&[]), &placement(None), &environment).unwrap();
        let name = job.metadata.name.unwrap();
        let variables = job.spec.unwrap().template.spec.unwrap().containers[0].env.clone().unwrap();
        let token = variables.iter().find(|v| v.name == "VIDEOCLOUD_TASK_TOKEN").unwrap().value.clone().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(environment.key.verify(&token, now).unwrap(), Grant::Task(name.parse().unwrap()));
    }
}
