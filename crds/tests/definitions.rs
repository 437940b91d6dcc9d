//! The definitions as a whole: fresh, small, bounded, and without what the API server refuses or warns about.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use serde_json::Value;
use videocloud_crds::{CATEGORY, GROUP, definitions, file_name, reference, to_yaml};

/// Largest definition, in bytes: kubectl and etcd handle it without a thought.
const LARGEST: usize = 100_000;

#[test]
fn generated_files_are_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // The chart's copy is packed and installed with it.
    for directory in [root.join("crds/generated"), root.join("charts/videocloud/files/crds")] {
        let mut expected: Vec<String> = definitions().iter().map(file_name).collect();
        for definition in definitions() {
            let path = directory.join(file_name(&definition));
            let committed = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert_eq!(committed, to_yaml(&definition).unwrap(), "{} is stale: run `make crds`", path.display());
        }
        let mut found: Vec<String> =
            std::fs::read_dir(&directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{} holds other files", directory.display());
    }
}

#[test]
fn reference_pages_are_fresh() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for definition in definitions() {
        let name = reference::page_name(&definition);
        let example = std::fs::read_to_string(docs.join("samples").join(&name).with_extension("yaml")).unwrap();
        let committed = std::fs::read_to_string(docs.join("reference").join(&name)).unwrap_or_default();
        let made = reference::page(&definition, &example).unwrap();
        assert_eq!(committed, made, "docs/reference/{name} is stale: run `make crds`");
    }
}

#[test]
fn names_are_those_of_the_design() {
    let mut found: Vec<_> = definitions()
        .iter()
        .map(|d| {
            let names = &d.spec.names;
            assert_eq!((d.spec.group.as_str(), names.categories.as_deref()), (GROUP, Some(&[CATEGORY.to_owned()][..])));
            (names.kind.clone(), names.short_names.clone().unwrap().join(","), d.spec.scope.clone())
        })
        .collect();
    found.sort();
    let expected = [
        ("BandwidthPool", "bp", "Cluster"),
        ("ContentSource", "cs", "Namespaced"),
        ("TranscodeJob", "tj", "Namespaced"),
        ("TranscodeProfile", "tp", "Cluster"),
        ("UploadCluster", "uc", "Cluster"),
        ("VideoObject", "vo", "Namespaced"),
    ];
    assert_eq!(found, expected.map(|(kind, short, scope)| (kind.to_owned(), short.to_owned(), scope.to_owned())));
}

#[test]
fn definitions_are_small_and_bounded() {
    for definition in definitions() {
        assert!(to_yaml(&definition).unwrap().len() < LARGEST, "{} is too large", file_name(&definition));
        let schema = definition.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
        let schema = serde_json::to_value(schema).unwrap();
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert_bounded(property, &format!("{}.{name}", definition.spec.names.kind));
        }
    }
}

/// Asserts that a schema has no unbounded text, list or map, no float, no unsigned number, and words for every field.
fn assert_bounded(schema: &Value, path: &str) {
    let text = |key: &str| schema[key].as_str();
    assert!(schema.get("nullable").is_none(), "{path} is nullable");
    match text("type").unwrap_or_else(|| panic!("{path} has no type")) {
        "string" => {
            let bounded =
                schema["maxLength"].is_u64() || schema["enum"].is_array() || text("format") == Some("date-time");
            assert!(bounded, "{path} is a text without bound");
        }
        "integer" => {
            assert!(matches!(text("format"), Some("int32" | "int64")), "{path} has format {:?}", text("format"))
        }
        "boolean" => {}
        "array" => {
            assert!(schema["maxItems"].is_u64(), "{path} is a list without bound");
            assert_bounded(&schema["items"], &format!("{path}[]"));
        }
        "object" => {
            if let Some(values) = schema.get("additionalProperties") {
                assert!(schema["maxProperties"].is_u64(), "{path} is a map without bound");
                assert_bounded(values, &format!("{path}[*]"));
            }
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{name}");
                assert!(property["description"].is_string(), "{path} has no description");
                assert_bounded(property, &path);
            }
        }
        other => panic!("{path} is a {other}"),
    }
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        assert!(rule["message"].is_string(), "{path}: rule {} has no message", rule["rule"]);
    }
}
