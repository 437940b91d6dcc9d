//! The worker's side: from an order of the operator to sources the engine can use, and the reports that follow.

mod credentials;
mod leases;
mod order;
mod report;

use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::Failure;
use videocloud_protocol::task::{DownloadOutcome, DownloadTask, Outcome, TaskResult};
use videocloud_protocol::tracker::Client;
use videocloud_store::Store;

pub use order::{Network, order};

use self::leases::Leases;
use crate::engine::{Status, fetch};

/// Carries out `task` and reports to the tracker: progress while it runs, its result when it ends. The result is taken by the
/// tracker before this returns, unless `stop` came and the tracker does not answer.
///
/// # Errors
/// The failure that was reported; its class is the exit code.
pub async fn perform(
    task: DownloadTask,
    network: &Network,
    store: &Store,
    tracker: &Client,
    stop: &CancellationToken,
) -> Result<DownloadOutcome, Failure> {
    let id = task.task.clone();
    let status = Status::default();
    let reporter = report::start(tracker.clone(), id.clone(), status.clone());
    let shared = task.limits.shared.clone();
    let fetched = match order(task, network) {
        Ok(order) => {
            let leases = shared.map(|limits| Leases::start(tracker.clone(), id.clone(), order.hosts.clone(), &limits));
            let fetched = fetch(&order, store, &status, stop).await;
            if let Some(leases) = leases {
                leases.end().await;
            }
            fetched
        }
        Err(failure) => Err(failure),
    };
    reporter.end().await;
    let sources = status.now().sources;
    let outcome = fetched.map(|fetched| DownloadOutcome {
        content: fetched.content,
        deduplicated: fetched.deduplicated,
        revalidated: fetched.revalidated,
        sources: sources.clone(),
    });
    let result = match &outcome {
        Ok(outcome) => TaskResult::Succeeded(Outcome::Download(outcome.clone())),
        Err(failure) => TaskResult::Failed { failure: failure.clone(), sources },
    };
    report::result(tracker, &id, &result, stop).await?;
    outcome
}
