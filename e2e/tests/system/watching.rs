//! View as download: the file is played while it is fetched, as far as its pieces are proven.

use std::time::Duration;

use anyhow::{Context, ensure};
use videocloud_crds::{
    VideoObject,
    conditions::{types, video as reasons},
    videoobject::{EndpointType, VideoPhase},
};
use videocloud_e2e::{
    player,
    system::follow::{condition, is_ready, summary},
};

use crate::{
    mixed::{output, seed},
    world::World,
};

const NAMESPACE: &str = "default";
/// Bytes per second that the only seed gives: the download takes a minute and a half.
const SLOWLY: u64 = 300 << 10;
/// Frames of the clip.
const FRAMES: u64 = 300 * 25;

/// A magnet with one slow peer: before the download is at its end the file is offered, and a player that begins then sees all of it.
pub async fn a_video_is_watched_while_it_is_fetched(world: &World) -> anyhow::Result<()> {
    let objects = world.objects().await?;
    let host = world.host()?;
    let file = world.fresh_clip("watching", 300, 11).await?;
    let folder = world.origin().folder();
    let digest = output("sha256sum", &[&folder.join(&file).to_string_lossy()]).await?[..64].to_owned();
    let (_seed, magnet) = seed(host, folder, &file, Some(SLOWLY)).await?;
    let text = world.video("watching", &[&magnet], &[]) + "  delivery:\n    whileDownloading: true\n";
    objects.apply(&text, NAMESPACE).await?;
    let offered = |video: &VideoObject| video.status.as_ref().is_some_and(|status| !status.endpoints.is_empty());
    let video = objects.watch_video(NAMESPACE, "watching", Duration::from_secs(120), offered).await?;
    let status = video.status.clone().context("no status")?;
    ensure!(status.phase == Some(VideoPhase::Downloading), "offered in phase {:?}", status.phase);
    ensure!(condition(&video, types::DELIVERED).0 == reasons::ARRIVING, "{:?}", condition(&video, types::DELIVERED));
    let endpoint = status.endpoints.iter().find(|one| one.type_ == EndpointType::File).context("no file is offered")?;

    // The index of this file is at its end: a player asks for that first, and then for everything.
    let seen = player::play(world.tools(), &endpoint.url, 600).await?;
    ensure!(seen.frames == FRAMES, "{} frames of {FRAMES} were played", seen.frames);
    objects.await_event(NAMESPACE, "watching", "Normal", reasons::ARRIVING, Duration::from_secs(30)).await?;
    let video = objects.watch_video(NAMESPACE, "watching", Duration::from_secs(120), is_ready).await?;
    let content = video.status.clone().and_then(|status| status.content).context("no content in status")?;
    ensure!(content.id == digest, "content id is {}, not {digest}", content.id);
    println!("{}", summary(&video));
    Ok(())
}
