//! What is wanted twice is fetched once.

use std::time::Duration;

use anyhow::{Context, ensure};
use videocloud_e2e::system::follow::is_ready;

use crate::world::World;

const NAMESPACE: &str = "default";
const LIMIT: Duration = Duration::from_secs(120);

/// Two objects with one link, applied at once: one Job, and the origin sends the file once.
pub async fn two_objects_with_one_link_are_one_download(world: &World) -> anyhow::Result<()> {
    let objects = world.objects().await?;
    let name = world.fresh_clip("shared", 3, 1).await?;
    let link = world.origin().url(&name);
    let both = [world.video("twin-a", &[&link], &[]), world.video("twin-b", &[&link], &[])].join("\n---\n");
    objects.apply(&both, NAMESPACE).await?;
    let mut contents = Vec::new();
    for twin in ["twin-a", "twin-b"] {
        let video = objects.watch_video(NAMESPACE, twin, LIMIT, is_ready).await?;
        let status = video.status.context("no status")?;
        contents.push((status.content.context("no content")?, status.claim_key));
    }
    ensure!(contents[0] == contents[1], "contents differ: {contents:?}");
    let size = contents[0].0.size.0.unsigned_abs();
    let sent = world.origin().served(&name).bytes;
    ensure!(sent < size * 3 / 2, "the origin sent {sent} bytes of a file of {size}");
    let key = contents[0].1.clone().context("no claim key")?;
    ensure!(world.download_jobs(&key).await?.len() == 1, "more than one Job for claim {key}");
    Ok(())
}

/// A third object with the same link is Ready without a byte moved.
pub async fn a_known_content_is_ready_without_a_transfer(world: &World) -> anyhow::Result<()> {
    let objects = world.objects().await?;
    let name = world.fresh_clip("shared", 3, 1).await?;
    let before = world.origin().served(&name).bytes;
    let link = world.origin().url(&name);
    objects.apply(&world.video("triplet", &[&link], &[]), NAMESPACE).await?;
    objects.watch_video(NAMESPACE, "triplet", LIMIT, is_ready).await?;
    let after = world.origin().served(&name).bytes;
    ensure!(after == before, "{} bytes moved for a known content", after - before);
    Ok(())
}
