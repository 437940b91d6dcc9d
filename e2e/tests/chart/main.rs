//! The chart and the kinds before a real API server: the table of good and bad objects, what the chart renders, the rights it
//! gives, and what upgrades and removals leave. No image is needed: nothing has to run.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod lifecycle;
mod objects;
mod renderings;
mod rights;
#[path = "../../../crds/tests/table/mod.rs"]
mod table;
mod world;

use world::World;

/// One cluster for all stages, because starting it takes longer than they do. Each stage tells everything that is wrong.
#[test]
fn the_api_server_takes_what_is_good_and_refuses_what_is_bad() {
    let world = World::start();
    let mut wrong = Vec::new();
    for (stage, found) in [
        ("lifecycle", lifecycle::check(&world)),
        ("objects", objects::check(&world)),
        ("renderings", renderings::check(&world)),
        ("rights", rights::check(&world)),
    ] {
        println!("{stage}: {} wrong", found.len());
        wrong.extend(found.into_iter().map(|text| format!("{stage}: {text}")));
    }
    drop(world);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
