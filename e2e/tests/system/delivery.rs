//! A BandwidthPool at work: real peers of three videos, and what they receive when the policy is patched.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::time::{Instant, sleep};
use videocloud_e2e::{
    player,
    system::{
        NAMESPACE as SYSTEM,
        follow::is_ready,
        peers::{Client, Machine, Order},
    },
};
use videocloud_protocol::{
    ids::ContentId,
    token::{Grant, TokenKey},
    tracker::{Client as Tracker, PoolTable},
};

use crate::{
    venv,
    world::{EDGE_PORT, World},
};

const NAMESPACE: &str = "default";
const POOL: &str = "delivery";
const CAPACITY: u64 = 1_500_000;
/// Bytes per second that viewers of the Optimal policy are to be kept at.
const TARGET: u64 = 90_000;
const ANNOUNCE_PORT: u16 = 30081;
/// Bytes put behind each clip, so that peers have enough to fetch while they are watched.
const PADDING: usize = 40 << 20;
const LIMIT: Duration = Duration::from_secs(240);
/// How long peers are watched.
const WATCH: Duration = Duration::from_secs(20);

/// A video and the machines of its peers.
struct Swarm {
    content: ContentId,
    machines: Vec<Machine>,
}

/// Three videos, aria2, Transmission and libtorrent on machines of their own; Proportional, then Optimal by a patch. What peers
/// receive follows the table both times.
pub async fn a_patched_policy_changes_what_peers_receive(world: &World) -> anyhow::Result<()> {
    let announce = format!("http://{}:{ANNOUNCE_PORT}", world.cluster().node_ip());
    let flags = [
        "--set=uploader.bittorrent.enabled=true".to_owned(),
        format!("--set=pool.name={POOL},pool.intervalSeconds=5"),
        "--set=tracker.announce.enabled=true,tracker.announce.service.type=NodePort".to_owned(),
        format!("--set=tracker.announce.service.nodePort={ANNOUNCE_PORT}"),
        format!("--set=tracker.announce.urls={{{announce}}}"),
        // Nothing is sent faster while no table is in force yet.
        format!("--set=tracker.egressCapacity={CAPACITY}"),
    ];
    world.upgrade(&flags.each_ref().map(String::as_str)).await?;
    let outcome = play(world, &announce).await;
    if outcome.is_err() {
        let pool = ["describe", "bp", POOL];
        println!("{}", world.kubectl(&pool).await.unwrap_or_else(|error| error.to_string()));
    }
    // The scenarios that follow have no pool.
    world.kubectl(&["delete", "bp", POOL, "--ignore-not-found"]).await?;
    world.upgrade(&[]).await?;
    outcome
}

async fn play(world: &World, announce: &str) -> anyhow::Result<()> {
    let objects = world.objects().await?;
    let pool = format!(
        "apiVersion: videocloud.dev/v1alpha1\nkind: BandwidthPool\nmetadata:\n  name: {POOL}\nspec:\n  \
         capacityBytesPerSecond: {CAPACITY}\n  intervalSeconds: 5\n  policy: Proportional\n  \
         targetBytesPerSecondPerPeer: {TARGET}\n  borrowing:\n    enabled: false\n  exploration:\n    enabled: false\n"
    );
    objects.apply(&pool, NAMESPACE).await?;
    let tracker = tracker(world, announce).await?;
    let folder = tempfile::tempdir()?;
    let python = tokio::task::spawn_blocking(venv::libtorrent).await?.join("bin/python");
    let crowds: [(&str, &[Client]); 3] = [
        ("pool-a", &[Client::Aria2, Client::Transmission, Client::Libtorrent]),
        ("pool-b", &[Client::Libtorrent, Client::Aria2]),
        ("pool-c", &[Client::Libtorrent]),
    ];
    for (number, (name, _)) in crowds.iter().enumerate() {
        let clip = padded(world, name, number as u8).await?;
        objects.apply(&world.video(name, &[&world.origin().url(&clip)], &[]), NAMESPACE).await?;
    }
    let (mut swarms, mut number) = (Vec::new(), 0);
    for (name, clients) in crowds {
        let video = objects.watch_video(NAMESPACE, name, LIMIT, is_ready).await?;
        let content = video.status.and_then(|status| status.content).context("no content in status")?.id;
        let mut machines = Vec::new();
        for client in clients {
            let mut machine = Machine::start(number, world.cluster().node_ip())?;
            let torrent = torrent(world, name, folder.path()).await?;
            let to = folder.path().join(format!("peer-{number}"));
            client.fetch(&mut machine, &Order { torrent, folder: to, python: python.clone() })?;
            machines.push(machine);
            number += 1;
        }
        swarms.push(Swarm { content: content.parse()?, machines });
    }

    let rate = |table: &PoolTable, swarm: &Swarm| -> f64 {
        table.rates.iter().filter(|row| row.content == swarm.content).map(|row| row.bittorrent as f64).sum()
    };
    let near = |is: f64, wanted: f64| (is / wanted - 1.0).abs() < 0.05;
    let in_proportion = |table: &PoolTable| {
        let [a, b, c] = [0, 1, 2].map(|at| rate(table, &swarms[at]));
        c > 100_000.0 && near(a, 3.0 * c) && near(b, 2.0 * c)
    };
    until_table(&tracker, "in proportion to peers", in_proportion).await?;
    let before = follows(&tracker, &swarms, rate).await?;
    shown(world, CAPACITY).await?;

    world.kubectl(&["patch", "bp", POOL, "--type", "merge", "-p", r#"{"spec":{"policy":"Optimal"}}"#]).await?;
    // Six viewers at 90 kB/s need about half of what was shared out.
    let held = |table: &PoolTable| {
        let rates = swarms.iter().map(|swarm| rate(table, swarm)).collect::<Vec<_>>();
        rates.iter().all(|rate| *rate > 10_000.0) && rates.iter().sum::<f64>() < 0.6 * before.iter().sum::<f64>()
    };
    until_table(&tracker, "held to what viewers need", held).await?;
    let after = follows(&tracker, &swarms, rate).await?;
    println!("bytes per second received by swarm: {before:.0?} in proportion, {after:.0?} by need");
    ensure!(after[0] < 0.7 * before[0], "{before:?} {after:?}");
    shown(world, CAPACITY).await
}

/// A clip at the origin with a box behind it that players skip.
async fn padded(world: &World, name: &str, seed: u8) -> anyhow::Result<String> {
    let clip = world.fresh_clip(name, 4, 900 + u32::from(seed)).await?;
    let (from, file) = (world.origin().folder().join(&clip), format!("padded-{clip}"));
    let to = world.origin().folder().join(&file);
    if !to.exists() {
        let mut bytes = tokio::fs::read(&from).await?;
        bytes.extend_from_slice(&u32::try_from(PADDING)?.to_be_bytes());
        bytes.extend_from_slice(b"free");
        bytes.extend((8..PADDING).map(|at| (at * 31 + at / 4093 + usize::from(seed)) as u8));
        tokio::fs::write(to, bytes).await?;
    }
    Ok(file)
}

/// The tracker as the operator sees it.
async fn tracker(world: &World, url: &str) -> anyhow::Result<Tracker> {
    let path = r"jsonpath={.data.tracker\.key}";
    let secret = ["get", "secret", "videocloud-keys", "--namespace", SYSTEM, "--output", path];
    let key = STANDARD.decode(world.kubectl(&secret).await?.trim())?;
    let expires = SystemTime::now().duration_since(UNIX_EPOCH)? + Duration::from_secs(3600);
    let token = TokenKey::new(&key).context("the key is too short")?.mint(&Grant::Operator, expires);
    Ok(Tracker::new(url.parse()?, token)?)
}

/// The torrent of a video, as its page gives it.
async fn torrent(world: &World, name: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{name}.torrent"));
    let url = format!("http://{}:{EDGE_PORT}/v/{NAMESPACE}/{name}/file.torrent", world.cluster().node_ip());
    let to = path.display().to_string();
    let deadline = Instant::now() + LIMIT;
    // The uploader hears of a new video a moment after its owner does.
    while player::download(&url, &to).await.is_err() {
        ensure!(Instant::now() < deadline, "{url} is not there");
        sleep(Duration::from_millis(500)).await;
    }
    Ok(path)
}

async fn until_table(tracker: &Tracker, what: &str, done: impl Fn(&PoolTable) -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let table = tracker.table(POOL).await?;
        if table.as_ref().is_some_and(&done) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the table is never {what}: {table:#?}");
        sleep(Duration::from_millis(300)).await;
    }
}

/// Watches what peers receive, and holds it to what the tables give meanwhile. The rates received, by swarm.
async fn follows(
    tracker: &Tracker,
    swarms: &[Swarm],
    rate: impl Fn(&PoolTable, &Swarm) -> f64,
) -> anyhow::Result<Vec<f64>> {
    // In force a second after it is put, at the latest.
    sleep(Duration::from_secs(2)).await;
    let received = || -> anyhow::Result<Vec<u64>> {
        swarms.iter().map(|swarm| swarm.machines.iter().map(Machine::received).sum()).collect()
    };
    let (before, begun) = (received()?, Instant::now());
    let mut given: BTreeMap<usize, f64> = BTreeMap::new();
    let mut looks = 0.0;
    while begun.elapsed() < WATCH {
        if let Some(table) = tracker.table(POOL).await? {
            looks += 1.0;
            for (at, swarm) in swarms.iter().enumerate() {
                *given.entry(at).or_default() += rate(&table, swarm);
            }
        }
        sleep(Duration::from_millis(250)).await;
    }
    let (after, seconds) = (received()?, begun.elapsed().as_secs_f64());
    let rates: Vec<f64> = before.iter().zip(&after).map(|(before, after)| (after - before) as f64 / seconds).collect();
    for (at, rate) in rates.iter().enumerate() {
        let given = given.get(&at).copied().unwrap_or_default() / looks;
        ensure!((rate / given - 1.0).abs() <= 0.1, "swarm {at} received {rate:.0} B/s, the table gives {given:.0}");
    }
    Ok(rates)
}

/// `kubectl get bp` tells capacity, what is allocated, and the multiplier.
async fn shown(world: &World, capacity: u64) -> anyhow::Result<()> {
    let table = world.kubectl(&["get", "bp", POOL]).await?;
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let (head, row) = (lines.next().context("no head")?, lines.next().context("no row")?);
    let column =
        |name: &str| head.iter().position(|word| *word == name).and_then(|at| row.get(at)?.parse::<u64>().ok());
    ensure!(column("CAPACITY") == Some(capacity), "{table}");
    ensure!(column("ALLOCATED").is_some_and(|allocated| allocated > 0 && allocated <= capacity), "{table}");
    // Peers give next to nothing here: what they receive is what is sent, within what sampling blurs.
    ensure!(column("MULTIPLIER").is_some_and(|milli| (500..3000).contains(&milli)), "{table}");
    ensure!(column("SWARMS") == Some(3), "{table}");
    Ok(())
}
