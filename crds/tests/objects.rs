//! Good and bad objects judged without an API server: the types keep every field, and the rules, run by kube's own CEL,
//! give the messages. The real API server judges the same table in the end-to-end tests.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

mod table;

use std::path::{Path, PathBuf};

use kube::core::cel::Validator;
use serde_json::Value;
use videocloud_crds::{
    BandwidthPool, ContentSource, TranscodeJob, TranscodeProfile, UploadCluster, VideoObject, definitions,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn objects() -> PathBuf {
    root().join("crds/tests/objects")
}

/// Reads an object into its type and writes it again, which fills in the defaults.
fn through_the_type(object: &Value) -> Result<Value, serde_json::Error> {
    fn again<T: serde::de::DeserializeOwned + serde::Serialize>(object: &Value) -> Result<Value, serde_json::Error> {
        serde_json::to_value(serde_json::from_value::<T>(object.clone())?)
    }
    match object["kind"].as_str().unwrap() {
        "BandwidthPool" => again::<BandwidthPool>(object),
        "ContentSource" => again::<ContentSource>(object),
        "TranscodeJob" => again::<TranscodeJob>(object),
        "TranscodeProfile" => again::<TranscodeProfile>(object),
        "UploadCluster" => again::<UploadCluster>(object),
        "VideoObject" => again::<VideoObject>(object),
        other => panic!("no such kind: {other}"),
    }
}

/// The schema an object of this kind is validated by.
fn schema(kind: &str) -> Value {
    let definition = definitions().into_iter().find(|d| d.spec.names.kind == kind).unwrap();
    serde_json::to_value(definition.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap())
        .unwrap()
}

/// Messages of the rules an object breaks.
fn broken_rules(object: &Value, before: Option<&Value>) -> Vec<String> {
    let schema = schema(object["kind"].as_str().unwrap());
    match Validator::new().validate(&schema, object, before) {
        Ok(()) => Vec::new(),
        Err(errors) => vec![errors.to_string()],
    }
}

/// Asserts that every field of `part` is in `whole` with the same value.
fn assert_kept(part: &Value, whole: &Value, path: &str) {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            for (name, value) in part {
                let path = format!("{path}.{name}");
                assert_kept(value, whole.get(name).unwrap_or_else(|| panic!("{path} was lost")), &path);
            }
        }
        (Value::Array(part), Value::Array(whole)) => {
            assert_eq!(part.len(), whole.len(), "{path}");
            for (index, (part, whole)) in part.iter().zip(whole).enumerate() {
                assert_kept(part, whole, &format!("{path}[{index}]"));
            }
        }
        _ => {
            // `[]` and `{}` are left out when written, so they never get here as a difference.
            assert_eq!(part, whole, "{path}");
        }
    }
}

#[test]
fn types_keep_every_field_of_good_objects() {
    for good in table::documents(&objects().join("good")) {
        let again = through_the_type(&good.object).unwrap_or_else(|e| panic!("{}: {e}", good.file.display()));
        assert_kept(&good.object, &again, &good.file.file_stem().unwrap().to_string_lossy());
    }
}

#[test]
fn good_objects_samples_and_profiles_break_no_rule() {
    for directory in ["crds/tests/objects/good", "docs/samples", "charts/videocloud/profiles"] {
        for good in table::documents(&root().join(directory)) {
            let object = through_the_type(&good.object).unwrap_or_else(|e| panic!("{}: {e}", good.file.display()));
            assert_eq!(broken_rules(&object, None), Vec::<String>::new(), "{}", good.file.display());
        }
    }
}

#[test]
fn bad_objects_break_the_rule_whose_message_is_expected() {
    let rules: Vec<String> = definitions().iter().map(|d| serde_json::to_string(d).unwrap()).collect();
    let mut judged = 0;
    for bad in table::bad(&objects()) {
        let is_rule = rules.iter().any(|text| text.contains(&inside_json(&bad.expect)));
        if !is_rule {
            continue;
        }
        let Ok(object) = through_the_type(&bad.object) else { continue };
        let before = bad.before.as_ref().map(|before| through_the_type(before).unwrap());
        let broken = broken_rules(&object, before.as_ref());
        assert!(
            broken.iter().any(|m| m.contains(&bad.expect)),
            "{}: expected {:?}, got {broken:?}",
            bad.name,
            bad.expect
        );
        judged += 1;
    }
    assert!(judged >= 60, "only {judged} cases are about rules");
}

/// A text as it appears inside a JSON string.
fn inside_json(text: &str) -> String {
    serde_json::to_string(text).unwrap().trim_matches('"').to_owned()
}
