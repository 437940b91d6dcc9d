//! Taking what workers report. A result and all that follows from it (content, hashes, links, renditions) is one transaction,
//! committed before the answer.

use std::sync::Arc;

use sqlx::{AnyConnection, Row};
use videocloud_protocol::{
    content::ContentManifest,
    failure::Failure,
    ids::{ClaimKey, TaskId, TaskKind},
    task::{DownloadOutcome, Outcome, PlanOutcome, Progress, TaskResult},
    tracker::Wanted,
};

use super::Standing;
use crate::{
    Tracker,
    database::{DatabaseError, now_seconds},
    index::{Scope, contents, links, renditions},
};

/// Takes a result. Repeating it, or a worse one, changes nothing but the revision.
///
/// # Errors
/// [`DatabaseError`]; nothing of the result is kept then.
pub async fn accept(tracker: &Arc<Tracker>, task: TaskId, result: TaskResult) -> Result<(), DatabaseError> {
    let held = Arc::clone(tracker);
    tracker.finish(async move { write(&held, &task, &result).await }).await
}

async fn write(tracker: &Tracker, task: &TaskId, result: &TaskResult) -> Result<(), DatabaseError> {
    let text = serde_json::to_string(result).map_err(|_| DatabaseError::Corrupt("a result"))?;
    let new = Standing::of(result);
    let mut tx = tracker.database.write().await?;
    let old = sqlx::query("SELECT standing FROM tasks WHERE task = $1").bind(task.as_str());
    if let Some(row) = old.fetch_optional(&mut *tx).await?
        && Standing::from_name(row.try_get(0)?).is_some_and(|old| !old.replaced_by(new))
    {
        return Ok(());
    }
    let reservation = Reservation::take(tracker);
    sqlx::query(
        "INSERT INTO tasks (task, revision, standing, result, updated_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (task) DO UPDATE SET revision = excluded.revision, standing = excluded.standing, \
         result = excluded.result, updated_at = excluded.updated_at",
    )
    .bind(task.as_str())
    .bind(i64::try_from(reservation.revision).unwrap_or(i64::MAX))
    .bind(new.name())
    .bind(text)
    .bind(now_seconds())
    .execute(&mut *tx)
    .await?;
    register(&mut tx, task, result).await?;
    tx.commit().await?;
    reservation.committed(task);
    if let TaskResult::Succeeded(Outcome::Download(outcome)) = result {
        serve_torrent(tracker, &outcome.content).await?;
    }
    Ok(())
}

/// The content's torrent may be announced from now on; to everybody, if anybody fetched the content without credentials.
async fn serve_torrent(tracker: &Tracker, manifest: &ContentManifest) -> Result<(), DatabaseError> {
    if let Some(found) = contents::find(tracker.database.read(), &manifest.id).await? {
        tracker.swarms.know(&ContentManifest { visibility: found.visibility, ..manifest.clone() });
    }
    Ok(())
}

/// A revision that is not visible yet; given back when dropped.
struct Reservation<'a> {
    tracker: &'a Tracker,
    revision: u64,
    open: bool,
}

impl<'a> Reservation<'a> {
    fn take(tracker: &'a Tracker) -> Self {
        Self { tracker, revision: tracker.journal(super::Journal::reserve), open: true }
    }

    fn committed(mut self, task: &TaskId) {
        self.open = false;
        self.tracker.journal(|journal| journal.settle(self.revision, Some(task)));
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.open {
            self.tracker.journal(|journal| journal.settle(self.revision, None));
        }
    }
}

async fn register(tx: &mut AnyConnection, task: &TaskId, result: &TaskResult) -> Result<(), DatabaseError> {
    let claim = match task.kind() {
        Some(TaskKind::Download(key)) => Some(key),
        _ => None,
    };
    match result {
        TaskResult::Succeeded(Outcome::Download(outcome)) => {
            if let Some(key) = claim {
                register_download(tx, &key, outcome).await?;
            }
        }
        TaskResult::Succeeded(Outcome::Plan(PlanOutcome::Done(outcome)) | Outcome::Finish(outcome)) => {
            renditions::register(tx, &outcome.renditions).await?;
        }
        TaskResult::Succeeded(Outcome::Plan(PlanOutcome::Chunks { .. }) | Outcome::Chunk(_)) => {}
        TaskResult::Failed { sources, .. } => {
            if let Some(key) = claim
                && let Some(wanted) = wanted(tx, &key).await?
            {
                links::register(tx, &wanted, sources, None).await?;
            }
        }
    }
    Ok(())
}

async fn register_download(
    tx: &mut AnyConnection,
    key: &ClaimKey,
    outcome: &DownloadOutcome,
) -> Result<(), DatabaseError> {
    let manifest = &outcome.content;
    // The manifest is that of the first download, maybe another namespace's; whoever fetched the bytes too may see them too.
    contents::register(tx, manifest, &Scope::from(&manifest.visibility)).await?;
    if let Some(wanted) = wanted(tx, key).await? {
        contents::register(tx, manifest, &Scope::from(&wanted.visibility)).await?;
        links::register(tx, &wanted, &outcome.sources, Some((&manifest.id, outcome.revalidated))).await?;
    }
    let sql = "UPDATE wishes SET content = $2 WHERE key = $1";
    sqlx::query(sql).bind(key.to_string()).bind(manifest.id.to_string()).execute(&mut *tx).await?;
    Ok(())
}

async fn wanted(tx: &mut AnyConnection, key: &ClaimKey) -> Result<Option<Wanted>, DatabaseError> {
    let row = sqlx::query("SELECT wanted FROM wishes WHERE key = $1").bind(key.to_string()).fetch_optional(tx).await?;
    let text: Option<String> = row.map(|row| row.try_get(0)).transpose()?.flatten();
    text.map(|text| serde_json::from_str(&text).map_err(|_| DatabaseError::Corrupt("a wish"))).transpose()
}

/// Takes progress. That of a task that has ended is late and dropped.
///
/// # Errors
/// [`DatabaseError`] when the database cannot say whether the task has ended.
pub async fn progress(tracker: &Tracker, task: &TaskId, progress: Progress) -> Result<(), DatabaseError> {
    loop {
        let settled = tracker.journal(|journal| {
            if journal.is_running(task) {
                journal.progress(task, progress.clone(), None);
                return None;
            }
            Some(journal.settled())
        });
        let Some(settled) = settled else { return Ok(()) };
        let sql = "SELECT standing, result FROM tasks WHERE task = $1";
        let row = sqlx::query(sql).bind(task.as_str()).fetch_optional(tracker.database.read()).await?;
        let mut last_failure = None;
        if let Some(row) = row {
            if Standing::from_name(row.try_get(0)?).is_none_or(Standing::is_end) {
                return Ok(());
            }
            last_failure = failure(row.try_get(1)?);
        }
        // A result may have been committed while the database was asked: then ask again.
        let kept = tracker.journal(|journal| {
            let unchanged = journal.settled() == settled;
            if unchanged {
                journal.progress(task, progress.clone(), last_failure);
            }
            unchanged
        });
        if kept {
            return Ok(());
        }
    }
}

/// The failure inside a stored result.
pub(super) fn failure(result: &str) -> Option<Failure> {
    match serde_json::from_str(result) {
        Ok(TaskResult::Failed { failure, .. }) => Some(failure),
        _ => None,
    }
}

/// Forgets a task: it may be ordered again under the same name. What its result registered in the index stays.
///
/// # Errors
/// [`DatabaseError`].
pub async fn forget(tracker: &Tracker, task: &TaskId) -> Result<(), DatabaseError> {
    let mut tx = tracker.database.write().await?;
    sqlx::query("DELETE FROM tasks WHERE task = $1").bind(task.as_str()).execute(&mut *tx).await?;
    tx.commit().await?;
    tracker.journal(|journal| journal.forget(task));
    Ok(())
}
