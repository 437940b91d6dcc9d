//! What workers report, what the operator follows and forgets.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
};
use schemars::SchemaGenerator;
use serde_json::{Value, json};
use videocloud_protocol::{
    ids::{TaskId, TaskKind},
    task::{Outcome, Progress, TaskResult},
    tracker::Updates,
};

use crate::http::{Access, Api, Body, Caller, Operation, Poll, Problem, Shared};

/// Adds the operations.
pub fn routes(api: Api) -> Api {
    let progress = Operation {
        body: Some((SchemaGenerator::subschema_for::<Progress>, 256 << 10)),
        ..Operation::new("put", "/v1/tasks/{task}/progress", Access::Worker, "Say how far a task is.")
    };
    let result = Operation {
        body: Some((SchemaGenerator::subschema_for::<TaskResult>, 2 << 20)),
        ..Operation::new("put", "/v1/tasks/{task}/result", Access::Worker, "Say how a task ended.")
    };
    let forget = Operation::new("delete", "/v1/tasks/{task}", Access::Operator, "Forget a task, to order it again.");
    let updates = Operation {
        query: &[
            ("after", "Revision of the last answer; 0 for everything."),
            ("wait", "Seconds to wait for a change, at most 60."),
        ],
        answer: Some(SchemaGenerator::subschema_for::<Updates>),
        timeout: Poll::MAX_WAIT.saturating_add(Duration::from_secs(15)),
        ..Operation::new("get", "/v1/updates", Access::Operator, "Tasks that changed, or will.")
    };
    api.add(progress, put_progress).add(result, put_result).add(forget, delete_task).add(updates, get_updates)
}

/// The task of a path, if the caller may speak for it.
pub(crate) fn task(text: &str, caller: &Caller) -> Result<(TaskId, TaskKind), Problem> {
    let task: TaskId = text.parse().map_err(|error| Problem::bad_request(format!("{error}")))?;
    if !caller.may_report(&task) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "this token is that of another task"));
    }
    let kind = task.kind().ok_or_else(|| Problem::bad_request("no kind of task has such a name"))?;
    Ok((task, kind))
}

async fn put_progress(
    State(tracker): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(progress): Body<Progress>,
) -> Result<Json<Value>, Problem> {
    let (task, _) = task(&name, &caller)?;
    super::progress(&tracker, &task, progress).await?;
    Ok(Json(json!({})))
}

async fn put_result(
    State(tracker): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(result): Body<TaskResult>,
) -> Result<Json<Value>, Problem> {
    let (task, kind) = task(&name, &caller)?;
    if let TaskResult::Succeeded(outcome) = &result
        && !fits(kind, outcome)
    {
        return Err(Problem::bad_request("the outcome is that of another kind of task"));
    }
    super::accept(&tracker, task, result).await?;
    Ok(Json(json!({})))
}

fn fits(kind: TaskKind, outcome: &Outcome) -> bool {
    match (kind, outcome) {
        (TaskKind::Download(_), Outcome::Download(_))
        | (TaskKind::Plan(_), Outcome::Plan(_))
        | (TaskKind::Finish(_), Outcome::Finish(_)) => true,
        (TaskKind::Chunk(_, index), Outcome::Chunk(chunk)) => chunk.index == index,
        _ => false,
    }
}

async fn delete_task(State(tracker): State<Shared>, Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    let task: TaskId = name.parse().map_err(|error| Problem::bad_request(format!("{error}")))?;
    let held = Arc::clone(&tracker);
    tracker.hosts(|leases| leases.release(&task));
    tracker.finish(async move { super::forget(&held, &task).await }).await?;
    Ok(Json(json!({})))
}

async fn get_updates(State(tracker): State<Shared>, poll: Poll) -> Result<Json<Updates>, Problem> {
    Ok(Json(super::updates(&tracker, poll.after, poll.wait()).await?))
}
