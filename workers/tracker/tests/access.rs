//! Who may call what, and bodies nobody should send.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::{path::Path, process::Command, sync::OnceLock, time::Duration};

use proptest::prelude::*;
use reqwest::{Method, StatusCode};
use support::{Running, sqlite, token};
use tempfile::TempDir;
use videocloud_protocol::{
    ids::{RunId, TaskId},
    token::Grant,
};

fn run() -> RunId {
    RunId::from_bytes([1; 16])
}

async fn status(tracker: &Running, method: &str, path: &str, token: Option<&str>, body: Vec<u8>) -> StatusCode {
    let method: Method = method.parse().unwrap();
    let mut call = support::http().request(method, format!("http://{}{path}", tracker.address)).body(body);
    if let Some(token) = token {
        call = call.bearer_auth(token);
    }
    let answer = call.timeout(Duration::from_secs(10)).send().await.unwrap();
    let status = answer.status();
    if !status.is_success() {
        // Each refusal is JSON that says why.
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert!(problem["error"].as_str().is_some_and(|error| !error.is_empty()), "{path}: {problem}");
    }
    status
}

#[tokio::test]
async fn each_role_reaches_its_own_calls_only() {
    let folder = TempDir::new().unwrap();
    let tracker = Running::start(&sqlite(folder.path())).await;
    let operator = token(&Grant::Operator);
    let plan = token(&Grant::Task(TaskId::plan(&run())));
    let chunks = token(&Grant::Task(TaskId::chunks(&run())));
    let uploader = support::UPLOADER_TOKEN.to_owned();
    let expired = support::key().mint(&Grant::Operator, Duration::from_secs(1));
    let own = format!("/v1/tasks/{}/progress", TaskId::plan(&run()));
    let chunk = format!("/v1/tasks/{}/progress", TaskId::chunk(&run(), 3));
    let missing = "/v1/publications/team/none";
    for (method, path, who, expected) in [
        ("GET", "/v1/updates", &operator, 200),
        ("GET", "/v1/updates", &plan, 403),
        ("GET", "/v1/updates", &uploader, 403),
        ("GET", "/v1/updates", &expired, 401),
        ("PUT", &own, &plan, 200),
        ("PUT", &own, &chunks, 403),
        ("PUT", &own, &operator, 403),
        ("PUT", &chunk, &chunks, 200),
        ("PUT", &chunk, &plan, 403),
        ("GET", missing, &uploader, 404),
        ("GET", missing, &operator, 404),
        ("GET", missing, &plan, 403),
        ("DELETE", missing, &uploader, 403),
    ] {
        let status = status(&tracker, method, path, Some(who), b"{}".to_vec()).await;
        assert_eq!(status.as_u16(), expected, "{method} {path}");
    }
    assert_eq!(status(&tracker, "GET", "/v1/nothing", None, Vec::new()).await, 404);
    assert_eq!(status(&tracker, "POST", "/v1/updates", None, Vec::new()).await, 405);
    tracker.stop().await;
}

#[tokio::test]
async fn failures_are_limited_per_address() {
    let folder = TempDir::new().unwrap();
    let tracker = Running::start(&sqlite(folder.path())).await;
    let mut last = StatusCode::OK;
    for _ in 0..40 {
        last = status(&tracker, "GET", "/v1/updates", Some("vct1.operator.hub.9.00"), Vec::new()).await;
    }
    assert_eq!(last, 429);
    // Whoever has a valid token is not locked out by it.
    let operator = token(&Grant::Operator);
    assert_eq!(status(&tracker, "GET", "/v1/updates", Some(&operator), Vec::new()).await, 200);
    assert_eq!(status(&tracker, "GET", "/healthz", None, Vec::new()).await, 200);
    tracker.stop().await;
}

#[tokio::test]
async fn oversized_bodies_are_refused() {
    let folder = TempDir::new().unwrap();
    let tracker = Running::start(&sqlite(folder.path())).await;
    let (task, body) = (TaskId::plan(&run()), vec![b' '; 300 << 10]);
    let token = token(&Grant::Task(task.clone()));
    let path = format!("/v1/tasks/{task}/progress");
    assert_eq!(status(&tracker, "PUT", &path, Some(&token), body).await, 413);
    tracker.stop().await;
}

#[test]
fn without_a_key_it_does_not_start() {
    let output = Command::new(env!("CARGO_BIN_EXE_videocloud-tracker"))
        .args(["--http", "127.0.0.1:0"])
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(log.contains("--key-file") && log.contains("--insecure-no-auth"), "{log}");
    assert!(!Path::new(&std::env::temp_dir().join("videocloud-tracker.db")).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_tells_which_address_does_not_answer() {
    let folder = TempDir::new().unwrap();
    let tracker = Running::start(&sqlite(folder.path())).await;
    let check = |addresses: Vec<String>| async move {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_videocloud-tracker"));
        command.args(addresses.iter().map(|address| format!("--check={address}")));
        let output = command.output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let ready = format!("http://{}/readyz", tracker.address);
    let refused = format!("http://{}/v1/updates", tracker.address);
    assert_eq!(check(vec![ready.clone()]).await.0, Some(0));
    let (code, said) = check(vec![refused, ready, "http://127.0.0.1:1/".into()]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("it answered 401") && said.contains("127.0.0.1:1/: ") && said.contains("/readyz: 200"),
        "{said}"
    );
    tracker.stop().await;
}

/// JSON that is near to what is expected, and far from it.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![
        Just("Public".to_owned()),
        Just("Succeeded".to_owned()),
        Just("http://h/\u{0}".to_owned()),
        Just("a".repeat(64)),
        ".{0,12}",
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        text.prop_map(Into::into),
    ];
    let key = prop::sample::select(vec![
        "owner",
        "uid",
        "namespace",
        "name",
        "wanted",
        "links",
        "digest",
        "size",
        "visibility",
        "claims",
        "grace_seconds",
        "keys",
        "sources",
        "capacity",
        "swarms",
        "Failed",
        "Succeeded",
        "failure",
        "class",
        "kind",
        "content",
        "done",
        "total",
        "stage",
        "access",
        "renditions",
    ]);
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

struct Hostile {
    runtime: tokio::runtime::Runtime,
    tracker: Running,
    _folder: TempDir,
}

fn hostile() -> &'static Hostile {
    static HOSTILE: OnceLock<Hostile> = OnceLock::new();
    HOSTILE.get_or_init(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let folder = TempDir::new().unwrap();
        let tracker = runtime.block_on(Running::start(&sqlite(folder.path())));
        Hostile { runtime, tracker, _folder: folder }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// No body, path or query makes the tracker fail: everything is taken or refused with 4xx.
    #[test]
    fn nothing_a_caller_sends_is_the_trackers_failure(
        body in prop_oneof![
            value().prop_map(|value| value.to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..200),
        ],
        segment in "[a-zA-Z0-9._%+-]{1,70}",
        number in any::<u64>(),
    ) {
        let Hostile { runtime, tracker, .. } = hostile();
        let operator = token(&Grant::Operator);
        let task = TaskId::plan(&run());
        let worker = token(&Grant::Task(task.clone()));
        // Half a percent escape is the client's to refuse.
        let segment = segment.replace('%', "%00");
        for (method, path, token) in [
            ("PUT", format!("/v1/claims/{segment}"), &operator),
            ("PUT", format!("/v1/claims/{}", "a".repeat(32)), &operator),
            ("POST", "/v1/claims/sync".to_owned(), &operator),
            ("POST", "/v1/renditions/resolve".to_owned(), &operator),
            ("PUT", format!("/v1/publications/{segment}/{segment}"), &operator),
            ("GET", format!("/v1/publications/{segment}/{segment}"), &operator),
            ("GET", format!("/v1/contents/{segment}"), &operator),
            ("DELETE", format!("/v1/tasks/{segment}"), &operator),
            ("GET", format!("/v1/updates?after={number}&wait=0"), &operator),
            ("GET", format!("/v1/updates?after={segment}"), &operator),
            ("POST", format!("/v1/uploaders/{segment}/report"), &operator),
            ("PUT", format!("/v1/tasks/{task}/progress"), &worker),
            ("PUT", format!("/v1/tasks/{task}/result"), &worker),
            ("PUT", format!("/v1/tasks/{segment}/result"), &worker),
        ] {
            let status = runtime.block_on(status(tracker, method, &path, Some(token), body.clone()));
            prop_assert!(status.is_success() || status.is_client_error(), "{method} {path}: {status}");
            prop_assert!(status != StatusCode::REQUEST_TIMEOUT && status != StatusCode::TOO_MANY_REQUESTS);
        }
    }
}
