//! `report.json`: what a run made, of what, and what it cost.

use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use serde::Serialize;
use videocloud_protocol::content::MediaFacts;
use videocloud_protocol::failure::Failure;
use videocloud_protocol::ids::{ContentId, RenditionKey};
use videocloud_protocol::rendition::{Quality, TreeFile};

use super::{chunks::replace, local, output};
use crate::encode::chunk::ChunkDone;
use crate::package::{Checks, Finished};
use crate::plan::{Plan, Timing};

/// The report of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// SHA-256 of the source.
    pub source: ContentId,
    /// What the probe found.
    pub media: MediaFacts,
    /// Frames of the source that are shown (of the output, on a fixed grid).
    pub frames: u64,
    /// Ticks per second.
    pub timescale: u32,
    /// How frames got their times.
    pub timing: Timing,
    /// The chunks.
    pub chunks: Vec<Chunk>,
    /// The renditions.
    pub renditions: Vec<Rendition>,
    /// CPU time of this process and its children, seconds.
    pub cpu_seconds: f64,
    /// Elapsed time, seconds.
    pub wall_seconds: f64,
    /// Largest resident memory of one child process, bytes.
    pub peak_child_bytes: u64,
}

/// One chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chunk {
    /// Tick of its first frame on the source's clock.
    pub start: i64,
    /// Tick where it ends.
    pub end: i64,
    /// Its keyframes.
    pub keyframes: usize,
    /// Its pieces, one per rendition.
    pub done: ChunkDone,
}

/// One rendition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rendition {
    /// Profile name.
    pub name: String,
    /// Its key.
    pub key: RenditionKey,
    /// Picture width, if there is one.
    pub width: Option<u32>,
    /// Picture height.
    pub height: Option<u32>,
    /// A better rendition that came out in the same size, because the source is no larger.
    pub same_size_as: Option<String>,
    /// Frames.
    pub frames: u64,
    /// What was measured, of a picture.
    pub quality: Option<Quality>,
    /// What was checked before it was published.
    pub checks: Checks,
    /// Its files with digests, as they were before they were moved into place.
    pub files: Vec<TreeFile>,
}

impl Report {
    pub(super) fn new(
        source: ContentId,
        plan: &Plan,
        done: &[ChunkDone],
        finished: &[Finished],
        wall: Duration,
    ) -> Self {
        let chunks = plan.chunks.iter().zip(done).map(|(chunk, done)| Chunk {
            start: chunk.start,
            end: chunk.end,
            keyframes: chunk.keys.len(),
            done: done.clone(),
        });
        let renditions = finished.iter().enumerate().map(|(index, rendition)| {
            let size = output::size(rendition);
            let twin = finished[..index].iter().find(|other| size.is_some() && output::size(other) == size);
            Rendition {
                name: rendition.manifest.settings.name.clone(),
                key: rendition.manifest.key,
                width: size.map(|size| size.0),
                height: size.map(|size| size.1),
                same_size_as: twin.map(|twin| twin.manifest.settings.name.clone()),
                frames: rendition.manifest.frames,
                quality: rendition.manifest.quality,
                checks: rendition.checks.clone(),
                files: rendition.manifest.files.clone(),
            }
        });
        let (cpu_seconds, peak_child_bytes) = cost();
        Self {
            source,
            media: plan.facts.summary(),
            frames: plan.frames().unwrap_or_else(|| finished.iter().map(|r| r.manifest.frames).max().unwrap_or(0)),
            timescale: plan.clock.timescale,
            timing: plan.timing,
            chunks: chunks.collect(),
            renditions: renditions.collect(),
            cpu_seconds,
            wall_seconds: wall.as_secs_f64(),
            peak_child_bytes,
        }
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| local("write", path, error))?;
        replace(path, &text)
    }
}

/// CPU seconds of this process and its ended children so far, and the largest resident memory of a child in bytes.
fn cost() -> (f64, u64) {
    let seconds = |usage: &Usage| {
        let of = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        of(usage.user_time()) + of(usage.system_time())
    };
    let children = getrusage(UsageWho::RUSAGE_CHILDREN);
    let own = getrusage(UsageWho::RUSAGE_SELF);
    let cpu = children.iter().chain(own.iter()).map(seconds).sum();
    // Linux counts ru_maxrss in KiB.
    let peak = children.map_or(0, |usage| u64::try_from(usage.max_rss()).unwrap_or(0) * 1024);
    (cpu, peak)
}

/// CPU milliseconds of this process and its ended children so far.
#[must_use]
pub fn cpu_millis() -> u64 {
    (cost().0 * 1000.0) as u64
}
