//! What a person sees while a run works: a bar on a terminal, a line now and then elsewhere.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use super::Report;
use crate::plan::Plan;

/// The display of one run.
pub(super) struct Display {
    bar: ProgressBar,
    /// Frames of each chunk so far.
    chunks: Mutex<Vec<u64>>,
    done: AtomicU64,
}

impl Display {
    pub(super) fn new() -> Self {
        // Drawn to stderr, and not at all when that is no terminal.
        let bar = ProgressBar::new_spinner();
        Self { bar, chunks: Mutex::new(Vec::new()), done: AtomicU64::new(0) }
    }

    /// Names what is being done.
    pub(super) fn stage(&self, name: &'static str) {
        self.bar.set_message(name);
        self.bar.tick();
        tracing::info!(stage = name, "working");
    }

    /// Begins the encoding of `plan`.
    pub(super) fn encoding(&self, plan: &Plan) {
        self.stage("Encoding");
        if let Ok(mut chunks) = self.chunks.lock() {
            *chunks = vec![0; plan.chunks.len()];
        }
        if let Some(frames) = plan.frames() {
            self.bar.set_length(frames);
            let template = "{msg} {wide_bar} {pos}/{len} frames, {per_sec}, {eta} left, chunks {prefix}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
        }
        self.bar.set_prefix(format!("0/{}", plan.chunks.len()));
    }

    /// Chunk number `index` has so many frames.
    pub(super) fn frames(&self, index: u32, frames: u64) {
        if let Ok(mut chunks) = self.chunks.lock() {
            if let Some(chunk) = chunks.get_mut(index as usize) {
                *chunk = frames;
            }
            self.bar.set_position(chunks.iter().sum());
        }
    }

    /// One more chunk is done.
    pub(super) fn chunk_done(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let all = self.chunks.lock().map_or(0, |chunks| chunks.len());
        self.bar.set_prefix(format!("{done}/{all}"));
        tracing::info!(done, all, "chunk done");
    }

    /// All is done: says what there is now.
    pub(super) fn done(&self, report: &Report) {
        self.bar.finish_and_clear();
        tracing::info!(
            frames = report.frames,
            chunks = report.chunks.len(),
            cpu_seconds = report.cpu_seconds,
            wall_seconds = report.wall_seconds,
            "done"
        );
    }
}
