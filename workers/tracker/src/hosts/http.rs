//! `PUT /v1/tasks/{task}/hosts`.

use std::time::Instant;

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
};
use schemars::SchemaGenerator;
use videocloud_protocol::tracker::{HostsAnswer, HostsRequest};

use crate::http::{Access, Api, Body, Caller, Operation, Problem, Shared};

/// Adds the operation.
pub fn routes(api: Api) -> Api {
    let share = Operation {
        body: Some((SchemaGenerator::subschema_for::<HostsRequest>, 64 << 10)),
        answer: Some(SchemaGenerator::subschema_for::<HostsAnswer>),
        ..Operation::new(
            "put",
            "/v1/tasks/{task}/hosts",
            Access::Worker,
            "Ask for, renew or give back a download's shares of hosts.",
        )
    };
    api.add(share, put_hosts)
}

async fn put_hosts(
    State(tracker): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(request): Body<HostsRequest>,
) -> Result<Json<HostsAnswer>, Problem> {
    let (task, _) = crate::tasks::http::task(&name, &caller)?;
    let answer = tracker.hosts(|leases| leases.renew(&task, &request.hosts, Instant::now()));
    answer.map(Json).map_err(|full| Problem::new(StatusCode::TOO_MANY_REQUESTS, full.to_string()))
}
