//! What a person or a program sees of a download while it runs.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::interval;
use videocloud_downloader::engine::{Fetched, Snapshot, Status};
use videocloud_protocol::failure::Failure;
use videocloud_protocol::link::Link;
use videocloud_protocol::task::{SourceReport, SourceState};

use crate::cli::Cli;

const INTERVAL: Duration = Duration::from_millis(200);
const JSON_INTERVAL: Duration = Duration::from_secs(1);

/// A running display.
pub(crate) struct Display {
    json: bool,
    task: Option<JoinHandle<()>>,
    bars: Option<MultiProgress>,
}

impl Display {
    /// Shows `status` as the flags ask: JSON lines, bars on a terminal, or nothing.
    pub(crate) fn start(cli: &Cli, status: Status) -> Self {
        if cli.json {
            let task = tokio::spawn(async move {
                let mut ticks = interval(JSON_INTERVAL);
                loop {
                    ticks.tick().await;
                    say(&progress(&status.now()));
                }
            });
            return Self { json: true, task: Some(task), bars: None };
        }
        if cli.quiet || !std::io::stderr().is_terminal() {
            return Self { json: false, task: None, bars: None };
        }
        let bars = MultiProgress::new();
        let task = tokio::spawn(draw(bars.clone(), status));
        Self { json: false, task: Some(task), bars: Some(bars) }
    }

    /// Says how it ended.
    pub(crate) async fn end(self, last: &Snapshot, done: &Result<Fetched, Failure>) {
        if let Some(task) = self.task {
            task.abort();
            // It was just told to end.
            let _ = task.await;
        }
        if let Some(bars) = self.bars {
            // What cannot be drawn any more does not matter.
            let _ = bars.clear();
        }
        if self.json {
            say(&result(last, done));
        }
    }
}

/// Says that a download did not begin.
pub(crate) fn refused(links: &[Link], failure: &Failure) {
    let source = |(number, link): (usize, &Link)| SourceReport {
        name: format!("source-{}", number + 1),
        link: link.clone(),
        state: SourceState::Waiting,
        reason: None,
        message: None,
        bytes: 0,
        etag: None,
        last_modified: None,
    };
    let sources = links.iter().enumerate().map(source).collect();
    say(&result(&Snapshot { sources, ..Snapshot::default() }, &Err(failure.clone())));
}

fn progress(now: &Snapshot) -> serde_json::Value {
    json!({
        "event": "progress",
        "stage": now.stage.as_str(),
        "done": now.done,
        "total": now.total,
        "bytesPerSecond": now.per_second,
        "sources": sources(&now.sources),
    })
}

fn result(last: &Snapshot, done: &Result<Fetched, Failure>) -> serde_json::Value {
    match done {
        Ok(fetched) => json!({
            "event": "done",
            "contentId": fetched.content.id,
            "size": fetched.content.size,
            "mime": fetched.content.mime,
            "verification": fetched.content.verification,
            "deduplicated": fetched.deduplicated,
            "sources": sources(&last.sources),
        }),
        Err(failure) => json!({
            "event": "failed",
            "contentId": null,
            "verification": null,
            "class": failure.class,
            "reason": failure.reason,
            "message": failure.message,
            "sources": sources(&last.sources),
        }),
    }
}

fn sources(reports: &[SourceReport]) -> Vec<serde_json::Value> {
    let one = |report: &SourceReport| {
        json!({
            "name": report.name,
            "url": report.link.to_string(),
            "state": report.state,
            "bytes": report.bytes,
            "reason": report.reason,
            "message": report.message,
        })
    };
    reports.iter().map(one).collect()
}

fn say(event: &serde_json::Value) {
    // A reader that went away does not end the download.
    let _ = writeln!(std::io::stdout().lock(), "{event}");
}

async fn draw(bars: MultiProgress, status: Status) {
    let style =
        |template: &str| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let total = bars.add(ProgressBar::new(0));
    total.set_style(style("{msg:12} [{bar:32}] {bytes}/{total_bytes} {bytes_per_sec} {eta}"));
    let mut lines: Vec<ProgressBar> = Vec::new();
    let mut ticks = interval(INTERVAL);
    loop {
        ticks.tick().await;
        let now = status.now();
        total.set_message(now.stage.as_str());
        total.set_length(now.total.unwrap_or(now.done));
        total.set_position(now.done);
        for (number, report) in now.sources.iter().enumerate() {
            if lines.len() <= number {
                let line = bars.add(ProgressBar::new_spinner());
                line.set_style(style("  {msg}"));
                lines.push(line);
            }
            let bytes = indicatif::HumanBytes(report.bytes);
            let why = report.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
            lines[number].set_message(format!("{} {:?} {bytes}{why}", report.link, report.state));
        }
    }
}
