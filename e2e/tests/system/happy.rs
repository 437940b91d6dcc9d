//! The main job, as a newcomer sees it.

use std::time::Duration;

use anyhow::{Context, ensure};
use videocloud_crds::videoobject::EndpointType;
use videocloud_e2e::{
    player,
    system::follow::{is_complete, summary},
};

use crate::world::World;

const NAMESPACE: &str = "default";

/// A link to a real clip becomes Ready, in two renditions, and HLS and the file play from the edge; DASH is served.
pub async fn a_link_becomes_a_playing_video(world: &World) -> anyhow::Result<()> {
    let objects = world.objects().await?;
    let link = world.origin().url("bigbuckbunny.mp4");
    objects.apply(&world.video("bunny", &[&link], &["720p", "360p"]), NAMESPACE).await?;
    let video = objects.watch_video(NAMESPACE, "bunny", Duration::from_secs(240), is_complete).await?;
    let status = video.status.clone().context("no status")?;

    let content = status.content.context("no content in status")?;
    ensure!(content.id == videocloud_e2e::clip::SHA256, "content id is {}", content.id);
    ensure!(status.renditions.len() == 2, "renditions: {:?}", status.renditions);
    for wanted in [EndpointType::Hls, EndpointType::Dash, EndpointType::File] {
        let endpoint = status.endpoints.iter().find(|e| e.type_ == wanted).with_context(|| format!("no {wanted:?}"))?;
        if wanted == EndpointType::Dash {
            // The pinned ffmpeg has no DASH demuxer: that the manifest and its first segments are there is seen by a plain client.
            let manifest = player::fetch(&endpoint.url).await?;
            ensure!(manifest.contains("<MPD") && manifest.contains("</MPD>"), "no manifest at {}", endpoint.url);
            continue;
        }
        let seen = player::play(world.tools(), &endpoint.url, 30).await?;
        ensure!(seen.frames >= 130, "{wanted:?} played {} frames of 132: {}", seen.frames, endpoint.url);
    }

    objects.await_event(NAMESPACE, "bunny", "Normal", "Playable", Duration::from_secs(30)).await?;
    let events = objects.events(NAMESPACE, "bunny").await?;
    ensure!(events.iter().all(|(kind, _, _)| kind == "Normal"), "warnings on a good video: {events:?}");
    let jobs = world.jobs_of(&world.owner(&video)?).await?;
    ensure!(jobs.is_empty() || jobs.len() <= 4, "jobs: {jobs:?}");
    println!("{}", summary(&video));
    Ok(())
}

/// `kubectl get` and `kubectl describe` tell the story in columns and events.
pub async fn kubectl_shows_what_a_user_asks_for(world: &World) -> anyhow::Result<()> {
    let table = world.kubectl(&["get", "vo", "bunny", "--namespace", NAMESPACE]).await?;
    ensure!(table.contains("Ready") && table.contains("100"), "columns: {table}");
    let all = world.kubectl(&["get", "videocloud", "--namespace", NAMESPACE]).await?;
    ensure!(all.contains("bunny"), "category: {all}");
    world
        .kubectl(&["wait", "--for=condition=Ready", "vo/bunny", "--namespace", NAMESPACE, "--timeout=10s"])
        .await
        .context("kubectl wait")?;
    let story = world.kubectl(&["describe", "vo", "bunny", "--namespace", NAMESPACE]).await?;
    ensure!(story.contains("Events:") && story.contains("Downloaded"), "describe: {story}");
    Ok(())
}
