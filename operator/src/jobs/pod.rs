//! The pod every worker runs in: within restricted Pod Security, no API token, a read-only root, one scratch volume.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, EmptyDirVolumeSource, EnvVar, EnvVarSource, HostPathVolumeSource,
        LocalObjectReference, PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec, PodTemplateSpec,
        ResourceRequirements, SeccompProfile, SecretKeySelector, SecurityContext, Volume, VolumeMount,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use videocloud_protocol::{
    ids::TaskId,
    token::{Grant, TokenKey},
};

use super::frame::Frame;
use crate::config::{Settings, StoreMount, WorkerResources};

/// Name of the one container; the failure policy reads its exit code.
pub(super) const CONTAINER: &str = "worker";

const SCRATCH: &str = "/scratch";

/// A task's token outlives its Job by this much.
const TOKEN_MARGIN: Duration = Duration::from_secs(24 * 3600);

/// What all Jobs share: settings, the store's mount and the key their tokens are made with.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The operator's settings.
    pub settings: Settings,
    /// How pods reach the store.
    pub store: StoreMount,
    /// The key shared with the tracker.
    pub key: TokenKey,
}

impl Environment {
    fn token(&self, task: &TaskId, lifetime: Duration) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.key.mint(&Grant::Task(task.clone()), now + lifetime + TOKEN_MARGIN)
    }

    /// The variables of a worker (docs/architecture.md, workers' environment).
    fn variables(&self, task: &TaskId, order: String, lifetime: Duration) -> Vec<EnvVar> {
        let plain = |name: &str, value: String| EnvVar { name: name.into(), value: Some(value), value_from: None };
        let secret = |name: &str, secret: &str| EnvVar {
            name: name.into(),
            value: None,
            value_from: Some(EnvVarSource {
                secret_key_ref: Some(SecretKeySelector {
                    name: secret.into(),
                    key: name.into(),
                    optional: Some(false),
                }),
                ..EnvVarSource::default()
            }),
        };
        let mut variables = vec![
            plain("VIDEOCLOUD_TASK", order),
            plain("VIDEOCLOUD_TASK_TOKEN", self.token(task, lifetime)),
            plain("VIDEOCLOUD_TRACKER_URL", self.settings.jobs_tracker_url().to_string()),
            plain("VIDEOCLOUD_STORE", self.settings.store.store.clone()),
            plain("VIDEOCLOUD_SCRATCH", SCRATCH.into()),
            plain("VIDEOCLOUD_ALLOW_NETWORKS", self.settings.jobs.allow_networks.join(",")),
            // Libraries that insist on a temporary folder find the only writable one.
            plain("TMPDIR", SCRATCH.into()),
        ];
        if let StoreMount::Remote(Some(name)) = &self.store {
            variables.push(secret("AWS_ACCESS_KEY_ID", name));
            variables.push(secret("AWS_SECRET_ACCESS_KEY", name));
        }
        variables
    }

    fn store_volume(&self) -> Option<(Volume, VolumeMount)> {
        let mut volume = Volume { name: "store".into(), ..Volume::default() };
        match &self.store {
            StoreMount::Claim(claim) => {
                volume.persistent_volume_claim =
                    Some(PersistentVolumeClaimVolumeSource { claim_name: claim.clone(), read_only: None });
            }
            StoreMount::HostPath(path) => {
                volume.host_path = Some(HostPathVolumeSource { path: path.clone(), type_: Some("Directory".into()) });
            }
            StoreMount::Remote(_) => return None,
        }
        let mount_path = self.settings.store.path().unwrap_or_default().to_owned();
        Some((volume, VolumeMount { name: "store".into(), mount_path, ..VolumeMount::default() }))
    }

    fn container(
        &self,
        resources: WorkerResources<'_>,
        arguments: &[&str],
        env: Vec<EnvVar>,
        mounts: Vec<VolumeMount>,
    ) -> Container {
        Container {
            name: CONTAINER.into(),
            image: Some(resources.image.to_owned()),
            image_pull_policy: Some(self.settings.jobs.image_pull_policy.as_str().into()),
            args: (!arguments.is_empty()).then(|| arguments.iter().map(ToString::to_string).collect()),
            env: Some(env),
            volume_mounts: Some(mounts),
            resources: Some(ResourceRequirements {
                requests: resources.requests.to_list(),
                limits: resources.limits.to_list(),
                ..ResourceRequirements::default()
            }),
            security_context: Some(SecurityContext {
                allow_privilege_escalation: Some(false),
                read_only_root_filesystem: Some(true),
                run_as_non_root: Some(true),
                capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".into()]) }),
                ..SecurityContext::default()
            }),
            termination_message_policy: Some("FallbackToLogsOnError".into()),
            ..Container::default()
        }
    }

    /// The template of a worker's pod. `arguments` follow the image's entry point; `lifetime` bounds its token.
    pub(super) fn template(
        &self,
        frame: &Frame<'_>,
        resources: WorkerResources<'_>,
        arguments: &[&str],
        order: String,
        lifetime: Duration,
    ) -> PodTemplateSpec {
        let jobs = &self.settings.jobs;
        let size_limit = Some(Quantity(resources.scratch.to_owned()));
        let mut volumes = vec![Volume {
            name: "scratch".into(),
            empty_dir: Some(EmptyDirVolumeSource { size_limit, medium: None }),
            ..Volume::default()
        }];
        let mut mounts =
            vec![VolumeMount { name: "scratch".into(), mount_path: SCRATCH.into(), ..VolumeMount::default() }];
        if let Some((volume, mount)) = self.store_volume() {
            volumes.push(volume);
            mounts.push(mount);
        }
        let env = self.variables(frame.task, order, lifetime);
        let secrets: Vec<_> =
            jobs.image_pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() }).collect();
        PodTemplateSpec {
            metadata: Some(ObjectMeta { labels: Some(frame.labels()), ..ObjectMeta::default() }),
            spec: Some(PodSpec {
                containers: vec![self.container(resources, arguments, env, mounts)],
                volumes: Some(volumes),
                restart_policy: Some("Never".into()),
                node_selector: resources.node_selector.to_map(),
                tolerations: resources.tolerations.to_list(),
                automount_service_account_token: Some(false),
                enable_service_links: Some(false),
                image_pull_secrets: (!secrets.is_empty()).then_some(secrets),
                priority_class_name: jobs.priority_class.clone(),
                security_context: Some(PodSecurityContext {
                    run_as_non_root: Some(true),
                    run_as_user: Some(jobs.job_user),
                    run_as_group: Some(jobs.job_user),
                    fs_group: Some(jobs.job_user),
                    fs_group_change_policy: Some("OnRootMismatch".into()),
                    seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
                    ..PodSecurityContext::default()
                }),
                ..PodSpec::default()
            }),
        }
    }
}
