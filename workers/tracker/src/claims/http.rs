//! `PUT /v1/claims/{key}`, `POST /v1/claims/sync`, and look-ups in the index.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use schemars::SchemaGenerator;
use videocloud_protocol::{
    content::ContentManifest,
    ids::{ClaimKey, ContentId},
    tracker::{ClaimAnswer, ClaimRequest, ClaimSync, ClaimSyncAnswer, RenditionsAnswer, RenditionsRequest},
};

use crate::{
    http::{Access, Api, Body, Operation, Problem, Shared},
    index::{contents, renditions},
};

/// Adds the operations.
pub fn routes(api: Api) -> Api {
    let claim = Operation {
        body: Some((SchemaGenerator::subschema_for::<ClaimRequest>, 2 << 20)),
        answer: Some(SchemaGenerator::subschema_for::<ClaimAnswer>),
        ..Operation::new("put", "/v1/claims/{key}", Access::Operator, "Claim a content for an object.")
    };
    let sync = Operation {
        body: Some((SchemaGenerator::subschema_for::<ClaimSync>, 128 << 20)),
        answer: Some(SchemaGenerator::subschema_for::<ClaimSyncAnswer>),
        timeout: std::time::Duration::from_secs(60),
        ..Operation::new("post", "/v1/claims/sync", Access::Operator, "Make the claims equal to those that are alive.")
    };
    let content = Operation {
        answer: Some(SchemaGenerator::subschema_for::<ContentManifest>),
        ..Operation::new("get", "/v1/contents/{id}", Access::Uploader, "A content and its widest visibility.")
    };
    let resolve = Operation {
        body: Some((SchemaGenerator::subschema_for::<RenditionsRequest>, 1 << 20)),
        answer: Some(SchemaGenerator::subschema_for::<RenditionsAnswer>),
        ..Operation::new("post", "/v1/renditions/resolve", Access::Operator, "Which renditions exist.")
    };
    api.add(claim, put_claim).add(sync, post_sync).add(content, get_content).add(resolve, post_resolve)
}

async fn put_claim(
    State(tracker): State<Shared>,
    Path(key): Path<String>,
    Body(request): Body<ClaimRequest>,
) -> Result<Json<ClaimAnswer>, Problem> {
    let key: ClaimKey = key.parse().map_err(|error| Problem::bad_request(format!("{error}")))?;
    if key != request.wanted.key() {
        return Err(Problem::bad_request("the claim key is not that of what is wanted"));
    }
    let held = Arc::clone(&tracker);
    let answer = tracker
        .finish(async move { super::claim(&held.database, &key, &request, held.settings.revalidate_after).await })
        .await?;
    Ok(Json(answer))
}

async fn post_sync(
    State(tracker): State<Shared>,
    Body(request): Body<ClaimSync>,
) -> Result<Json<ClaimSyncAnswer>, Problem> {
    let held = Arc::clone(&tracker);
    Ok(Json(tracker.finish(async move { super::sync(&held.database, &request).await }).await?))
}

async fn get_content(State(tracker): State<Shared>, Path(id): Path<String>) -> Result<Json<ContentManifest>, Problem> {
    let id: ContentId = id.parse().map_err(|error| Problem::bad_request(format!("{error}")))?;
    let found = contents::find(tracker.database.read(), &id).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("no such content"))
}

async fn post_resolve(
    State(tracker): State<Shared>,
    Body(request): Body<RenditionsRequest>,
) -> Result<Json<RenditionsAnswer>, Problem> {
    let renditions = renditions::resolve(tracker.database.read(), &request).await?;
    Ok(Json(RenditionsAnswer { renditions }))
}
