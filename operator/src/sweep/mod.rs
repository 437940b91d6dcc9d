//! Removes what nobody owns any more: claims, publications, Jobs, tables of pools. There are no finalizers on tenants' objects, so nothing a
//! tenant does can hang on this operator; what it leaves behind is found here, soon after a deletion and from time to time.

mod orphans;

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use videocloud_protocol::{ids::TaskId, tracker::ClaimSync};

use crate::{
    admission,
    controllers::World,
    index::{Departed, Named},
    metrics,
};
pub use orphans::{Orphan, orphans};

/// Changes that come together are swept together.
const GATHER: Duration = Duration::from_millis(100);
/// Pause before a failed sweep is tried again.
const AGAIN: Duration = Duration::from_secs(3);
/// Claims younger than this are kept though this leader does not name them: they may be newer than its view.
const GRACE_SECONDS: u64 = 30;

/// Sweeps until `stop`.
pub async fn sweep(world: Arc<World>, stop: CancellationToken) {
    let mut pause = Duration::ZERO;
    let mut sync = true;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = world.index.sweep.notified() => {}
            () = tokio::time::sleep(pause) => sync = true,
        }
        tokio::time::sleep(GATHER).await;
        let departed = world.index.take_departed();
        let pools = world.index.take_departed_pools();
        sync |= !departed.is_empty();
        match once(&world, &departed, &pools, sync).await {
            Ok(()) => {
                pause = world.settings.control.sweep_interval;
                sync = false;
            }
            Err(error) => {
                world.metrics.step(metrics::Step::Failed);
                tracing::warn!(%error, "failed to sweep, trying again");
                world.index.put_departed(departed);
                world.index.put_departed_pools(pools);
                pause = AGAIN;
            }
        }
    }
}

/// One sweep. Jobs go first: they cost most.
async fn once(world: &World, departed: &[Departed], pools: &[String], sync: bool) -> Result<(), anyhow::Error> {
    let orphans = orphans(&world.index.state(), departed);
    for Orphan { task, job } in orphans {
        admission::remove(world, &task, job.as_deref()).await?;
        world.metrics.step(metrics::Step::Swept);
        tracing::info!(%task, "removed what nobody owns");
    }
    for Departed { name, .. } in departed {
        let replaced = world.index.state().videos.get(name).is_some();
        if !replaced {
            world.tracker.unpublish(&name.namespace, &name.name).await?;
        }
    }
    for pool in pools {
        forget_pool(world, pool).await?;
    }
    if sync {
        // Pools that went while nobody led.
        for pool in world.tracker.pools().await?.pools {
            if world.index.pools.get(&Named::new("", &pool.name)).is_none() {
                forget_pool(world, &pool.name).await?;
            }
        }
        let claims = world.index.state().videos.live_claims();
        let answer = world.tracker.sync_claims(&ClaimSync { claims, grace_seconds: GRACE_SECONDS }).await?;
        for key in answer.abandoned {
            if !world.index.state().videos.is_owned(&key) {
                admission::remove(world, &TaskId::download(&key), None).await?;
            }
        }
    }
    Ok(())
}

/// Has the tracker forget a pool's table and models.
async fn forget_pool(world: &World, pool: &str) -> Result<(), anyhow::Error> {
    if world.index.pools.get(&Named::new("", pool)).is_none() {
        world.pools.forget(pool);
        world.tracker.delete_pool(pool).await?;
        world.metrics.pool_gone(pool);
        tracing::info!(pool, "forgot a pool");
    }
    Ok(())
}
