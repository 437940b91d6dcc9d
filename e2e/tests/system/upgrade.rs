//! An upgrade of the chart while work is under way.

use std::time::Duration;

use anyhow::ensure;
use videocloud_crds::videoobject::VideoPhase;
use videocloud_e2e::system::follow::is_complete;

use crate::world::World;

const NAMESPACE: &str = "default";
const LIMIT: Duration = Duration::from_secs(300);

/// Running Jobs are left alone, and what they make is taken by the new operator.
pub async fn an_upgrade_leaves_running_jobs_alone(world: &World) -> anyhow::Result<()> {
    let objects = world.objects().await?;
    let name = world.fresh_clip("upgrade", 120, 78).await?;
    objects.apply(&world.video("upgrade", &[&world.origin().url(&name)], &["360p"]), NAMESPACE).await?;
    let transcoding =
        |v: &videocloud_crds::VideoObject| v.status.as_ref().is_some_and(|s| s.phase == Some(VideoPhase::Transcoding));
    let video = objects.watch_video(NAMESPACE, "upgrade", LIMIT, transcoding).await?;
    let owner = world.owner(&video)?;
    world.await_jobs(&owner, LIMIT, |jobs| jobs.iter().any(|job| job.name.starts_with("tc-"))).await?;
    let before = world.jobs_of(&owner).await?;
    world.upgrade(&["--set-string", "operator.podAnnotations.upgraded=yes"]).await?;
    let after = world.jobs_of(&owner).await?;
    for job in &before {
        ensure!(after.iter().any(|other| other.uid == job.uid), "Job {} did not survive the upgrade", job.name);
    }
    objects.watch_video(NAMESPACE, "upgrade", LIMIT, is_complete).await?;
    Ok(())
}
