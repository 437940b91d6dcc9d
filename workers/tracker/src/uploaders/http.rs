//! `POST /v1/uploaders/{name}/report`.

use std::time::Instant;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use schemars::SchemaGenerator;
use videocloud_protocol::tracker::{UploaderReport, UploaderTable, UploadersAnswer};

use crate::{
    http::{Access, Api, Body, Operation, Problem, Shared, name},
    swarms::{ServedBytes, millis},
};

/// Adds the operation.
pub fn routes(api: Api) -> Api {
    let report = Operation {
        body: Some((SchemaGenerator::subschema_for::<UploaderReport>, 32 << 20)),
        answer: Some(SchemaGenerator::subschema_for::<UploaderTable>),
        ..Operation::new("post", "/v1/uploaders/{name}/report", Access::Uploader, "Report, and receive a table.")
    };
    let list = Operation {
        answer: Some(SchemaGenerator::subschema_for::<UploadersAnswer>),
        ..Operation::new("get", "/v1/uploaders", Access::Operator, "The uploaders that report.")
    };
    api.add(report, post_report).add(list, get_uploaders)
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
        tracker.swarms.set_roster(roster);
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
