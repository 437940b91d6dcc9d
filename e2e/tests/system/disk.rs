//! The store's disk full under a download and under a transcode, then with room again.

use std::time::Duration;

use anyhow::{Context, ensure};
use videocloud_crds::VideoObject;
use videocloud_e2e::system::follow::{condition, is_complete, summary};

use crate::world::World;

const NAMESPACE: &str = "default";
const LIMIT: Duration = Duration::from_secs(300);
/// Bytes left on a full disk: less than what the store keeps free for its own notes.
const LEFT: u64 = 512 << 10;

/// A condition and a Warning event name the full store, nothing is published, and both go on by themselves with room.
pub async fn a_full_store_says_so_and_work_goes_on_when_there_is_room(world: &World) -> anyhow::Result<()> {
    let objects = world.objects().await?;
    let disk = world.disk()?;
    let clip = world.fresh_clip("disk", 6, 90).await?;
    let link = world.origin().url(&clip);

    disk.fill(LEFT)?;
    objects.apply(&world.video("disk", &[&link], &[]), NAMESPACE).await?;
    let full = |video: &VideoObject| condition(video, "Ready").0 == "StoreFull";
    let video = objects.watch_video(NAMESPACE, "disk", LIMIT, full).await?;
    objects.await_event(NAMESPACE, "disk", "Warning", "StoreFull", Duration::from_secs(30)).await?;
    let status = video.status.as_ref().context("no status")?;
    ensure!(status.content.is_none() && status.endpoints.is_empty(), "published: {}", summary(&video));
    disk.drain()?;
    objects.watch_video(NAMESPACE, "disk", LIMIT, is_complete).await?;

    // The content is known now, so this one has only to be transcoded.
    disk.fill(LEFT)?;
    objects.apply(&world.video("disk-rendition", &[&link], &["360p"]), NAMESPACE).await?;
    let class = "--for=jsonpath={.status.failureClass}=StoreFull";
    let name = "tj/disk-rendition-360p";
    world.kubectl(&["wait", "--for=create", name, "--namespace", NAMESPACE, "--timeout=60s"]).await?;
    world.kubectl(&["wait", class, name, "--namespace", NAMESPACE, "--timeout=240s"]).await?;
    disk.drain()?;
    objects.watch_video(NAMESPACE, "disk-rendition", LIMIT, is_complete).await?;
    for name in ["disk", "disk-rendition"] {
        world.kubectl(&["delete", "vo", name, "--namespace", NAMESPACE, "--timeout=60s"]).await?;
    }
    Ok(())
}
