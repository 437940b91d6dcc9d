//! The way of one video: applied, followed with what the cluster says of it, played by a real player.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use anyhow::{Context, bail};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use kube::api::DeleteParams;
use tokio::time::{Instant, MissedTickBehavior, interval};
use videocloud_crds::{VideoObject, videoobject::EndpointType};
use videocloud_e2e::{
    player,
    system::follow::{condition, is_complete, is_stalled},
};

use crate::{
    place::{NAMESPACE, Place, VIDEO},
    steps::{Step, style},
};

const LIMIT: Duration = Duration::from_secs(900);
const SECONDS_PLAYED: u32 = 10;

/// Tells it from apply to playing.
pub async fn tell(place: &Place) -> anyhow::Result<()> {
    remove_former(place).await?;
    let yaml = sample(place);
    let step = Step::begin("apply", "a VideoObject with two renditions");
    for line in yaml.lines() {
        eprintln!("          {}", style(line, "2"));
    }
    place.objects.apply(&yaml, NAMESPACE).await?;
    let video = follow(place).await?;
    step.done("Ready");
    endpoints(&video);
    play(place, &video).await?;
    look_further(place);
    Ok(())
}

/// A run before this one left its video: without it, there is something to see.
async fn remove_former(place: &Place) -> anyhow::Result<()> {
    match place.objects.videos(NAMESPACE).delete(VIDEO, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error).context("failed to delete the sample of the run before"),
        Ok(_) => {
            let limit = Duration::from_secs(60);
            let gone = async {
                while place.objects.videos(NAMESPACE).get_opt(VIDEO).await?.is_some() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                anyhow::Ok(())
            };
            tokio::time::timeout(limit, gone).await.context("the sample of the run before does not go away")?
        }
    }
}

fn sample(place: &Place) -> String {
    let digest = place.digest.as_ref().map_or_else(String::new, |digest| format!("  digest: sha256:{digest}\n"));
    format!(
        "apiVersion: videocloud.dev/v1alpha1\nkind: VideoObject\nmetadata:\n  name: {VIDEO}\nspec:\n  sources:\n    \
         - name: origin\n      url: {}\n{digest}  renditions:\n    - profileRef: 720p\n    - profileRef: 360p\n",
        place.link
    )
}

/// Follows the object until it is complete, with its state, its percent, the origin's rate, and its events as they come.
async fn follow(place: &Place) -> anyhow::Result<VideoObject> {
    let bar = ProgressBar::new(100);
    if let Ok(style) = ProgressStyle::with_template("          {spinner} {elapsed} [{bar:30}] {percent}%  {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    let mut told = BTreeSet::new();
    let mut last = String::new();
    let watching = place.objects.watch_video(NAMESPACE, VIDEO, LIMIT, |video| {
        let percent = video.status.as_ref().and_then(|s| s.progress_percent).unwrap_or(0);
        bar.set_position(u64::try_from(percent).unwrap_or(0));
        let state = state(video);
        if bar.is_hidden() && state != last {
            eprintln!("          {percent:>3}%  {state}");
        }
        bar.set_message(state.clone());
        last = state;
        is_stalled(video) || is_complete(video)
    });
    let mut tick = interval(Duration::from_millis(500));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rate = Rate::default();
    let mut watching = std::pin::pin!(watching);
    let video = loop {
        tokio::select! {
            video = &mut watching => break video?,
            _ = tick.tick() => {
                tell_events(place, &bar, &mut told).await;
                if let Some(rate) = rate.measure(place) {
                    tell_line(&bar, &format!("origin    {rate}"));
                }
            }
        }
    };
    tell_events(place, &bar, &mut told).await;
    bar.finish_and_clear();
    if is_complete(&video) {
        return Ok(video);
    }
    let (reason, message) = condition(&video, "Ready");
    bail!("the video is not Ready: {reason}: {message}")
}

fn state(video: &VideoObject) -> String {
    let Some(status) = &video.status else { return "accepted".to_owned() };
    let mut text = status.phase.map_or("Pending", |phase| phase.as_str()).to_owned();
    for rendition in &status.renditions {
        let _ = write!(text, "  {}: {:?}", rendition.profile_ref, rendition.state);
    }
    text
}

async fn tell_events(place: &Place, bar: &ProgressBar, told: &mut BTreeSet<(String, String)>) {
    // Events are for the reader: one that cannot be read now is read at the next tick.
    let Ok(events) = place.objects.events(NAMESPACE, VIDEO).await else { return };
    for (kind, reason, message) in events {
        if told.insert((reason.clone(), message.clone())) {
            let colour = if kind == "Warning" { "1;33" } else { "1" };
            tell_line(bar, &format!("{}  {message}", style(&format!("{reason:<20}"), colour)));
        }
    }
}

fn tell_line(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() {
        eprintln!("          {line}");
    } else {
        bar.println(format!("          {line}"));
    }
}

/// The rate at which this process's origin sends, measured over each tick.
#[derive(Default)]
struct Rate {
    last: Option<(Instant, u64)>,
}

impl Rate {
    fn measure(&mut self, place: &Place) -> Option<String> {
        let (origin, path) = place.origin.as_ref()?;
        let (now, sent) = (Instant::now(), origin.served(path).bytes);
        let before = self.last.replace((now, sent));
        let (then, already) = before.unwrap_or((now, 0));
        if sent == already {
            return None;
        }
        let seconds = now.duration_since(then).as_secs_f64().max(0.05);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "shown"
        )]
        let rate = ((sent - already) as f64 / seconds) as u64;
        Some(format!("sent {} so far, {}/s", HumanBytes(sent), HumanBytes(rate)))
    }
}

fn endpoints(video: &VideoObject) {
    let Some(status) = &video.status else { return };
    if let Some(content) = &status.content {
        eprintln!("          content {} ({})", content.id, HumanBytes(content.size.0.unsigned_abs()));
    }
    for rendition in &status.renditions {
        let size = rendition.width.zip(rendition.height).map_or_else(String::new, |(w, h)| format!("{w}x{h}"));
        eprintln!("          {:<8} {size} {:?}", rendition.profile_ref.to_string(), rendition.state);
    }
    for endpoint in &status.endpoints {
        eprintln!("          {:<12} {}", format!("{:?}", endpoint.type_), endpoint.url);
    }
}

/// Plays a few seconds of each way to watch it.
async fn play(place: &Place, video: &VideoObject) -> anyhow::Result<()> {
    let endpoints = video.status.as_ref().map(|s| s.endpoints.as_slice()).unwrap_or_default();
    let mut played = 0;
    for kind in [EndpointType::Hls, EndpointType::File] {
        let Some(endpoint) = endpoints.iter().find(|e| e.type_ == kind) else { continue };
        let step = Step::begin("play", &format!("{SECONDS_PLAYED} s of {}", endpoint.url));
        let seen = player::play(&place.tools, &endpoint.url, SECONDS_PLAYED).await?;
        if seen.frames == 0 {
            bail!("the player opened {} and saw no frame", endpoint.url);
        }
        let seconds = seen.millis / 1000;
        let tenths = seen.millis % 1000 / 100;
        step.done(&format!("{} frames, {seconds}.{tenths} s; streams: {}", seen.frames, seen.streams.join(", ")));
        played += 1;
    }
    if played == 0 {
        bail!("the video is Ready, but its status has endpoint to play");
    }
    Ok(())
}

fn look_further(place: &Place) {
    let kubectl = &place.kubectl;
    eprintln!("\nLook further:");
    for arguments in [
        format!("get videocloud --namespace {NAMESPACE}"),
        format!("describe vo {VIDEO} --namespace {NAMESPACE}"),
        "get pods,jobs --namespace videocloud-system".to_owned(),
        "explain vo.spec".to_owned(),
    ] {
        eprintln!("  {kubectl} {arguments}");
    }
    eprintln!("Remove all of it:\n  {}", place.removal);
}
