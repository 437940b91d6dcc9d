//! `trace` against a real tracker, and `fit` on what it recorded.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use videocloud_protocol::ids::InfoHash;
use videocloud_tracker::database::Database;
use videocloud_tracker::http::{Gate, router, serve};
use videocloud_tracker::swarms::SwarmSettings;
use videocloud_tracker::{Delivery, Settings, Tracker};

const SIZE: u64 = 1 << 30;
/// What three leechers download together, and a seeder uploads, bytes per second.
const RATE: f64 = 600_000.0;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_videocloud-scheduler")).current_dir(folder).args(arguments).output().unwrap()
}

/// Announces a peer whose counters go by the clock.
async fn announce(tracker: SocketAddr, hash: &InfoHash, peer: u8, since: Duration) -> std::io::Result<()> {
    let hash: String = hash.as_bytes().iter().map(|byte| format!("%{byte:02x}")).collect();
    let bytes = (RATE * since.as_secs_f64()) as u64;
    let (downloaded, uploaded, left) = if peer == 0 { (0, bytes, 0) } else { (bytes / 3, 0, SIZE - bytes / 3) };
    let target = format!(
        "/announce?info_hash={hash}&peer_id=-XX0001-{peer:012}&port={}&downloaded={downloaded}&uploaded={uploaded}&left={left}\
         &key={peer:08x}&compact=1",
        7000 + u16::from(peer)
    );
    let mut stream = TcpStream::connect(tracker).await?;
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tracker_measures_can_be_fitted() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&format!("sqlite://{}", folder.path().join("t.db").display()).parse().unwrap()).await;
    let swarms = SwarmSettings { open: true, sample_interval: Duration::from_secs(1), ..SwarmSettings::default() };
    let delivery = Delivery { swarms, ..Delivery::default() };
    let settings = Settings { revalidate_after: Duration::from_secs(60), egress_capacity: None };
    let tracker = Tracker::start(database.unwrap(), settings, delivery).await.unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(serve(listener, router(tracker.clone(), Gate::open()), tracker.closing().clone()));
    let hash = InfoHash::derive([b"a torrent".as_slice()]);
    let mut peers = JoinSet::new();
    peers.spawn(async move {
        let began = Instant::now();
        loop {
            for peer in 0..4 {
                announce(address, &hash, peer, began.elapsed()).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let path = folder.path().to_owned();
    let url = format!("http://{address}");
    let output = tokio::task::spawn_blocking(move || {
        run(&path, &["trace", "--tracker", &url, "--intervals", "8", "--out", "samples.csv"])
    });
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("of 8 intervals"), "{said}");
    let text = std::fs::read_to_string(folder.path().join("samples.csv")).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert!(rows.len() >= 4, "{said}\n{text}");
    for row in &rows[1..] {
        let number = |place: usize| row[place].parse::<f64>().unwrap();
        assert_eq!(row[0], hash.to_string());
        assert!((number(3) / RATE - 1.0).abs() < 0.2, "download: {row:?}");
        assert!((number(4) - 1.0).abs() < 0.1 && (number(5) - 3.0).abs() < 0.1, "audience: {row:?}");
    }
    let fitted = run(folder.path(), &["fit", "--samples", "samples.csv", "--out", "swarms.csv"]);
    assert!(fitted.status.success(), "{}", String::from_utf8_lossy(&fitted.stderr));
    // A pool without a table has no swarms, and a tracker that is not there is an error.
    let absent = run(
        folder.path(),
        &["trace", "--tracker", &format!("http://{address}/"), "--pool", "none", "--intervals", "1"],
    );
    assert!(absent.status.success() && String::from_utf8_lossy(&absent.stderr).contains("0 samples of 1 intervals"));
    assert_eq!(run(folder.path(), &["trace", "--tracker", "ftp://h"]).status.code(), Some(1));
    peers.shutdown().await;
    tracker.closing().cancel();
    served.await.unwrap();
    tracker.close().await;
}
