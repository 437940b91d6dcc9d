//! `POST /v1/uploaders/{name}/report`, `GET /v1/uploaders/division` and `GET /v1/uploaders`.

use std::time::{Duration, Instant};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use schemars::SchemaGenerator;
use videocloud_protocol::tracker::{DivisionAnswer, UploaderReport, UploaderTable, UploadersAnswer};

use crate::{
    http::{Access, Api, Body, Operation, Poll, Problem, Shared, name},
    swarms::{ServedBytes, millis},
};

/// Adds the operations.
pub fn routes(api: Api) -> Api {
    let report = Operation {
        body: Some((SchemaGenerator::subschema_for::<UploaderReport>, 32 << 20)),
        answer: Some(SchemaGenerator::subschema_for::<UploaderTable>),
        ..Operation::new("post", "/v1/uploaders/{name}/report", Access::Uploader, "Report, and receive a table.")
    };
    let division = Operation {
        query: &[
            ("after", "Number of the division that is known; 0 for none."),
            ("wait", "Seconds to wait for another, at most 60."),
        ],
        answer: Some(SchemaGenerator::subschema_for::<DivisionAnswer>),
        timeout: Poll::MAX_WAIT.saturating_add(Duration::from_secs(10)),
        ..Operation::new("get", "/v1/uploaders/division", Access::Uploader, "Wait until rates are divided anew.")
    };
    let list = Operation {
        answer: Some(SchemaGenerator::subschema_for::<UploadersAnswer>),
        ..Operation::new("get", "/v1/uploaders", Access::Operator, "The uploaders that report.")
    };
    api.add(report, post_report).add(division, get_division).add(list, get_uploaders)
}

/// A restarted tracker counts from the start again: any other number than the known one is news.
async fn get_division(State(tracker): State<Shared>, poll: Poll) -> Json<DivisionAnswer> {
    let mut division = tracker.division();
    let other = division.wait_for(|number| *number != poll.after);
    let waited = tokio::time::timeout(poll.wait(), other);
    // Whatever ended the wait, the number tells.
    let _ = tracker.closing().run_until_cancelled(waited).await;
    let number = *division.borrow();
    Json(DivisionAnswer { number })
}

async fn get_uploaders(State(tracker): State<Shared>) -> Json<UploadersAnswer> {
    Json(UploadersAnswer { uploaders: tracker.fleet(|fleet| fleet.summaries(Instant::now())) })
}

async fn post_report(
    State(tracker): State<Shared>,
    Path(uploader): Path<String>,
    Body(report): Body<UploaderReport>,
) -> Result<Json<UploaderTable>, Problem> {
    name("name", &uploader).map_err(Problem::bad_request)?;
    let reported = tracker.fleet(|fleet| fleet.report(&uploader, &report, Instant::now()));
    let reported = reported.map_err(|error| Problem::new(StatusCode::TOO_MANY_REQUESTS, error.to_string()))?;
    if let Some(roster) = reported.roster {
        tracker.set_roster(roster);
    }
    let now = tracker.swarms.now();
    let span = now.saturating_sub(millis(reported.span.end - reported.span.start))..now;
    for swarm in &report.swarms {
        let served = ServedBytes {
            content: swarm.content,
            bittorrent: swarm.bittorrent_bytes,
            http: swarm.http_bytes,
            have: swarm.have_bytes,
            leechers: swarm.leechers,
        };
        tracker.swarms.served(&served, span.clone());
    }
    Ok(Json(reported.table))
}
