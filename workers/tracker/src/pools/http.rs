//! `/v1/pools/{pool}`: tables of rates and models.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use schemars::SchemaGenerator;
use serde_json::{Value, json};
use videocloud_protocol::tracker::{ModelSnapshot, PoolSummary, PoolTable, PoolsAnswer, TableReceipt};

use crate::http::{Access, Api, Body, Operation, Problem, Shared, name};

const TABLE: &str = "/v1/pools/{pool}/table";
const MODELS: &str = "/v1/pools/{pool}/models";
/// For bodies of many swarms.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Adds the operations.
pub fn routes(api: Api) -> Api {
    let put_a_table = Operation {
        body: Some((SchemaGenerator::subschema_for::<PoolTable>, 256 << 20)),
        answer: Some(SchemaGenerator::subschema_for::<TableReceipt>),
        timeout: TIMEOUT,
        ..Operation::new(
            "put",
            TABLE,
            Access::Operator,
            "Put a pool's table of rates in force; an older one is refused.",
        )
    };
    let get_a_table = Operation {
        answer: Some(SchemaGenerator::subschema_for::<PoolTable>),
        timeout: TIMEOUT,
        ..Operation::new("get", TABLE, Access::Operator, "A pool's table of rates that was put last.")
    };
    let put_some_models = Operation {
        body: Some((SchemaGenerator::subschema_for::<ModelSnapshot>, 68 << 20)),
        timeout: TIMEOUT,
        ..Operation::new("put", MODELS, Access::Operator, "Keep a scheduler's models; older ones are refused.")
    };
    let get_some_models = Operation {
        answer: Some(SchemaGenerator::subschema_for::<ModelSnapshot>),
        timeout: TIMEOUT,
        ..Operation::new("get", MODELS, Access::Operator, "A scheduler's models.")
    };
    let list = Operation {
        answer: Some(SchemaGenerator::subschema_for::<PoolsAnswer>),
        ..Operation::new("get", "/v1/pools", Access::Operator, "The pools there are tables of.")
    };
    let forget = Operation::new("delete", "/v1/pools/{pool}", Access::Operator, "Forget a pool's table and models.");
    api.add(put_a_table, put_table)
        .add(get_a_table, get_table)
        .add(put_some_models, put_models)
        .add(get_some_models, get_models)
        .add(list, get_pools)
        .add(forget, delete_pool)
}

fn conflict(refused: super::Refused) -> Problem {
    Problem::new(StatusCode::CONFLICT, refused.to_string())
}

async fn put_table(
    State(tracker): State<Shared>,
    Path(pool): Path<String>,
    Body(table): Body<PoolTable>,
) -> Result<Json<TableReceipt>, Problem> {
    name("pool", &pool).map_err(Problem::bad_request)?;
    let (held, table, key) = (Arc::clone(&tracker), Arc::new(table), pool.clone());
    let stored = Arc::clone(&table);
    tracker.finish(async move { super::put(&held.database, &key, &stored).await }).await?.map_err(conflict)?;
    let (now, ttl) = (Instant::now(), Duration::from_secs(table.ttl_seconds));
    // Two writers may come here in another order than they were committed in; the fence in memory is the same.
    let (generation, uploaders) = tracker
        .fleet(|fleet| {
            fleet.tables_mut().put(&pool, table, now, ttl).map(|()| (fleet.tables().generation(&pool), fleet.live(now)))
        })
        .map_err(conflict)?;
    tracker.show_owners();
    Ok(Json(TableReceipt { generation, uploaders: u32::try_from(uploaders).unwrap_or(u32::MAX) }))
}

async fn get_table(State(tracker): State<Shared>, Path(pool): Path<String>) -> Result<Json<PoolTable>, Problem> {
    let table = tracker.fleet(|fleet| fleet.tables().get(&pool));
    table
        .map(|table| Json(PoolTable::clone(&table)))
        .ok_or_else(|| Problem::not_found("no table was put for this pool"))
}

async fn get_pools(State(tracker): State<Shared>) -> Json<PoolsAnswer> {
    let summary = |(name, generation): (&str, u64)| PoolSummary { name: name.to_owned(), generation };
    Json(PoolsAnswer { pools: tracker.fleet(|fleet| fleet.tables().all().map(summary).collect()) })
}

async fn delete_pool(State(tracker): State<Shared>, Path(pool): Path<String>) -> Result<Json<Value>, Problem> {
    name("pool", &pool).map_err(Problem::bad_request)?;
    let (held, key) = (Arc::clone(&tracker), pool.clone());
    tracker.finish(async move { super::delete(&held.database, &key).await }).await?;
    tracker.fleet(|fleet| fleet.tables_mut().remove(&pool));
    tracker.show_owners();
    Ok(Json(json!({})))
}

async fn put_models(
    State(tracker): State<Shared>,
    Path(pool): Path<String>,
    Body(models): Body<ModelSnapshot>,
) -> Result<Json<Value>, Problem> {
    name("pool", &pool).map_err(Problem::bad_request)?;
    let held = Arc::clone(&tracker);
    tracker.finish(async move { super::put_models(&held.database, &pool, &models).await }).await?.map_err(conflict)?;
    Ok(Json(json!({})))
}

async fn get_models(State(tracker): State<Shared>, Path(pool): Path<String>) -> Result<Json<ModelSnapshot>, Problem> {
    let found = super::find_models(&tracker.database, &pool).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("no models are kept for this pool"))
}
