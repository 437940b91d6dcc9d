//! `/v1/publications/{namespace}/{name}`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use schemars::SchemaGenerator;
use serde_json::{Value, json};
use videocloud_protocol::publication::Publication;

use crate::http::{Access, Api, Body, Operation, Problem, Shared, name};

const PATH: &str = "/v1/publications/{namespace}/{name}";

/// Adds the operations.
pub fn routes(api: Api) -> Api {
    let put = Operation {
        body: Some((SchemaGenerator::subschema_for::<Publication>, 256 << 10)),
        ..Operation::new("put", PATH, Access::Operator, "Say what the edge serves for an object.")
    };
    let get = Operation {
        answer: Some(SchemaGenerator::subschema_for::<Publication>),
        ..Operation::new("get", PATH, Access::Uploader, "What the edge serves for an object.")
    };
    let delete = Operation::new("delete", PATH, Access::Operator, "Take an object off the edge.");
    api.add(put, put_publication).add(get, get_publication).add(delete, delete_publication)
}

async fn put_publication(
    State(tracker): State<Shared>,
    Path((namespace, object)): Path<(String, String)>,
    Body(publication): Body<Publication>,
) -> Result<Json<Value>, Problem> {
    name("namespace", &namespace).and_then(|()| name("name", &object)).map_err(Problem::bad_request)?;
    let held = Arc::clone(&tracker);
    tracker.finish(async move { super::put(&held.database, &namespace, &object, &publication).await }).await?;
    Ok(Json(json!({})))
}

async fn get_publication(
    State(tracker): State<Shared>,
    Path((namespace, object)): Path<(String, String)>,
) -> Result<Json<Publication>, Problem> {
    name("namespace", &namespace).and_then(|()| name("name", &object)).map_err(Problem::bad_request)?;
    let found = super::find(&tracker.database, &namespace, &object).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("nothing is published under this name"))
}

async fn delete_publication(
    State(tracker): State<Shared>,
    Path((namespace, object)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    name("namespace", &namespace).and_then(|()| name("name", &object)).map_err(Problem::bad_request)?;
    let held = Arc::clone(&tracker);
    tracker.finish(async move { super::delete(&held.database, &namespace, &object).await }).await?;
    Ok(Json(json!({})))
}
