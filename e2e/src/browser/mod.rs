//! A viewer as most are: hls.js in Chromium. A page plays what it is told to, jumps about in it, and reports what it saw to the
//! server it came from.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use axum::{
    Json, Router,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{Html, IntoResponse},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, process::Command, sync::watch};

const PAGE: &str = include_str!("page.html");
/// The package on npm, and the SHA-256 of the archive that was tried.
const PACKAGE: &str = "hls.js@1.7.4";
const ARCHIVE: &str = "hls.js-1.7.4.tgz";
const SHA256: &str = "e4ab3d5d13f7cca9ef241d098f39686e19fd451831ba07dc9943482fd5ff75c7";
/// How long Chromium may take to start and say its first word.
const START: Duration = Duration::from_secs(60);

/// A place to jump to, and for how long to stay.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Stop {
    /// Seconds from the beginning; `None` to go on from where it is.
    pub from: Option<f64>,
    /// Seconds to play.
    pub seconds: f64,
}

/// What came of a stop.
#[derive(Debug, Clone, Deserialize)]
pub struct Stay {
    /// Where it began, seconds.
    pub from: f64,
    /// Where it ended.
    pub to: f64,
    /// Frames that were decoded meanwhile.
    pub frames: u64,
}

/// What a viewer saw.
#[derive(Debug, Clone, Deserialize)]
pub struct Viewed {
    /// Whether this Chromium decodes H.264 and AAC at all.
    pub supported: bool,
    /// Duration, seconds; 0 while it is not known.
    pub duration: f64,
    /// One for each stop.
    pub stops: Vec<Stay>,
    /// Times it had to wait for data.
    pub stalls: u32,
    /// What hls.js complained of; what it could not help begins with `fatal`.
    pub errors: Vec<String>,
    /// Heights of the renditions it chose, in order.
    pub heights: Vec<u32>,
    /// Frames decoded.
    pub frames: u64,
    /// Of them, not shown: the machine was too slow.
    pub dropped: u64,
    /// Audio tracks offered.
    pub tracks: u32,
    /// Whether it came to the end.
    pub ended: bool,
    /// Where it was when it last reported, and what it did there.
    pub at: String,
}

#[derive(Deserialize)]
struct Report {
    done: bool,
    seen: Viewed,
}

struct Told {
    url: String,
    stops: Vec<Stop>,
    script: PathBuf,
    reports: watch::Sender<Option<(bool, Viewed)>>,
}

/// Has a viewer play `url`, a multivariant playlist, at these stops, within `limit`.
///
/// # Errors
/// Chromium or hls.js is missing, or the viewer did not come to its end in time: the message says what it had seen by then.
pub async fn view(cache: &Path, url: &str, stops: &[Stop], limit: Duration) -> anyhow::Result<Viewed> {
    let script = script(cache).await?;
    let (reports, mut heard) = watch::channel(None);
    let told = Arc::new(Told { url: url.to_owned(), stops: stops.to_vec(), script, reports });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(axum::serve(listener, routes(told)).into_future());
    let profile = Profile::new(cache).await?;
    let mut chromium = chromium(&profile.0, &format!("http://{address}/"))?;
    let waiting = async {
        tokio::time::timeout(START, heard.wait_for(Option::is_some))
            .await
            .context("Chromium did not open the page")?
            .context("the page's server ended")?;
        let done = heard.wait_for(|report| report.as_ref().is_some_and(|(done, _)| *done)).await;
        let report = done.context("the page's server ended")?.clone();
        report.map(|(_, viewed)| viewed).context("no report")
    };
    let viewed = tokio::select! {
        viewed = tokio::time::timeout(limit, waiting) => viewed,
        ended = chromium.wait() => bail!("Chromium ended by itself: {ended:?}"),
    };
    let _ = chromium.kill().await;
    server.abort();
    let last = heard.borrow().clone();
    viewed.with_context(|| format!("the viewer of {url} was not done after {limit:?}; seen by then: {last:?}"))?
}

fn routes(told: Arc<Told>) -> Router {
    async fn wanted(State(told): State<Arc<Told>>) -> Json<serde_json::Value> {
        Json(serde_json::json!({ "url": told.url, "stops": told.stops }))
    }
    async fn library(State(told): State<Arc<Told>>) -> impl IntoResponse {
        let text = tokio::fs::read(&told.script).await.unwrap_or_default();
        ([(CONTENT_TYPE, "text/javascript")], text)
    }
    async fn report(State(told): State<Arc<Told>>, body: String) {
        if let Ok(Report { done, seen }) = serde_json::from_str(&body) {
            told.reports.send_replace(Some((done, seen)));
        }
    }
    Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/wanted", get(wanted))
        .route("/hls.js", get(library))
        .route("/report", post(report))
        .with_state(told)
}

fn chromium(profile: &Path, page: &str) -> anyhow::Result<tokio::process::Child> {
    let mut command = Command::new("chromium");
    // Tests run as root, where its own walls cannot be put up; it sees nothing but the edge.
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"]);
    command.args(["--no-first-run", "--no-proxy-server", "--disable-background-networking", "--disable-sync"]);
    command.args(["--autoplay-policy=no-user-gesture-required", "--disable-component-update"]);
    command.arg(format!("--user-data-dir={}", profile.display())).arg(page);
    let child = command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let child = child.stderr(std::process::Stdio::null()).kill_on_drop(true).spawn();
    child.context("failed to start chromium; `make setup` installs Debian's package of this name")
}

/// A folder for one run of the browser.
struct Profile(PathBuf);

impl Profile {
    async fn new(cache: &Path) -> anyhow::Result<Self> {
        let folder = cache.join(format!("chromium-{}", std::process::id()));
        tokio::fs::create_dir_all(&folder).await?;
        Ok(Self(folder))
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        // What its processes still write is of no use to anybody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// hls.js, fetched on first use.
async fn script(cache: &Path) -> anyhow::Result<PathBuf> {
    let folder = cache.join("hls.js-1.7.4");
    let script = folder.join("hls.min.js");
    if script.is_file() {
        return Ok(script);
    }
    tokio::fs::create_dir_all(&folder).await?;
    let steps = format!(
        "set -e; cd \"$0\"; npm pack --silent {PACKAGE} > /dev/null; echo '{SHA256}  {ARCHIVE}' | sha256sum -c --quiet; \
         tar -xzf {ARCHIVE} --strip-components=2 package/dist/hls.min.js; rm {ARCHIVE}"
    );
    let output = Command::new("bash").arg("-c").arg(steps).arg(&folder).kill_on_drop(true).output().await?;
    ensure!(
        output.status.success(),
        "failed to fetch {PACKAGE} by npm; put its dist/hls.min.js at {} by hand instead: {}",
        script.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(script)
}
