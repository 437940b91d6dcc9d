//! Pools: from announces and reports to tables, and what holds when something fails.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::json;
use videocloud_crds::{BandwidthPool, UploadCluster, conditions::types};
use videocloud_operator::{apiserver::ApiServer, metrics::Metrics};
use videocloud_protocol::tracker::{ClientError, PoolTable};

use crate::support::{Crowd, Hub, Viewers, content_of};

fn link(name: &str) -> String {
    format!("http://origin.example/{name}.mp4")
}

/// Makes bare videos and waits until their contents are known.
async fn videos(hub: &Hub, names: &[&str]) {
    for name in names {
        hub.video(name, &link(name), json!({ "renditions": [] })).await;
    }
    for name in names {
        hub.until_true(name, types::READY).await;
    }
}

/// S of a content over all clusters.
fn rate(table: &PoolTable, name: &str) -> u64 {
    let content = content_of(&link(name));
    table.rates.iter().filter(|rate| rate.content == content).map(|rate| rate.bittorrent).sum()
}

/// All that a table lets through.
fn sum(table: &PoolTable) -> u64 {
    let rates: u64 = table.rates.iter().map(|rate| rate.bittorrent + rate.http).sum();
    rates + table.unnamed + table.unnamed_bittorrent
}

fn says(pool: &BandwidthPool, kind: &str, status: &str, reason: &str) -> bool {
    let conditions = pool.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|one| one.type_ == kind && one.status == status && one.reason == reason)
}

fn generation(pool: &BandwidthPool) -> i64 {
    pool.status.as_ref().and_then(|status| status.generation).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_patched_changes_the_table() {
    let spec = json!({
        "capacityBytesPerSecond": 2_000_000, "intervalSeconds": 5, "policy": "Proportional",
        "exploration": { "enabled": false }, "targetBytesPerSecondPerPeer": 20_000,
    });
    let hub = Hub::delivering("pool-policy", spec).await;
    let operator = hub.operator(&[]).await;
    videos(&hub, &["crowd", "pair"]).await;
    let crowd = Crowd::of(&link("crowd"), (9, 3), 200_000, 400_000);
    let pair = Crowd::of(&link("pair"), (3, 1), 60_000, 60_000);
    let viewers = Viewers::start(&hub, 5_000_000, vec![crowd, pair]);
    // 80 % of the pool less what is kept for newcomers, in proportion to 12 and 4 peers.
    let near = |rate: u64, wanted: u64| rate.abs_diff(wanted) * 50 < wanted;
    let shared = |table: &PoolTable| near(rate(table, "crowd"), 1_140_000) && near(rate(table, "pair"), 380_000);
    let table = hub.until_table("shared in proportion", shared).await;
    assert!(sum(&table) <= 2_000_000, "{table:#?}");
    assert!(table.rates.iter().all(|rate| rate.ceiling >= rate.bittorrent && rate.http > 0));
    let pool = hub.until_pool("solved", |pool| says(pool, types::READY, "True", "TableInForce")).await;
    let status = pool.status.clone().unwrap();
    assert_eq!((status.capacity_bytes_per_second.unwrap().get(), status.swarms), (2_000_000, Some(2)));
    assert!(status.allocated_bytes_per_second.unwrap().get() > 1_500_000);
    let pool = hub
        .until_pool("multiplied", |pool| pool.status.as_ref().unwrap().multiplier_milli.is_some_and(|m| m > 1200))
        .await;
    assert!(pool.status.unwrap().multiplier_milli.unwrap() < 3000);

    let patched = hub.patch_pool(json!({ "policy": "Optimal" })).await;
    // Nine viewers at 20 kB/s need less than that of upload, for peers add theirs.
    let held = |table: &PoolTable| rate(table, "crowd") < 400_000 && rate(table, "pair") < 120_000;
    let table = hub.until_table("held to the target", held).await;
    assert!(rate(&table, "pair") > 0 && sum(&table) <= 2_000_000, "{table:#?}");
    let seen = |pool: &BandwidthPool| pool.status.as_ref().unwrap().observed_generation == patched.metadata.generation;
    let pool = hub.until_pool("seen", seen).await;
    assert!(says(&pool, types::CAPACITY_SHORT, "False", "Fits"), "{:#?}", pool.status);
    hub.patch_pool(json!({ "capacityBytesPerSecond": 50_000 })).await;
    let short = |pool: &BandwidthPool| says(pool, types::CAPACITY_SHORT, "True", "NeedsExceedCapacity");
    hub.until_pool("short", short).await;
    hub.until_pool_event("NeedsExceedCapacity").await;
    operator.until_metric("videocloud_operator_pool_swarms{pool=\"pool-policy\"}", 2).await;
    hub.patch_pool(json!({ "suspend": true })).await;
    let stopped = |pool: &BandwidthPool| says(pool, types::SOLVED, "False", "Suspended");
    let before = generation(&hub.until_pool("suspended", stopped).await);
    hub.patch_pool(json!({ "suspend": false })).await;
    hub.until_pool("solved again", |pool| generation(pool) > before).await;
    drop(viewers);
    operator.stop().await;
}

/// The tick that a pool's models have reached: their head begins with the tracker's epoch, an interval and the tick.
async fn tick(hub: &Hub) -> Option<u64> {
    let models = hub.tracker().models(&hub.tenant).await.unwrap()?;
    let head = STANDARD.decode(models.body.split('.').nth(1).unwrap()).unwrap();
    let mut rest = &head[1 + usize::from(head[0])..];
    let mut varint = || {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = rest[0];
            rest = &rest[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    };
    varint();
    Some(varint())
}

async fn until_tick(hub: &Hub, least: u64) -> u64 {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(90);
    loop {
        match tick(hub).await {
            Some(tick) if tick >= least => return tick,
            seen => assert!(tokio::time::Instant::now() < deadline, "models never reached {least}: {seen:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn generations_and_models_go_on_over_restarts_and_a_deposed_leader_commits_nothing() {
    let hub =
        Hub::delivering("pool-restart", json!({ "capacityBytesPerSecond": 1_000_000, "intervalSeconds": 5 })).await;
    let operator = hub.operator(&[]).await;
    videos(&hub, &["one"]).await;
    let _viewers = Viewers::start(&hub, 5_000_000, vec![Crowd::of(&link("one"), (5, 0), 50_000, 200_000)]);
    hub.until_table("with the swarm", |table| rate(table, "one") > 0).await;
    // The hub's own uploaders are a cluster of 400 kB/s from now on.
    let cluster = json!({
        "metadata": { "name": "pool-restart-hub" },
        "spec": { "poolRef": "pool-restart", "local": {}, "capacityBytesPerSecond": 400_000 },
    });
    let clusters: Api<UploadCluster> = Api::all(hub.client.clone());
    clusters.create(&PostParams::default(), &serde_json::from_value(cluster).unwrap()).await.unwrap();
    let pool = hub.until_pool("of one cluster", |pool| !pool.status.as_ref().unwrap().clusters.is_empty()).await;
    let share = &pool.status.unwrap().clusters[0];
    assert_eq!(
        (share.name.as_str(), share.active, share.capacity_bytes_per_second.get()),
        ("pool-restart-hub", true, 400_000)
    );
    hub.until_cluster("pool-restart-hub", "active", |cluster| {
        let status = cluster.status.as_ref();
        status.is_some_and(|s| s.uploaders == Some(1) && s.conditions.iter().all(|one| one.status == "True"))
    })
    .await;
    let learned = until_tick(&hub, 12).await;
    operator.crash().await;
    let stale = hub.pools().get("pool-restart").await.unwrap();
    let last = generation(&stale);
    let operator = hub.operator(&[]).await;
    let pool = hub.until_pool("committed by the next leader", |pool| generation(pool) > last).await;
    assert!(says(&pool, types::READY, "True", "TableInForce"));
    // Models that were learned anew would have to begin at 1.
    let again = hub.tracker().models("pool-restart").await.unwrap().unwrap();
    assert!(tick(&hub).await.unwrap() >= learned, "{}", again.generation);
    until_tick(&hub, learned + 3).await;

    // What a leader that was deposed in mid-pass would do.
    let api = ApiServer::new(hub.client.clone(), Metrics::new());
    let version = stale.metadata.resource_version.as_deref();
    let mut status = stale.status.clone().unwrap();
    status.generation = Some(last + 1);
    let refused = api.commit_status(&stale, "videocloud-pool", version, &status).await.unwrap_err();
    assert_eq!(refused.code(), Some(409), "{refused}");
    let old = PoolTable {
        generation: u64::try_from(last).unwrap(),
        ttl_seconds: 60,
        unnamed: 9,
        unnamed_bittorrent: 0,
        capacity: 0,
        rates: Vec::new(),
    };
    let newer = |table: &PoolTable| table.generation > old.generation;
    hub.until_table("newer", newer).await;
    let refused = hub.tracker().put_table("pool-restart", &old).await.unwrap_err();
    assert!(matches!(refused, ClientError::Status { status, .. } if status == 409), "{refused}");

    hub.pools().delete("pool-restart", &DeleteParams::default()).await.unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(90);
    while hub.tracker().table("pool-restart").await.unwrap().is_some() {
        assert!(tokio::time::Instant::now() < deadline, "the tracker still has the table");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(hub.tracker().models("pool-restart").await.unwrap(), None);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_without_samples_is_skipped_with_a_condition() {
    let spec = json!({ "capacityBytesPerSecond": 1_000_000, "intervalSeconds": 5 });
    let mut hub = Hub::delivering("pool-missing", spec).await;
    let operator = hub.operator(&[]).await;
    videos(&hub, &["one"]).await;
    let _viewers = Viewers::start(&hub, 5_000_000, vec![Crowd::of(&link("one"), (5, 0), 50_000, 200_000)]);
    hub.until_pool("solved", |pool| says(pool, types::SOLVED, "True", "TableInForce")).await;
    hub.stop_tracker(false).await;
    let pool = hub.until_pool("skipped", |pool| says(pool, types::SOLVED, "False", "TrackerUnreachable")).await;
    assert!(says(&pool, types::READY, "True", "TableInForce"), "the table holds on: {:#?}", pool.status);
    hub.until_pool_event("TrackerUnreachable").await;
    let skipped = "videocloud_operator_pool_skipped_intervals_total{pool=\"pool-missing\"}";
    operator.until_metric(skipped, 1).await;
    let last = generation(&pool);
    hub.start_tracker().await;
    let pool = hub.until_pool("solved again", |pool| says(pool, types::SOLVED, "True", "TableInForce")).await;
    assert!(generation(&pool) > last);
    let is_current = |table: &PoolTable| i64::try_from(table.generation).unwrap() > last;
    hub.until_table("put again", is_current).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_its_pool_says_so() {
    let spec = json!({ "capacityBytesPerSecond": 1_000_000, "intervalSeconds": 5 });
    let hub = Hub::delivering("pool-absent", spec.clone()).await;
    let operator = hub.operator(&["--pools=pool-absent,pool-to-come"]).await;
    let cluster = json!({
        "metadata": { "name": "pool-absent-hub" },
        "spec": { "poolRef": "pool-to-come", "local": {}, "capacityBytesPerSecond": 400_000 },
    });
    let clusters: Api<UploadCluster> = Api::all(hub.client.clone());
    clusters.create(&PostParams::default(), &serde_json::from_value(cluster).unwrap()).await.unwrap();
    let says = |cluster: &UploadCluster, status: &str, reason: &str| {
        let conditions = cluster.status.iter().flat_map(|status| &status.conditions);
        let active: Vec<_> = conditions.filter(|one| one.type_ == types::ACTIVE).collect();
        active.iter().any(|one| one.status == status && one.reason == reason)
    };
    let absent = |cluster: &UploadCluster| says(cluster, "False", "PoolNotFound");
    hub.until_cluster("pool-absent-hub", "without its pool", absent).await;
    let body = json!({ "metadata": { "name": "pool-to-come" }, "spec": spec });
    hub.pools().create(&PostParams::default(), &serde_json::from_value(body).unwrap()).await.unwrap();
    hub.until_cluster("pool-absent-hub", "with its pool", |cluster| !absent(cluster)).await;
    hub.pools().delete("pool-to-come", &DeleteParams::default()).await.unwrap();
    hub.until_cluster("pool-absent-hub", "without its pool again", absent).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_share_is_kept_for_it() {
    let spec = json!({
        "capacityBytesPerSecond": 1_000_000, "intervalSeconds": 5, "policy": "Proportional", "directReservePercent": 0,
        "tenants": [{
            "name": "gold", "namespaceSelector": { "matchLabels": { "tier": "gold" } }, "sharePercent": 50,
        }],
    });
    let hub = Hub::delivering("pool-tenants", spec).await;
    let namespace = json!({ "metadata": { "name": "pool-gold", "labels": { "tier": "gold" } } });
    let namespaces: Api<Namespace> = Api::all(hub.client.clone());
    namespaces.create(&PostParams::default(), &serde_json::from_value(namespace).unwrap()).await.unwrap();
    let operator = hub.operator(&["--watch-namespaces=pool-tenants,pool-gold"]).await;
    videos(&hub, &["crowd"]).await;
    let gold = json!({
        "metadata": { "name": "rare" },
        "spec": { "sources": [{ "name": "origin", "url": link("rare") }] },
    });
    let golden: Api<videocloud_crds::VideoObject> = Api::namespaced(hub.client.clone(), "pool-gold");
    golden.create(&PostParams::default(), &serde_json::from_value(gold).unwrap()).await.unwrap();
    let crowds =
        vec![Crowd::of(&link("crowd"), (10, 0), 100_000, 200_000), Crowd::of(&link("rare"), (2, 0), 20_000, 20_000)];
    let _viewers = Viewers::start(&hub, 5_000_000, crowds);
    // Two of twelve peers would get a sixth of the 950 kB/s; half is kept for them.
    let near = |rate: u64, wanted: u64| rate.abs_diff(wanted) * 50 < wanted;
    let kept = |table: &PoolTable| near(rate(table, "rare"), 475_000) && near(rate(table, "crowd"), 475_000);
    hub.until_table("shared half and half", kept).await;
    hub.patch_pool(json!({ "tenants": [] })).await;
    let alike = |table: &PoolTable| near(rate(table, "rare"), 158_333) && near(rate(table, "crowd"), 791_667);
    hub.until_table("shared by peers alone", alike).await;
    operator.stop().await;
}
