//! The table of `crds/tests/objects`, the samples of the documentation and the chart's profiles, judged by the API server.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    table,
    world::{World, collection, root},
};

const JUDGE: &str = "dryRun=All&fieldValidation=Strict";

/// What is judged otherwise than it should be.
pub fn check(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    for directory in ["crds/tests/objects/good", "docs/samples", "charts/videocloud/profiles"] {
        for mut good in table::documents(&root().join(directory)) {
            // The chart's own profiles are there already.
            good.object["metadata"]["name"] =
                json!(format!("good-{}", good.object["metadata"]["name"].as_str().unwrap()));
            if let Err(said) = create(world, &good.object) {
                wrong.push(format!("{} was refused: {said}", good.file.display()));
            }
        }
    }
    let cases = table::bad(&root().join("crds/tests/objects"));
    println!("{} bad objects", cases.len());
    for bad in cases {
        match judge(world, bad.before.as_ref(), &bad.object) {
            Ok(_) => wrong.push(format!("{} was taken", bad.name)),
            Err(said) if !said.contains(&bad.expect) => {
                wrong.push(format!("{}: expected {:?}, the API server said {said:?}", bad.name, bad.expect));
            }
            Err(_) => {}
        }
    }
    wrong
}

fn create(world: &World, object: &Value) -> Result<Value, String> {
    world.request(Method::POST, &format!("{}?{JUDGE}", collection(object)), object)
}

/// Judges a new object, or the change of one that is there `before`.
fn judge(world: &World, before: Option<&Value>, object: &Value) -> Result<Value, String> {
    let Some(before) = before else { return create(world, object) };
    let place = collection(before);
    let made = world.request(Method::POST, &place, before)?;
    let own = format!("{place}/{}", made["metadata"]["name"].as_str().unwrap());
    let mut changed = object.clone();
    changed["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"].clone();
    let judged = world.request(Method::PUT, &format!("{own}?{JUDGE}"), &changed);
    world.request(Method::DELETE, &own, &json!({})).unwrap();
    judged
}
