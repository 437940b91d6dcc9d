//! The table of good and bad objects in `objects/`: read here, judged by the tests that include this file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// An object the API server must take.
pub struct Good {
    /// File it is in.
    pub file: PathBuf,
    /// The object.
    pub object: Value,
}

/// An object the API server must refuse.
pub struct Bad {
    /// File and name of the case.
    pub name: String,
    /// What is there before; a case with it is an update.
    pub before: Option<Value>,
    /// The object that must be refused.
    pub object: Value,
    /// Part of the message.
    pub expect: String,
}

/// One line of a table of bad objects: patches of the good object of the same file name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    before: Option<Value>,
    patch: Value,
    expect: String,
}

/// Reads every document of every YAML file in a directory.
pub fn documents(directory: &Path) -> Vec<Good> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("failed to list {}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no YAML files in {}", directory.display());
    files.into_iter().flat_map(|file| read(&file)).collect()
}

/// Reads the tables of bad objects.
pub fn bad(objects: &Path) -> Vec<Bad> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(objects.join("bad")).unwrap() {
        let file = entry.unwrap().path();
        let kind = file.file_stem().unwrap().to_string_lossy().into_owned();
        let base = read(&objects.join("good").join(file.file_name().unwrap())).remove(0).object;
        let cases: Vec<Case> = serde_yaml_ng::from_str(&std::fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|error| panic!("failed to read {}: {error}", file.display()));
        for Case { name, before, patch, expect } in cases {
            let before = before.map(|before| patched(base.clone(), before));
            let object = patched(before.clone().unwrap_or_else(|| base.clone()), patch);
            all.push(Bad { name: format!("{kind}: {name}"), before, object, expect });
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn read(file: &Path) -> Vec<Good> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("failed to read {}: {e}", file.display()));
    serde_yaml_ng::Deserializer::from_str(&text)
        .map(|document| Good { file: file.to_owned(), object: Value::deserialize(document).unwrap() })
        .collect()
}

/// JSON merge patch, RFC 7396.
fn patched(target: Value, patch: Value) -> Value {
    let Value::Object(changes) = patch else { return patch };
    let mut fields = match target {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(&name);
        } else {
            let before = fields.remove(&name).unwrap_or(Value::Null);
            fields.insert(name, patched(before, change));
        }
    }
    Value::Object(fields)
}
