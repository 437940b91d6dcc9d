//! The scheduler measured beside its peers, on one core: `cargo bench -p videocloud-scheduler --bench scheduler`. Prints tables and
//! writes `target/bench/scheduler.json`; every figure of docs/scheduler.md that is a time comes from here.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "../../tests/support/conic.rs"]
mod conic;
mod instances;
mod learning;
mod measure;
mod peers;
mod prices;
mod regions;

use std::fs;
use std::path::Path;

use serde_json::json;

fn main() {
    let one_price = prices::run();
    let peers = peers::run();
    let clusters = regions::run();
    let estimator = learning::run();
    let figures = json!({ "estimator": estimator, "one_price": one_price, "peers": peers, "clusters": clusters });
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("scheduler.json"), serde_json::to_string_pretty(&figures).unwrap()).unwrap();
}
