//! Browsers as peers: two WebTorrent clients in Chromium find each other by the tracker's WebSocket, and a file goes from one to the
//! other over WebRTC.

use std::{fs, future::IntoFuture, process::Command, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::header::CONTENT_TYPE,
    response::Html,
    routing::{get, post},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{in_namespace, node, run, start, support};

const PAGE: &str = include_str!("page.html");

/// What the page may report, and where.
struct Told {
    script: Vec<u8>,
    reports: mpsc::Sender<Value>,
}

async fn report(State(told): State<Arc<Told>>, body: String) {
    // A page that says more than anybody reads says nothing new.
    let _ = told.reports.try_send(serde_json::from_str(&body).unwrap_or_default());
}

#[test]
fn two_browsers_find_each_other_by_websocket() {
    let script = fs::read(node::webtorrent().join("webtorrent/webtorrent.min.js")).unwrap();
    in_namespace(|| {
        // Chromium offers no address of the loopback to a peer, and of others only that of the default route, which leads nowhere here.
        run(Command::new("ip").args(["link", "add", "lan", "type", "veth", "peer", "name", "nobody"]));
        run(Command::new("ip").args(["address", "add", "10.78.0.1/24", "dev", "lan"]));
        ["lan", "nobody"].iter().for_each(|link| run(Command::new("ip").args(["link", "set", link, "up"])));
        run(Command::new("ip").args(["route", "add", "default", "via", "10.78.0.2", "dev", "lan"]));
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(meet(script));
    });
}

async fn meet(script: Vec<u8>) {
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, support::KEY).unwrap();
    let database = support::sqlite(folder.path()).to_string();
    let arguments = ["--open", "--http", "127.0.0.1:0", "--announce-interval", "2s"];
    let tracker = support::process::Process::start_with(&database, &key, "", &arguments);
    let (reports, mut heard) = mpsc::channel(8);
    let script_of = async |State(told): State<Arc<Told>>| ([(CONTENT_TYPE, "text/javascript")], told.script.clone());
    let routes = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/webtorrent.js", get(script_of))
        .route("/report", post(report))
        .with_state(Arc::new(Told { script, reports }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let page = format!("http://{}/?tracker=ws://{}/announce", listener.local_addr().unwrap(), tracker.address);
    let server = tokio::spawn(axum::serve(listener, routes).into_future());
    let mut chromium = Command::new("chromium");
    chromium.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
    chromium.args(["--no-proxy-server", "--disable-background-networking", "--disable-sync"]);
    // Names in place of addresses would be looked up by multicast, which nobody answers here.
    chromium.arg("--disable-features=WebRtcHideLocalIpsWithMdns");
    chromium.arg(format!("--user-data-dir={}", folder.path().join("profile").display())).arg(page);
    let _chromium = start(&mut chromium);
    let said = tokio::time::timeout(Duration::from_secs(120), heard.recv()).await.expect("the page said nothing");
    let said = said.unwrap();
    assert!(said["same"] == true && said["bytes"] == 3_000_000, "{said}");
    server.abort();
    assert!(tracker.terminate().success());
}
