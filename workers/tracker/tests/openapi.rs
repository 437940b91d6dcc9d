//! The OpenAPI document: committed, complete by construction (routes and document come from one table), and true of real answers.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Running, claim, content, downloaded, sqlite, wanted};
use tempfile::TempDir;
use videocloud_protocol::{
    content::Visibility,
    ids::TaskId,
    token::Grant,
    tracker::{ClaimSync, RenditionsRequest, UploaderReport},
};
use videocloud_tracker::http::document;

/// `UPDATE_DOCS=1` writes the file instead of comparing it.
#[test]
fn committed_document_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api/tracker-v1.json");
    let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
        std::fs::write(path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/api/tracker-v1.json is stale: UPDATE_DOCS=1 cargo test -p videocloud-tracker --test openapi"
    );
}

/// Checks `value` against the schema at `pointer` of the document.
fn conforms(pointer: &str, value: &Value) {
    let document = document();
    let schema = document.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    // References in the document start at its root.
    let mut root = schema.clone();
    root["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&root).unwrap();
    let errors: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{pointer}: {errors:?}\n{value}");
}

fn pointer(path: &str, method: &str, rest: &str) -> String {
    format!("/paths/{}/{method}/{rest}/content/application~1json/schema", path.replace('/', "~1"))
}

#[tokio::test]
async fn requests_and_answers_conform() {
    let folder = TempDir::new().unwrap();
    let tracker = Running::start(&sqlite(folder.path())).await;
    let http = support::http();
    let (operator, uploader) = (support::token(&Grant::Operator), support::UPLOADER_TOKEN.to_owned());
    let wish = wanted(&["http://h/a"]);
    let task = TaskId::download(&wish.key());
    let worker = support::token(&Grant::Task(task.clone()));
    let result = downloaded(content(1, Visibility::Public), Vec::new());
    let id = content(1, Visibility::Public).id;
    let report = UploaderReport { capacity: 5, ..UploaderReport::default() };
    let publication = json!({ "uid": "u", "content": id, "access": "Public", "renditions": [] });
    let renditions = json!(RenditionsRequest { keys: Vec::new(), sources: vec![id] });
    let sync = json!(ClaimSync { claims: Vec::new(), grace_seconds: 60 });
    let progress = json!({ "done": 5, "total": null, "perSecond": 1, "stage": "Downloading" });
    let limits = json!({ "connections": 8, "bytesPerSecond": 1e6 });
    let hosts =
        json!({ "hosts": [{ "host": "h:80", "limits": limits, "wants": limits, "holds": { "connections": 0 } }] });
    let request = json!(claim("a", "team", &wish));
    let key = wish.key();
    let edge = "/v1/publications/{namespace}/{name}";
    let (table, models) = ("/v1/pools/{pool}/table", "/v1/pools/{pool}/models");
    let rates = json!({ "generation": 1, "ttlSeconds": 60, "rates": [{ "content": id, "bittorrent": 1, "http": 2 }] });
    let calls: Vec<(&str, &str, String, &str, Option<Value>)> = vec![
        ("/v1/claims/{key}", "put", format!("/v1/claims/{key}"), &operator, Some(request)),
        ("/v1/claims/sync", "post", "/v1/claims/sync".into(), &operator, Some(sync)),
        ("/v1/tasks/{task}/progress", "put", format!("/v1/tasks/{task}/progress"), &worker, Some(progress)),
        ("/v1/tasks/{task}/hosts", "put", format!("/v1/tasks/{task}/hosts"), &worker, Some(hosts)),
        ("/v1/tasks/{task}/result", "put", format!("/v1/tasks/{task}/result"), &worker, Some(json!(result))),
        ("/v1/updates", "get", "/v1/updates?after=0&wait=5".into(), &operator, None),
        ("/v1/contents/{id}", "get", format!("/v1/contents/{id}"), &uploader, None),
        ("/v1/renditions/resolve", "post", "/v1/renditions/resolve".into(), &operator, Some(renditions)),
        (edge, "put", "/v1/publications/team/v".into(), &operator, Some(publication)),
        (edge, "get", "/v1/publications/team/v".into(), &uploader, None),
        (edge, "delete", "/v1/publications/team/v".into(), &operator, None),
        ("/v1/uploaders/{name}/report", "post", "/v1/uploaders/e/report".into(), &uploader, Some(json!(report))),
        ("/v1/uploaders/division", "get", "/v1/uploaders/division?after=0&wait=0".into(), &uploader, None),
        ("/v1/samples", "get", "/v1/samples?after=0".into(), &operator, None),
        ("/v1/contents/{id}/announce", "get", format!("/v1/contents/{id}/announce"), &uploader, None),
        (table, "put", "/v1/pools/p/table".into(), &operator, Some(rates)),
        (table, "get", "/v1/pools/p/table".into(), &operator, None),
        (models, "put", "/v1/pools/p/models".into(), &operator, Some(json!({ "generation": 1, "body": "bW9kZWw=" }))),
        (models, "get", "/v1/pools/p/models".into(), &operator, None),
        ("/v1/pools", "get", "/v1/pools".into(), &operator, None),
        ("/v1/uploaders", "get", "/v1/uploaders".into(), &operator, None),
        ("/v1/pools/{pool}", "delete", "/v1/pools/p".into(), &operator, None),
        ("/v1/tasks/{task}", "delete", format!("/v1/tasks/{task}"), &operator, None),
        ("/healthz", "get", "/healthz".into(), "", None),
        ("/readyz", "get", "/readyz".into(), "", None),
        ("/metrics", "get", "/metrics".into(), "", None),
        ("/v1/openapi.json", "get", "/v1/openapi.json".into(), "", None),
    ];
    let described: usize =
        document()["paths"].as_object().unwrap().values().map(|methods| methods.as_object().unwrap().len()).sum();
    assert_eq!(calls.len(), described, "an operation is not called here");
    // An address that fails too often is not answered any more: several take turns.
    let stranger = |last: u8| {
        let address = std::net::Ipv4Addr::new(127, 0, 0, last);
        reqwest::Client::builder().local_address(Some(address.into())).build().unwrap()
    };
    let mut strangers = [stranger(2), stranger(3)].into_iter().cycle();
    for (path, method, url, token, body) in calls {
        let method = method.to_owned();
        let mut call = http
            .request(method.to_uppercase().parse().unwrap(), format!("http://{}{url}", tracker.address))
            .timeout(Duration::from_secs(10));
        if !token.is_empty() {
            // Nobody without a token, and the error is in the described form.
            let bare = call.try_clone().unwrap().build().unwrap();
            let refused = strangers.next().unwrap().execute(bare).await.unwrap();
            assert_eq!(refused.status(), 401, "{method} {path}");
            conforms(&pointer(path, &method, "responses/default"), &refused.json().await.unwrap());
            call = call.bearer_auth(token);
        }
        if let Some(body) = &body {
            conforms(&pointer(path, &method, "requestBody"), body);
            call = call.json(body);
        }
        let answer = call.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{method} {path}");
        if path == "/metrics" {
            let text = answer.text().await.unwrap();
            assert!(text.contains("videocloud_tracker_build_info{") && text.ends_with("# EOF\n"), "{text}");
            continue;
        }
        conforms(&pointer(path, &method, "responses/200"), &answer.json().await.unwrap());
    }
    tracker.stop().await;
}
