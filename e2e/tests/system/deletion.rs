//! Deleting an object at any moment takes everything with it, and nothing hangs.

use std::time::Duration;

use kube::api::DeleteParams;
use videocloud_crds::videoobject::VideoPhase;

use crate::world::World;

const NAMESPACE: &str = "default";
const LIMIT: Duration = Duration::from_secs(120);

async fn delete_in(world: &World, name: &str, link: &str, phase: VideoPhase) -> anyhow::Result<()> {
    let objects = world.objects().await?;
    objects.apply(&world.video(name, &[link], &["360p"]), NAMESPACE).await?;
    let reached = |video: &videocloud_crds::VideoObject| {
        video.status.as_ref().is_some_and(|s| s.phase == Some(phase) && s.claim_key.is_some())
    };
    let video = objects.watch_video(NAMESPACE, name, LIMIT, reached).await?;
    let owner = world.owner(&video)?;
    world.await_jobs(&owner, LIMIT, |jobs| !jobs.is_empty()).await?;
    objects.videos(NAMESPACE).delete(name, &DeleteParams::default()).await?;
    world.await_gone(name, LIMIT).await?;
    world.await_jobs(&owner, LIMIT, Vec::is_empty).await
}

/// While its only source stalls: object, Job and pod go.
pub async fn deleting_during_download_leaves_nothing(world: &World) -> anyhow::Result<()> {
    let link = world.origin().url("fault/stall/a.mp4");
    delete_in(world, "gone-download", &link, VideoPhase::Downloading).await
}

/// While a rendition is being made: object, TranscodeJob, Jobs and pods go.
pub async fn deleting_during_transcode_leaves_nothing(world: &World) -> anyhow::Result<()> {
    let name = world.fresh_clip("gone-transcode", 300, 77).await?;
    delete_in(world, "gone-transcode", &world.origin().url(&name), VideoPhase::Transcoding).await
}
