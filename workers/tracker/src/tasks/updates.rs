//! The stream of changes: what the operator reads in one batch instead of watching every task.

use std::time::Duration;

use sqlx::Row;
use tokio::time::Instant;
use videocloud_protocol::{
    task::{Progress, TaskRecord, TaskResult, TaskState},
    tracker::Updates,
};

use super::{Standing, results::failure};
use crate::{Tracker, database::DatabaseError};

/// Most tasks in one answer.
pub const MAX_BATCH: usize = 1000;

/// Tasks that changed after `after`, at once if there are any, else as soon as there are, at the latest after `wait`.
///
/// An `after` beyond the newest revision was made by a database that is no more (a restored backup): everything is told again.
///
/// # Errors
/// [`DatabaseError`].
pub async fn updates(tracker: &Tracker, after: u64, wait: Duration) -> Result<Updates, DatabaseError> {
    let deadline = Instant::now() + wait;
    let mut visible = tracker.visible();
    loop {
        visible.borrow_and_update();
        let updates = collect(tracker, after).await?;
        if !updates.tasks.is_empty() || updates.revision < after {
            return Ok(updates);
        }
        let moved = tokio::select! {
            moved = visible.changed() => moved.is_ok(),
            () = tokio::time::sleep_until(deadline) => false,
            () = tracker.closing().cancelled() => false,
        };
        if !moved {
            return Ok(updates);
        }
    }
}

async fn collect(tracker: &Tracker, after: u64) -> Result<Updates, DatabaseError> {
    let (ceiling, after, mut tasks) = tracker.journal(|journal| {
        let ceiling = journal.ceiling();
        let after = if after > ceiling { 0 } else { after };
        (ceiling, after, journal.changed(after, ceiling, MAX_BATCH))
    });
    let mut updates = Updates { epoch: tracker.database.epoch().to_owned(), revision: ceiling, tasks: Vec::new() };
    if after == ceiling {
        return Ok(updates);
    }
    let sql = "SELECT task, revision, standing, result FROM tasks WHERE revision > $1 AND revision <= $2 \
               ORDER BY revision LIMIT $3";
    let rows = sqlx::query(sql)
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(i64::try_from(ceiling).unwrap_or(i64::MAX))
        .bind(MAX_BATCH as i64)
        .fetch_all(tracker.database.read())
        .await?;
    for row in rows {
        tasks.push(record(&row)?);
    }
    tasks.sort_unstable_by_key(|record| record.revision);
    if tasks.len() > MAX_BATCH {
        tasks.truncate(MAX_BATCH);
    }
    // Either source may hold more than a batch; what lies beyond this one's last is asked for next.
    if tasks.len() == MAX_BATCH
        && let Some(last) = tasks.last()
    {
        updates.revision = last.revision;
    }
    updates.tasks = tasks;
    Ok(updates)
}

fn record(row: &sqlx::any::AnyRow) -> Result<TaskRecord, DatabaseError> {
    let text: &str = row.try_get(3)?;
    let standing = Standing::from_name(row.try_get(2)?).ok_or(DatabaseError::Corrupt("a task's standing"))?;
    let result: TaskResult = serde_json::from_str(text).map_err(|_| DatabaseError::Corrupt("a result"))?;
    let (state, last_failure) = match (standing, result) {
        (Standing::Retrying, TaskResult::Failed { sources, .. }) => {
            (TaskState::Running(Progress { sources, ..Progress::default() }), failure(text))
        }
        (_, result) => (TaskState::Ended(result), None),
    };
    Ok(TaskRecord {
        task: row.try_get::<&str, _>(0)?.parse().map_err(|_| DatabaseError::Corrupt("a task's name"))?,
        state,
        last_failure,
        revision: u64::try_from(row.try_get::<i64, _>(1)?).map_err(|_| DatabaseError::Corrupt("a revision"))?,
    })
}
