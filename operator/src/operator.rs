//! The whole operator: what runs on every replica, what only on the leader, and how it all ends.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, anyhow};
use kube::Client;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use videocloud_protocol::{
    token::{Grant, TokenKey},
    tracker::Client as Tracker,
};

use crate::{
    admission,
    apiserver::ApiServer,
    config::Settings,
    controllers::{self, World, cluster, pool, transcode, video},
    events::Events,
    http,
    index::{Index, follow_cluster, follow_samples, follow_tracker},
    jobs::Environment,
    leader::Election,
    metrics::{Controller, Metrics},
    predict, sweep,
};

/// The operator's own token is made at start; a process that lives longer than this is restarted by its end.
const TOKEN_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Runs the operator until `stop`. The Lease is given up on the way out.
///
/// # Errors
/// Wrong settings, or the loss of the Lease: then the process must end.
pub async fn run(
    settings: Settings,
    client: Client,
    listener: TcpListener,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let identity = settings.lease.identity();
    let metrics = Metrics::new();
    let index = Index::new();
    let world = Arc::new(world(settings, &client, &index, &metrics, &identity)?);
    let (ready_sender, ready) = watch::channel(false);
    // Everything ends with this function, whichever way it ends.
    let ending = stop.child_token();
    let guard = ending.clone().drop_guard();
    let mut tasks = JoinSet::new();
    tasks.spawn(follow(Arc::clone(&world), client.clone(), ready_sender, ending.clone()));
    tasks.spawn(follow_tracker(Arc::clone(&index), world.tracker.clone(), metrics.clone(), ending.clone()));
    let server = http::serve(listener, Arc::clone(&index), metrics.clone(), ready.clone(), ending.clone());
    tasks.spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "failed to serve /metrics");
        }
    });
    let led = lead(Arc::clone(&world), client, identity, ready, stop).await;
    metrics.lead(false);
    drop(guard);
    while tasks.join_next().await.is_some() {}
    led
}

fn world(
    settings: Settings,
    client: &Client,
    index: &Arc<Index>,
    metrics: &Metrics,
    identity: &str,
) -> anyhow::Result<World> {
    let key = TokenKey::read(&settings.key_file).context("see --key-file")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("failed to read the clock")?;
    let token = key.mint(&Grant::Operator, now + TOKEN_LIFETIME);
    let api = ApiServer::new(client.clone(), metrics.clone());
    let store = settings.store.mount().map_err(|message| anyhow!(message))?;
    Ok(World {
        index: Arc::clone(index),
        tracker: Tracker::new(settings.tracker_url.clone(), token).context("see --tracker-url")?,
        events: Events::new(api.clone(), identity.to_owned()),
        api,
        metrics: metrics.clone(),
        environment: Environment { settings: settings.clone(), store, key },
        settings,
        pools: pool::Pools::default(),
    })
}

async fn follow(world: Arc<World>, client: Client, ready: watch::Sender<bool>, stop: CancellationToken) {
    follow_cluster(Arc::clone(&world.index), client, &world.settings, ready, stop).await;
}

/// Waits until every object was seen and the Lease is held, then writes until `stop` or until the Lease is lost.
async fn lead(
    world: Arc<World>,
    client: Client,
    identity: String,
    mut ready: watch::Receiver<bool>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        seen = ready.wait_for(|ready| *ready) => { seen.context("the watches ended")?; }
    }
    let lease = &world.settings.lease;
    if !lease.leader_elect {
        write(&world, stop).await;
        return Ok(());
    }
    let mut election = Election::new(client, &world.settings.namespace, lease, identity);
    if !election.acquire(&stop).await {
        return Ok(());
    }
    tracing::info!(lease = lease.lease_name, "leading");
    // The Lease is given up only after the last write, so it ends on a signal of its own.
    let (writing, keeping) = (stop.child_token(), CancellationToken::new());
    let mut kept = tokio::spawn(election.keep(keeping.clone()));
    tokio::select! {
        () = write(&world, writing) => {
            keeping.cancel();
            kept.await.context("the keeper of the Lease panicked")??;
            Ok(())
        }
        // Dropping the writers stops them where they are: what they do next would be another leader's.
        lost = &mut kept => Ok(lost.context("the keeper of the Lease panicked")??),
    }
}

/// Everything only the leader does.
async fn write(world: &Arc<World>, stop: CancellationToken) {
    world.metrics.lead(true);
    let index = &world.index;
    let videos = controllers::run(
        Controller::Video,
        Arc::clone(world),
        &index.videos,
        &index.video_wakes,
        video::reconcile,
        stop.clone(),
    );
    let transcodes = controllers::run(
        Controller::Transcode,
        Arc::clone(world),
        &index.transcodes,
        &index.transcode_wakes,
        transcode::reconcile,
        stop.clone(),
    );
    let pools = controllers::run(
        Controller::Pool,
        Arc::clone(world),
        &index.pools,
        &index.pool_wakes,
        pool::reconcile,
        stop.clone(),
    );
    let clusters = controllers::run(
        Controller::Cluster,
        Arc::clone(world),
        &index.clusters,
        &index.cluster_wakes,
        cluster::reconcile,
        stop.clone(),
    );
    let samples = follow_samples(Arc::clone(index), world.tracker.clone(), stop.clone());
    let admission = admission::admit(Arc::clone(world), stop.clone());
    let sweep = sweep::sweep(Arc::clone(world), stop.clone());
    let predict = predict::predict(Arc::clone(world), stop);
    tokio::join!(videos, transcodes, pools, clusters, samples, admission, sweep, predict);
}
