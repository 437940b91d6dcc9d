//! What the network sees: the packet counters of an interface beside the capacity, while tables change, the uploader and the tracker are
//! killed and come back, the clock jumps by an hour, and readers stop and go on.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use nix::{
    sched::{CloneFlags, unshare},
    sys::signal::Signal,
    unistd::gettid,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use videocloud_protocol::{
    ids::ContentId,
    peer_wire::{handshake::new_peer_id, message::Message},
    torrent::Metainfo,
    tracker::{PoolRate, PoolTable},
};
use videocloud_store::Store;

use super::{
    peer::{Peer, blocks},
    place::run,
    pool::{publish, register},
};
use crate::support::{Tracker, process::Process, until};

/// Bytes per second.
const CAPACITY: u64 = 3_000_000;
const WINDOW: Duration = Duration::from_secs(10);
/// How far the sum may be above the capacity in any window.
const SLACK: f64 = 1.02;

const HERE: &str = "10.78.0.1";
const THERE: &str = "10.78.0.2";

/// What clients go by.
#[derive(Clone)]
struct World {
    contents: Arc<Vec<(ContentId, Arc<Metainfo>)>>,
    /// Where the uploader is at present: viewers and peers.
    addresses: Arc<Mutex<Option<(SocketAddr, SocketAddr)>>>,
    /// Nobody reads.
    paused: Arc<AtomicBool>,
    over: CancellationToken,
}

/// Makes a network namespace for this thread, joined to one for the clients' by a cable that carries packets of 1,500 bytes, none
/// larger, so that its counters count every header. Returns when `clients` run there.
fn wire_up(clients: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace can be made: run as root");
    let (tell, told) = mpsc::channel();
    let (joined, join) = mpsc::channel::<()>();
    let clients = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace can be made: run as root");
        tell.send(gettid()).unwrap();
        join.recv().unwrap();
        set_up("there", THERE);
        clients();
    });
    let there = told.recv().unwrap().to_string();
    let mut cable = Command::new("ip");
    cable.args("link add here mtu 1500 type veth peer name there mtu 1500 netns".split(' ')).arg(there);
    run(&mut cable);
    set_up("here", HERE);
    joined.send(()).unwrap();
    clients
}

fn set_up(device: &str, address: &str) {
    run(Command::new("ip").args(["link", "set", "lo", "up"]));
    run(Command::new("ip").args(["address", "add", &format!("{address}/24"), "dev", device]));
    run(Command::new("ip").args(["link", "set", "dev", device, "gso_max_segs", "1", "up"]));
}

/// Bytes that left by the interface of this namespace, link headers included.
fn left() -> u64 {
    let counters = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let line = counters.lines().find_map(|line| line.trim().strip_prefix("here:")).unwrap();
    line.split_whitespace().nth(8).unwrap().parse().unwrap()
}

/// Looks at the counter until told to stop: when, at the earliest and at the latest, and what it said.
fn look(over: &CancellationToken) -> Vec<(Instant, Instant, u64)> {
    let mut looks = Vec::new();
    while !over.is_cancelled() {
        let before = Instant::now();
        let bytes = left();
        looks.push((before, Instant::now(), bytes));
        std::thread::sleep(Duration::from_millis(40));
    }
    looks
}

/// The most that left within a window, as a multiple of the capacity.
fn worst(looks: &[(Instant, Instant, u64)]) -> f64 {
    let mut worst = 0_f64;
    let mut from = 0;
    for (_, end, bytes) in looks {
        // No longer than a window, however late the looks were.
        while *end - looks[from].0 > WINDOW {
            from += 1;
        }
        worst = worst.max((bytes - looks[from].2) as f64 / (CAPACITY as f64 * WINDOW.as_secs_f64()));
    }
    worst
}

/// A peer that wants all it can get, from whoever is there.
async fn peer(world: World, number: usize) {
    let (_, torrent) = &world.contents[number % world.contents.len()];
    let swarm = torrent.info.hashes().swarms()[0];
    let blocks = blocks(torrent);
    while !world.over.is_cancelled() {
        sleep(Duration::from_millis(50)).await;
        let Some((_, at)) = *world.addresses.lock().unwrap() else { continue };
        let Ok(mut stream) = TcpStream::connect(at).await else { continue };
        let hello = videocloud_protocol::peer_wire::handshake::Handshake {
            swarm,
            peer: new_peer_id(),
            extended: false,
            fast: true,
            v2: false,
        };
        let mut answer = [0; videocloud_protocol::peer_wire::handshake::LENGTH];
        if stream.write_all(&hello.encode()).await.is_err() || stream.read_exact(&mut answer).await.is_err() {
            continue;
        }
        let mut peer = Peer { stream, buffer: bytes::BytesMut::new() };
        let mut next = number * 7;
        let mut out = bytes::BytesMut::new();
        Message::Interested.put(&mut out);
        while !world.over.is_cancelled() && peer.stream.write_all(&out).await.is_ok() {
            out.clear();
            while world.paused.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(20)).await;
            }
            let asks = match peer.hear().await {
                Some(Message::Unchoke) => 16,
                Some(Message::Piece { .. }) => 1,
                Some(_) => 0,
                None => break,
            };
            for _ in 0..asks {
                Message::Request(blocks[next % blocks.len()]).put(&mut out);
                next += 1;
            }
        }
    }
}

/// A viewer that reads one content again and again.
async fn viewer(world: World, number: usize) {
    let (content, _) = &world.contents[number % world.contents.len()];
    let ask = format!("GET /c/{content} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n");
    while !world.over.is_cancelled() {
        sleep(Duration::from_millis(50)).await;
        let Some((at, _)) = *world.addresses.lock().unwrap() else { continue };
        let Ok(mut stream) = TcpStream::connect(at).await else { continue };
        let mut buffer = vec![0; 64 << 10];
        if stream.write_all(ask.as_bytes()).await.is_ok() {
            while !world.over.is_cancelled() && stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                while world.paused.load(Ordering::Relaxed) {
                    sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}

fn clients(world: &World) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut all = tokio::task::JoinSet::new();
        (0..24).for_each(|number| drop(all.spawn(peer(world.clone(), number))));
        (0..6).for_each(|number| drop(all.spawn(viewer(world.clone(), number))));
        world.over.cancelled().await;
    });
}

/// A tracker that can be killed: in a runtime of its own, which ends without a word.
fn tracker(folder: &Path, at: SocketAddr) -> (Runtime, Tracker) {
    let folder = folder.to_owned();
    let start = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let tracker = runtime.block_on(Tracker::restart(&folder, at));
        (runtime, tracker)
    };
    std::thread::spawn(start).join().unwrap()
}

struct Stage {
    folder: PathBuf,
    world: World,
    url: String,
    /// What the wall clock is ahead of.
    clock: PathBuf,
}

impl Stage {
    /// The uploader, with a wall clock that can be set; others' clocks stay as they are.
    fn uploader(&self) -> Process {
        let capacity = CAPACITY.to_string();
        let seeder = format!("{HERE}:0");
        let flags = ["--bittorrent", &seeder, "--capacity", &capacity, "--max-peers-per-address", "0"];
        let store = self.folder.join("store").display().to_string();
        let mut command = Process::command(HERE, &store, &self.folder, Some(&self.url), &flags);
        command.env("LD_PRELOAD", faketime()).env("FAKETIME_TIMESTAMP_FILE", &self.clock);
        command.env("FAKETIME_CACHE_DURATION", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let uploader = Process::spawn(command.env("DONT_FAKE_MONOTONIC", "1"));
        *self.world.addresses.lock().unwrap() = Some((uploader.http, uploader.bittorrent.unwrap()));
        uploader
    }

    /// A table that gives twice the capacity, to two of the three contents.
    async fn table(&self, tracker: &Tracker, generation: u64) {
        let rate = |(at, (content, _)): (usize, &(ContentId, Arc<Metainfo>))| PoolRate {
            content: *content,
            cluster: String::new(),
            bittorrent: if at as u64 == generation % 3 { 0 } else { CAPACITY * 3 / 4 },
            http: if at as u64 == generation % 3 { 0 } else { CAPACITY / 4 },
            ceiling: 2 * CAPACITY,
            marginal_milli: 1,
            dithered: false,
        };
        let rates = self.world.contents.iter().enumerate().map(rate).collect();
        let table = PoolTable { generation, ttl_seconds: 600, unnamed: 0, unnamed_bittorrent: 0, capacity: 0, rates };
        tracker.operator().put_table("p", &table).await.unwrap();
    }

    /// Clients are served.
    async fn goes_on(&self) {
        let before = left();
        until("clients are served", || async { (left() >= before + CAPACITY).then_some(()) }).await;
    }
}

fn faketime() -> String {
    let found = Command::new("dpkg").args(["-L", "libfaketime"]).output().unwrap();
    let files = String::from_utf8(found.stdout).unwrap();
    let library = files.lines().find(|line| line.ends_with("/libfaketimeMT.so.1"));
    library.expect("libfaketime is there: install the Debian package faketime").to_owned()
}

/// All that happens, one after the other.
async fn story(stage: &Stage, at: SocketAddr) {
    let (mut runtime, mut tracked) = tracker(&stage.folder, at);
    let store = Store::open(&stage.folder.join("store").display().to_string().parse().unwrap(), &stage.folder).unwrap();
    for seed in 1..=3 {
        let (manifest, ..) = publish(&store, &stage.folder, seed).await;
        register(&tracked, &manifest).await;
    }
    stage.table(&tracked, 1).await;
    let mut uploader = stage.uploader();
    stage.goes_on().await;
    for generation in 2..10 {
        stage.table(&tracked, generation).await;
        sleep(Duration::from_millis(400)).await;
    }
    stage.goes_on().await;
    for _ in 0..3 {
        uploader.signal(Signal::SIGKILL);
        uploader.wait();
        uploader = stage.uploader();
        stage.goes_on().await;
    }
    for generation in 10..12 {
        runtime.shutdown_background();
        drop(tracked);
        stage.goes_on().await;
        (runtime, tracked) = tracker(&stage.folder, at);
        stage.table(&tracked, generation).await;
        stage.goes_on().await;
    }
    for ahead in ["+3600", "-3600", "+0"] {
        std::fs::write(&stage.clock, ahead).unwrap();
        sleep(Duration::from_secs(2)).await;
        stage.goes_on().await;
    }
    for _ in 0..2 {
        stage.world.paused.store(true, Ordering::Relaxed);
        sleep(Duration::from_secs(4)).await;
        stage.world.paused.store(false, Ordering::Relaxed);
        stage.goes_on().await;
        stage.goes_on().await;
    }
    runtime.shutdown_background();
}

#[test]
fn the_sum_of_packets_stays_within_the_capacity_whatever_happens() {
    let test = || {
        let folder = tempfile::tempdir().unwrap();
        let maker = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = Store::open(&folder.path().join("made").display().to_string().parse().unwrap(), folder.path());
        let contents = maker.block_on(async {
            let mut contents = Vec::new();
            for seed in 1..=3 {
                let (manifest, torrents, _) = publish(store.as_ref().unwrap(), folder.path(), seed).await;
                contents.push((manifest.id, torrents.v1));
            }
            contents
        });
        drop(maker);
        let world = World {
            contents: Arc::new(contents),
            addresses: Arc::default(),
            paused: Arc::default(),
            over: CancellationToken::new(),
        };
        let there = wire_up({
            let world = world.clone();
            move || clients(&world)
        });
        let looking = {
            let over = world.over.clone();
            std::thread::spawn(move || look(&over))
        };
        let at: SocketAddr = ([127, 0, 0, 1], 7080).into();
        let clock = folder.path().join("clock");
        std::fs::write(&clock, "+0").unwrap();
        let stage =
            Stage { folder: folder.path().to_owned(), world: world.clone(), url: format!("http://{at}"), clock };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(story(&stage, at));
        world.over.cancel();
        there.join().unwrap();
        let looks = looking.join().unwrap();
        let worst = worst(&looks);
        println!("the worst window: {worst:.4} of the capacity");
        assert!(worst <= SLACK, "{worst:.4} of the capacity in a window of {WINDOW:?}");
        // And it is used: a window of silence would prove nothing.
        assert!(worst >= 0.5, "{worst:.4} of the capacity at most");
    };
    // Threads it makes are in its namespace, too.
    std::thread::spawn(test).join().unwrap();
}
