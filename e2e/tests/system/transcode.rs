//! One film on four pods: a killed one costs its chunk, viewers begin before it is all there, and a browser plays what comes out.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use kube::ResourceExt;
use videocloud_crds::{TranscodeJob, VideoObject, videoobject::EndpointType};
use videocloud_e2e::{
    browser::{self, Stop, Viewed},
    player,
    system::follow::{is_complete, is_stalled, summary},
    testbed,
};

use crate::world::World;

const NAMESPACE: &str = "default";
const NAME: &str = "film";
/// The clip, 46 times: four minutes, which are four chunks of a minute.
const TIMES: u32 = 46;
const FRAMES: u64 = 132 * 46;
const SECONDS: f64 = 243.0;
const LIMIT: Duration = Duration::from_secs(900);
/// How long a viewer may take for his few seconds.
const VIEW: Duration = Duration::from_secs(240);

/// Three renditions on four chunk pods, one of them killed; played while it is encoded and after, frame by frame and in Chromium.
pub async fn a_film_is_made_by_four_pods_and_plays_in_a_browser(world: &World) -> anyhow::Result<()> {
    let objects = world.objects().await?;
    let link = world.origin().url(&world.film(NAME, TIMES).await?);
    objects.apply(&world.video(NAME, &[&link], &["720p", "480p", "360p"]), NAMESPACE).await?;
    let cache = testbed::cache()?;

    let master = |video: &VideoObject| {
        let endpoints = video.status.iter().flat_map(|status| &status.endpoints);
        endpoints.into_iter().find(|endpoint| endpoint.type_ == EndpointType::Hls).map(|endpoint| endpoint.url.clone())
    };
    let offered = |video: &VideoObject| master(video).is_some() || is_stalled(video);
    let video = objects.watch_video(NAMESPACE, NAME, LIMIT, offered).await?;
    let Some(url) = master(&video) else { bail!("{}", summary(&video)) };
    let run = run_of(world, &video).await?;
    // While the first chunk is ready to be played, another has to begin anew: that is when a viewer comes.
    world.await_chunk(&run, 0, LIMIT).await?;
    let killed = world.kill_chunk(&run).await?.context("every chunk was done before one could be killed")?;
    println!("killed {killed}");
    let growing = await_playlist(&url, "360p").await?;
    ensure!(growing.contains("#EXT-X-PLAYLIST-TYPE:EVENT"), "not a growing playlist:\n{growing}");
    let early = [Stop { from: None, seconds: 4.0 }];
    let viewed = browser::view(&cache, &url, &early, VIEW).await?;
    judge("while it is encoded", &viewed)?;

    let done = |video: &VideoObject| is_complete(video) || is_stalled(video);
    let video = objects.watch_video(NAMESPACE, NAME, LIMIT, done).await?;
    ensure!(is_complete(&video), "{}", summary(&video));
    let status = video.status.as_ref().context("no status")?;
    ensure!(status.renditions.len() == 3, "renditions: {:?}", status.renditions);
    let chunks = jobs(world).await?.into_iter().filter_map(|job| job.status?.chunks).collect::<Vec<_>>();
    ensure!(chunks.iter().all(|chunks| chunks == "4/4") && !chunks.is_empty(), "chunks: {chunks:?}");

    // Every frame once, in the rendition that is the least work to decode.
    let file = status.endpoints.iter().find(|endpoint| endpoint.url.ends_with("/360p.mp4"));
    let seen = player::play(world.tools(), &file.context("no file of 360p")?.url, 600).await?;
    ensure!(seen.frames == FRAMES, "{} frames of {FRAMES}: {seen:?}", seen.frames);

    // The beginning, across each border, and the end.
    let stop = |from: f64, seconds: f64| Stop { from: Some(from), seconds };
    let stops = [stop(0.0, 3.0), stop(58.5, 3.0), stop(118.5, 3.0), stop(178.5, 3.0), stop(SECONDS - 4.0, 10.0)];
    let viewed = browser::view(&cache, &url, &stops, VIEW).await?;
    println!("{viewed:?}");
    judge("when it is there", &viewed)?;
    ensure!(viewed.ended && (viewed.duration - SECONDS).abs() < 3.0, "not to its end: {viewed:?}");
    world.kubectl(&["delete", "vo", NAME, "--namespace", NAMESPACE, "--timeout=60s"]).await?;
    world.await_no_orphans(NAME, Duration::from_secs(120)).await
}

fn judge(when: &str, viewed: &Viewed) -> anyhow::Result<()> {
    ensure!(viewed.supported, "this Chromium plays no H.264: install Debian's");
    ensure!(viewed.errors.iter().all(|error| !error.starts_with("fatal")), "{when}: {viewed:?}");
    ensure!(!viewed.heights.is_empty() && viewed.tracks == 1, "{when}: {viewed:?}");
    let played = |stay: &browser::Stay| stay.to - stay.from > 0.5 && stay.frames > 5;
    ensure!(viewed.stops.iter().all(played), "{when}: {viewed:?}");
    Ok(())
}

async fn jobs(world: &World) -> anyhow::Result<Vec<TranscodeJob>> {
    let all: kube::Api<TranscodeJob> = kube::Api::namespaced(world.objects().await?.client(), NAMESPACE);
    let all = all.list(&kube::api::ListParams::default()).await?;
    Ok(all.into_iter().filter(|job| job.spec.video_ref.name.as_str() == NAME).collect())
}

/// The one run that makes all renditions of a video.
async fn run_of(world: &World, video: &VideoObject) -> anyhow::Result<String> {
    let mut runs: Vec<String> = jobs(world).await?.into_iter().filter_map(|job| job.status?.run).collect();
    runs.sort();
    runs.dedup();
    let [run] = runs.as_slice() else { bail!("{}: runs {runs:?}", video.name_any()) };
    Ok(run.clone())
}

/// The media playlist of a picture once there is one. The edge says so within seconds of the first chunk, and without an event.
async fn await_playlist(master: &str, rendition: &str) -> anyhow::Result<String> {
    let url = master.replace("master.m3u8", &format!("{rendition}/video.m3u8"));
    let mut last = String::new();
    for _ in 0..60 {
        match player::fetch(&url).await {
            Ok(text) => return Ok(text),
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    bail!("nothing to play at {url}: {last}")
}
