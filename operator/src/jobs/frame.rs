//! What every Job has: its name, its labels, and what a pod's end means for it.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::batch::v1::{
        Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
        PodFailurePolicyRule,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use videocloud_protocol::ids::TaskId;

use super::{annotations, labels, pod};

/// Exit codes that end a Job at once (`FailureClass::is_terminal`).
const TERMINAL_CODES: std::ops::Range<i32> = 20..30;

/// Exit codes of a worker that ran out of memory or scratch space: its own word for it (`FailureClass::Resources`), and the
/// kernel's when it was the worker itself that was killed.
const OUT_OF_MEMORY_CODES: [i32; 2] = [31, 137];

/// Whom a Job is made for, and how it stands in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Namespace whose limit it counts against.
    pub namespace: String,
    /// `namespace/name` of the first object it is for.
    pub owner: String,
    /// Which making of the same Job this is, from 1.
    pub attempt: u32,
    /// Kueue queue; the Job is then made suspended, and Kueue starts it.
    pub queue: Option<String>,
}

impl Placement {
    /// The placement of a Job that follows `earlier` in the same run.
    #[must_use]
    pub fn inherited(earlier: &Job, attempt: u32) -> Self {
        let label = |name: &str| earlier.metadata.labels.as_ref()?.get(name).cloned();
        let owner = earlier.metadata.annotations.as_ref().and_then(|all| all.get(annotations::OWNER).cloned());
        Self {
            namespace: label(labels::NAMESPACE).unwrap_or_default(),
            owner: owner.unwrap_or_default(),
            attempt,
            queue: label(labels::QUEUE),
        }
    }
}

/// What differs between Jobs.
pub(super) struct Frame<'a> {
    /// Name of the Job.
    pub(super) name: &'a TaskId,
    /// What its token may report on.
    pub(super) task: &'a TaskId,
    pub(super) work: &'static str,
    pub(super) subject: (&'static str, String),
    pub(super) component: &'static str,
    pub(super) placement: &'a Placement,
    pub(super) annotations: Vec<(&'static str, String)>,
}

impl Frame<'_> {
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        [
            (labels::MANAGED_BY, labels::MANAGER.to_owned()),
            (labels::COMPONENT, self.component.to_owned()),
            (labels::TASK, self.name.to_string()),
            (labels::WORK, self.work.to_owned()),
            (self.subject.0, self.subject.1.clone()),
            (labels::NAMESPACE, self.placement.namespace.clone()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// The Job of `spec` in the namespace `system`.
    pub(super) fn job(&self, system: &str, spec: JobSpec) -> Job {
        let mut labels = self.labels();
        if let Some(queue) = &self.placement.queue {
            labels.insert(labels::QUEUE.to_owned(), queue.clone());
        }
        let annotations = [
            (annotations::OWNER, self.placement.owner.clone()),
            (annotations::ATTEMPT, self.placement.attempt.to_string()),
        ];
        let annotations =
            annotations.into_iter().chain(self.annotations.clone()).map(|(name, value)| (name.to_owned(), value));
        Job {
            metadata: ObjectMeta {
                name: Some(self.name.to_string()),
                namespace: Some(system.to_owned()),
                labels: Some(labels),
                annotations: Some(annotations.collect()),
                ..ObjectMeta::default()
            },
            spec: Some(JobSpec { suspend: Some(self.placement.queue.is_some()), ..spec }),
            status: None,
        }
    }
}

/// Terminal exit codes fail the Job, a drained or lost node counts for nothing, everything else is retried up to the back-off
/// limit.
pub(super) fn failure_policy() -> PodFailurePolicy {
    let on_disruption = PodFailurePolicyRule {
        action: "Ignore".into(),
        on_exit_codes: None,
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".into(),
            status: Some("True".into()),
        }]),
    };
    PodFailurePolicy { rules: vec![on_codes("FailJob", TERMINAL_CODES.collect()), on_disruption] }
}

/// As [`failure_policy`]; an index that ran out of memory is not tried again with as little.
pub(super) fn chunk_failure_policy() -> PodFailurePolicy {
    let PodFailurePolicy { mut rules } = failure_policy();
    rules.push(on_codes("FailIndex", OUT_OF_MEMORY_CODES.to_vec()));
    PodFailurePolicy { rules }
}

fn on_codes(action: &str, values: Vec<i32>) -> PodFailurePolicyRule {
    PodFailurePolicyRule {
        action: action.into(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(pod::CONTAINER.into()),
            operator: "In".into(),
            values,
        }),
        on_pod_conditions: None,
    }
}
