//! The conversation with the tracker: every interval a report of what was sent, answered by the table of rates that holds next.
//! While nobody answers, the last table holds until it runs out, then the fallback; nothing that was sent goes unreported.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use videocloud_protocol::tracker::UploaderReport;

use crate::{catalogue::Standing, metrics::Metrics, rates::Swarms};

/// Longest wait for the tracker.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Least time between two reports.
const LEAST: Duration = Duration::from_millis(500);
/// Time between reports to a tracker that takes none.
const CLOSED: Duration = Duration::from_secs(45);

/// Reports for one uploader.
#[derive(Debug)]
pub struct Reporter {
    /// The tracker, and whether it takes reports.
    pub standing: Arc<Standing>,
    /// This uploader's name there.
    pub name: String,
    /// What it can send, bytes per second.
    pub capacity: u64,
    /// Where clients reach it.
    pub endpoint: Option<String>,
    /// Its cluster; empty without clusters.
    pub cluster: String,
    /// Where peers reach it.
    pub bittorrent: Vec<SocketAddr>,
    /// Rates are those of a file: the tracker's are not taken.
    pub own_table: bool,
    /// Cancelled when no new clients or peers should be sent here.
    pub draining: CancellationToken,
    /// Changes when the tracker divides rates anew.
    pub division: watch::Receiver<u64>,
    /// Time between two reports.
    pub interval: Duration,
    /// What is sent, and held to the table.
    pub swarms: Arc<Swarms>,
    /// What is counted.
    pub metrics: Metrics,
}

impl Reporter {
    /// Reports until `closing` is cancelled, and once more then.
    pub async fn run(mut self, closing: CancellationToken) {
        let mut failures: u32 = 0;
        let mut leaving = false;
        while !closing.is_cancelled() {
            leaving |= self.draining.is_cancelled();
            // What is divided from here on is news.
            self.division.borrow_and_update();
            match self.report().await {
                true => failures = 0,
                false => failures = failures.saturating_add(1),
            }
            let reported = Instant::now();
            // Uploaders started together must not report together. One that was not heard tries again sooner at first.
            let pause = if (1..3).contains(&failures) { self.interval / 4 } else { self.interval };
            let pause = pause.mul_f64(rand::random_range(0.9..1.1));
            let pause = if self.standing.is_closed() { pause.max(CLOSED) } else { pause };
            let mut division = self.division.clone();
            tokio::select! {
                () = self.pause(pause) => {}
                // Uploaders hear of it together, and must not report together either.
                Ok(()) = division.changed(), if !self.standing.is_closed() => {
                    let least = LEAST.mul_f64(rand::random_range(0.5..1.0));
                    self.pause(least.saturating_sub(reported.elapsed())).await;
                }
                () = closing.cancelled() => {}
                // Said at once, so that what it owned goes to others while it still serves.
                () = self.draining.cancelled(), if !leaving => {}
            }
        }
        self.report().await;
    }

    /// Waits, and sees to it that a table which runs out meanwhile does not hold longer.
    async fn pause(&self, pause: Duration) {
        let lasts = self.swarms.table_lasts();
        match lasts {
            Some(lasts) if lasts < pause => {
                tokio::time::sleep(lasts).await;
                self.swarms.enforce();
                tracing::warn!("the table of rates has run out; the fallback holds");
                tokio::time::sleep(pause.saturating_sub(lasts)).await;
            }
            _ => tokio::time::sleep(pause).await,
        }
    }

    /// One report; false when it was not taken.
    async fn report(&self) -> bool {
        let swarms = self.swarms.take_counts();
        let report = UploaderReport {
            capacity: self.capacity,
            swarms,
            endpoint: self.endpoint.clone(),
            cluster: self.cluster.clone(),
            bittorrent: self.bittorrent.clone(),
            draining: self.draining.is_cancelled(),
            generation: self.swarms.generation().unwrap_or(0),
        };
        let call = self.standing.tracker().report_uploader(&self.name, &report);
        let error = match tokio::time::timeout(TIMEOUT, call).await {
            Ok(Ok(_)) if self.own_table => {
                self.metrics.reported("taken");
                return true;
            }
            Ok(Ok(table)) => {
                let outcome = self.swarms.take_table(table);
                self.metrics.reported(if outcome.is_ok() { "taken" } else { "old_table" });
                if let Err(error) = outcome {
                    tracing::warn!(%error, "the one in force stays");
                }
                return true;
            }
            Ok(Err(error)) => {
                self.standing.note(&error);
                error.to_string()
            }
            Err(_) => format!("the tracker did not answer within {TIMEOUT:?}"),
        };
        self.metrics.reported("failed");
        self.swarms.put_back(report.swarms);
        if self.standing.is_closed() {
            tracing::debug!(error, "not reported");
        } else {
            tracing::warn!(error, "not reported; serving goes on");
        }
        false
    }
}
