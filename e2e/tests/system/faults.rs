//! Operator, tracker and worker pods killed at random points of a video's way.

use std::time::Duration;

use anyhow::{Context, ensure};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::time::sleep;
use videocloud_e2e::system::follow::is_complete;

use crate::world::{Victim, World};

const NAMESPACE: &str = "default";
const ROUNDS: u32 = 20;
const LIMIT: Duration = Duration::from_secs(420);

/// Twenty videos; while each is on its way something is killed. Always Ready, one Job per content, no orphan.
pub async fn twenty_rounds_of_kills_all_end_ready(world: &World) -> anyhow::Result<()> {
    let seed = std::env::var("VIDEOCLOUD_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20);
    println!("seed {seed} (VIDEOCLOUD_SEED)");
    let mut random = SmallRng::seed_from_u64(seed);
    let objects = world.objects().await?;
    let jobs = world.record_jobs().await?;
    for round in 0..ROUNDS {
        let name = format!("kill-{round}");
        let clip = world.fresh_clip(&name, 4, 1000 + round).await?;
        objects.apply(&world.video(&name, &[&world.origin().url(&clip)], &["360p"]), NAMESPACE).await?;
        // The point in time is what is random here, so this pause is the fault itself and awaits nothing.
        sleep(Duration::from_millis(random.random_range(0..6_000))).await;
        let victim = [Victim::Operator, Victim::Tracker, Victim::Worker][random.random_range(0..3)];
        let killed = world.kill(victim).await?;
        println!("round {round}: killed {victim:?} {killed:?}");
    }
    for round in 0..ROUNDS {
        let name = format!("kill-{round}");
        let video = objects.watch_video(NAMESPACE, &name, LIMIT, is_complete).await?;
        let key = video.status.as_ref().and_then(|s| s.claim_key.clone()).context("no claim key")?;
        let made = jobs.uids(&format!("dl-{key}"));
        ensure!(made.len() <= 1, "{name}: {} Jobs were made for claim {key}", made.len());
    }
    for round in 0..ROUNDS {
        world.kubectl(&["delete", "vo", &format!("kill-{round}"), "--namespace", NAMESPACE, "--timeout=60s"]).await?;
    }
    world.await_no_orphans("kill-", Duration::from_secs(120)).await
}
