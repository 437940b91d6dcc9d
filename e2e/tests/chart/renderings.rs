//! Everything the chart can render is taken by the API server, field by field, and its pods keep to restricted Pod Security.

use serde::Deserialize;
use serde_json::Value;

use crate::world::{NAMESPACE, World, chart};

/// What is refused or warned about.
pub fn check(world: &World) -> Vec<String> {
    for namespace in ["team-a", "team-b"] {
        world.must("kubectl", &["create", "namespace", namespace], "");
    }
    let mut wrong = judge(world, "default values", &[]);
    for entry in std::fs::read_dir(chart().join("ci")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let path = path.to_str().unwrap();
            wrong.extend(judge(world, path, &["--values", path]));
        }
    }
    wrong
}

fn judge(world: &World, name: &str, values: &[&str]) -> Vec<String> {
    let chart = chart();
    // Another release, so that nothing meets what is installed.
    let arguments = ["template", "other", chart.to_str().unwrap(), "--namespace", NAMESPACE, "--no-hooks"];
    let text = world.must("helm", &[&arguments[..], &["--set", "crds.install=false"], values].concat(), "");
    let mut wrong = Vec::new();
    let mut list = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(&text) {
        let object = Option::<Value>::deserialize(document).unwrap();
        // Kinds of the Prometheus operator are not here.
        list.extend(
            object.filter(|object| !object["apiVersion"].as_str().unwrap().starts_with("monitoring.coreos.com")),
        );
    }
    assert!(list.len() > 15, "{name}: only {} objects", list.len());
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": list}).to_string();
    let arguments = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-"];
    let output = world.run("kubectl", &arguments, &list);
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        wrong.push(format!("{name}: {said}"));
    }
    // A folder of the node is outside restricted Pod Security, and the chart's documentation says so.
    let allowed = |line: &str| name.ends_with("single-node.yaml") && line.contains("restricted volume types");
    for line in said.lines().filter(|line| line.contains("would violate PodSecurity") && !allowed(line)) {
        wrong.push(format!("{name}: {line}"));
    }
    wrong
}
