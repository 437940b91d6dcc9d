//! Rows of the Jobs this operator made: a slim watched type, and what is kept of it.

use std::collections::HashMap;

use k8s_openapi::{
    api::batch::v1::{Job, JobStatus},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::Resource;
use serde::{Deserialize, Serialize};
use videocloud_protocol::ids::{RenditionKey, RunId, TaskId, TaskKind};

use crate::jobs::{annotations, labels};

/// The part of a Job that is read from the watch; the rest is never deserialised.
#[derive(Debug, Clone, Serialize, Deserialize, Resource)]
#[resource(inherit = "Job")]
pub struct WatchedJob {
    /// Labels and annotations name the work.
    pub metadata: ObjectMeta,
    /// Whether it is held back.
    #[serde(default)]
    pub spec: WatchedSpec,
    /// How it stands.
    #[serde(default)]
    pub status: Option<JobStatus>,
}

/// The part of a Job's spec that is read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WatchedSpec {
    /// Held back: it has no pods.
    pub suspend: Option<bool>,
    /// Pods that must succeed.
    pub completions: Option<i32>,
}

/// How a Job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// Held back.
    Suspended,
    /// Has or will have pods.
    Active,
    /// Every pod it needed succeeded.
    Complete,
    /// Given up, with the Job controller's reason.
    Failed(String),
    /// Being deleted; its pods may still run.
    Deleting,
}

impl JobState {
    /// Whether its pods have ended for good.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self, Self::Complete | Self::Failed(_))
    }
}

/// A Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Kubernetes uid.
    pub uid: String,
    /// What it works for, read from its name.
    pub kind: TaskKind,
    /// The renditions its run makes; empty for a download.
    pub renditions: Vec<RenditionKey>,
    /// The namespace whose limit it counts against.
    pub namespace: String,
    /// How it stands.
    pub state: JobState,
    /// Pods that must succeed; more than 1 for chunks.
    pub completions: u32,
    /// Pods that succeeded.
    pub succeeded: u32,
    /// Which making of the same Job this is, from 1.
    pub attempt: u32,
    /// Indexes that failed for good, once the Job has ended.
    pub failed_indexes: Vec<u32>,
    /// Whether its pod needs a Secret of the Job's name.
    pub inputs: bool,
}

/// Most indexes that are read of a Job: as many as a Job may have pods side by side.
const MOST_INDEXES: usize = 100_000;

/// Reads `1,3-5`, as a Job's status lists indexes.
fn read_indexes(text: &str) -> Option<Vec<u32>> {
    let mut indexes = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        if first > last || usize::try_from(last - first).ok()? + indexes.len() >= MOST_INDEXES {
            return None;
        }
        indexes.extend(first..=last);
    }
    Some(indexes)
}

impl JobRow {
    /// The run it is a part of; `None` for a download.
    #[must_use]
    pub const fn run(&self) -> Option<RunId> {
        match self.kind {
            TaskKind::Download(_) => None,
            TaskKind::Plan(run)
            | TaskKind::Chunks(run)
            | TaskKind::Again(run)
            | TaskKind::Chunk(run, _)
            | TaskKind::Finish(run) => Some(run),
        }
    }

    /// The row of a Job; `None` when its name and labels do not say what it is for.
    #[must_use]
    pub fn of(job: &WatchedJob) -> Option<Self> {
        let label = |name: &str| job.metadata.labels.as_ref()?.get(name);
        let annotation = |name: &str| job.metadata.annotations.as_ref()?.get(name);
        let task: TaskId = job.metadata.name.as_deref()?.parse().ok()?;
        let renditions = annotation(annotations::RENDITIONS).map_or("", String::as_str);
        let renditions = renditions.split(',').filter(|key| !key.is_empty());
        Some(Self {
            uid: job.metadata.uid.clone()?,
            kind: task.kind()?,
            renditions: renditions.map(str::parse).collect::<Result<_, _>>().ok()?,
            namespace: label(labels::NAMESPACE)?.clone(),
            state: state(job),
            completions: job.spec.completions.and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
            succeeded: job
                .status
                .as_ref()
                .and_then(|status| status.succeeded)
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or(0),
            attempt: annotation(annotations::ATTEMPT).and_then(|text| text.parse().ok()).unwrap_or(1),
            failed_indexes: match state(job) {
                JobState::Failed(_) => job
                    .status
                    .as_ref()
                    .and_then(|status| status.failed_indexes.as_deref())
                    .and_then(read_indexes)
                    .unwrap_or_default(),
                _ => Vec::new(),
            },
            inputs: annotation(annotations::INPUTS).is_some(),
        })
    }
}

fn state(job: &WatchedJob) -> JobState {
    if job.metadata.deletion_timestamp.is_some() {
        return JobState::Deleting;
    }
    let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    for condition in conditions.filter(|condition| condition.status == "True") {
        match condition.type_.as_str() {
            "Complete" => return JobState::Complete,
            "Failed" => return JobState::Failed(condition.reason.clone().unwrap_or_else(|| "JobFailed".into())),
            _ => {}
        }
    }
    if job.spec.suspend == Some(true) { JobState::Suspended } else { JobState::Active }
}

/// All rows by the Job's name, and the run of each rendition.
#[derive(Debug, Default)]
pub struct JobRows {
    rows: HashMap<String, JobRow>,
    runs: HashMap<RenditionKey, RunId>,
}

impl JobRows {
    /// Puts a row, and returns the one it replaces.
    pub fn put(&mut self, name: &str, row: JobRow) -> Option<JobRow> {
        if let Some(run) = row.run() {
            self.runs.extend(row.renditions.iter().map(|key| (*key, run)));
        }
        self.rows.insert(name.to_owned(), row)
    }

    /// Drops a row.
    pub fn remove(&mut self, name: &str) -> Option<JobRow> {
        let row = self.rows.remove(name)?;
        if let Some(run) = row.run()
            && !self.rows.values().any(|other| other.run() == Some(run))
        {
            self.runs.retain(|_, of| *of != run);
        }
        Some(row)
    }

    /// The row of a Job.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&JobRow> {
        self.rows.get(name)
    }

    /// The run whose Jobs make a rendition.
    #[must_use]
    pub fn run_of(&self, key: &RenditionKey) -> Option<RunId> {
        self.runs.get(key).copied()
    }

    /// Every row with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &JobRow)> {
        self.rows.iter().map(|(name, row)| (name.as_str(), row))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use videocloud_protocol::ids::ClaimKey;

    use super::*;

    fn watched(status: serde_json::Value, suspend: bool) -> WatchedJob {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {
                "name": format!("dl-{}", "01".repeat(16)), "uid": "u",
                "labels": { labels::NAMESPACE: "team" },
                "annotations": { annotations::ATTEMPT: "3" },
            },
            "spec": { "suspend": suspend, "template": {"spec": {}} },
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn states_follow_conditions() {
        let finished = |type_: &str| serde_json::json!({"conditions": [{"type": type_, "status": "True", "reason": "BackoffLimitExceeded"}]});
        for (status, suspend, expected) in [
            (serde_json::json!({}), false, JobState::Active),
            (serde_json::json!({}), true, JobState::Suspended),
            (finished("Complete"), false, JobState::Complete),
            (finished("Failed"), false, JobState::Failed("BackoffLimitExceeded".into())),
            (finished("FailureTarget"), false, JobState::Active),
        ] {
            assert_eq!(JobRow::of(&watched(status, suspend)).unwrap().state, expected);
        }
    }

    #[test]
    fn rows_carry_what_name_and_labels_say_and_strangers_have_none() {
        let row = JobRow::of(&watched(serde_json::json!({}), false)).unwrap();
        assert_eq!(row.kind, TaskKind::Download(ClaimKey::from_bytes([1; 16])));
        assert_eq!((row.namespace.as_str(), row.attempt), ("team", 3));
        let mut stranger = watched(serde_json::json!({}), false);
        stranger.metadata.labels = None;
        assert_eq!(JobRow::of(&stranger), None);
    }
}
