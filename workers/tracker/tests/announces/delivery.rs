//! What the scheduler exchanges with the tracker: tables and models, fenced; announce URLs for torrents; owners for peers.

use std::{net::SocketAddr, time::Duration};

use reqwest::StatusCode;
use tempfile::TempDir;
use videocloud_protocol::{
    content::Visibility,
    ids::ContentId,
    tracker::{ClientError, ModelSnapshot, PoolRate, PoolTable, UploaderReport, UploaderSwarm},
};

use crate::wire::{Tracker, WORDS, manifest, settings};

fn table(generation: u64, rate: u64) -> PoolTable {
    let content = ContentId::from_bytes([1; 32]);
    let cluster = String::new();
    let rate = PoolRate { content, cluster, bittorrent: rate, http: 5, ceiling: 0, marginal_milli: 1, dithered: false };
    PoolTable { generation, ttl_seconds: 600, unnamed: 30, unnamed_bittorrent: 20, capacity: 0, rates: vec![rate] }
}

fn is_conflict<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> bool {
    matches!(answer.unwrap_err(), ClientError::Status { status: StatusCode::CONFLICT, .. })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_and_models_are_fenced_also_over_restarts() {
    let folder = TempDir::new().unwrap();
    let tracker = Tracker::start(&folder, settings(|_| {})).await;
    let (operator, uploader) = (tracker.running.operator(), tracker.running.uploader());
    assert_eq!((operator.table("p").await.unwrap(), operator.models("p").await.unwrap()), (None, None));
    let models = |generation| ModelSnapshot { generation, body: format!("models of {generation}") };
    let report =
        UploaderReport { capacity: 1000, bittorrent: vec![([127, 0, 0, 1], 7777).into()], ..Default::default() };
    let equal = uploader.report_uploader("edge", &report).await.unwrap();
    assert_eq!(operator.put_table("p", &table(5, 100)).await.unwrap().generation, 5);
    operator.put_table("p", &table(5, 100)).await.unwrap();
    assert!(is_conflict(operator.put_table("p", &table(4, 1)).await));
    operator.put_models("p", &models(5)).await.unwrap();
    assert!(is_conflict(operator.put_models("p", &models(4)).await));
    let given = uploader.report_uploader("edge", &report).await.unwrap();
    assert!(given.generation > equal.generation);
    assert_eq!((given.default_rate, given.default_bittorrent), (30, 20));
    let pools: Vec<_> = operator.pools().await.unwrap().pools.into_iter().map(|p| (p.name, p.generation)).collect();
    assert_eq!(pools, [("p".to_owned(), 5)]);
    let edge = &operator.uploaders().await.unwrap().uploaders[0];
    assert_eq!((edge.name.as_str(), edge.cluster.as_str(), edge.capacity), ("edge", "", 1000));
    assert_eq!((given.rates[0].bittorrent, given.rates[0].http), (100, 5));
    let holds = UploaderReport { generation: given.generation, ..report.clone() };
    let again = uploader.report_uploader("edge", &holds).await.unwrap();
    assert!(again.unchanged && again.rates.is_empty());
    // Uploaders may not put tables.
    let refused = uploader.put_table("p", &table(9, 1)).await.unwrap_err();
    assert!(matches!(refused, ClientError::Status { status: StatusCode::FORBIDDEN, .. }), "{refused}");
    tracker.stop().await;

    let tracker = Tracker::start(&folder, settings(|_| {})).await;
    let (operator, uploader) = (tracker.running.operator(), tracker.running.uploader());
    assert!(is_conflict(operator.put_table("p", &table(4, 1)).await));
    assert!(is_conflict(operator.put_models("p", &models(4)).await));
    assert_eq!(operator.models("p").await.unwrap(), Some(models(5)));
    assert_eq!(operator.table("p").await.unwrap(), Some(table(5, 100)));
    let after = uploader.report_uploader("edge", &report).await.unwrap();
    assert!(after.generation > given.generation && after.rates[0].bittorrent == 100);
    operator.delete_pool("p").await.unwrap();
    assert_eq!((operator.table("p").await.unwrap(), operator.models("p").await.unwrap()), (None, None));
    assert_eq!(uploader.report_uploader("edge", &report).await.unwrap().default_rate, 1000);
    tracker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_uploaders_serve_is_sampled_and_peers_are_told_of_them() {
    let folder = TempDir::new().unwrap();
    let interval = Duration::from_secs(1);
    let tracker = Tracker::start(&folder, settings(|settings| settings.sample_interval = interval)).await;
    let edge: SocketAddr = ([127, 0, 0, 1], 7777).into();
    let swarm = UploaderSwarm {
        bittorrent_bytes: 4000,
        http_bytes: 500,
        leechers: 3,
        ..UploaderSwarm::new(ContentId::from_bytes([1; 32]))
    };
    let report = UploaderReport { capacity: 1000, swarms: vec![swarm], bittorrent: vec![edge], ..Default::default() };
    tracker.running.operator().put_table("p", &table(5, 100)).await.unwrap();
    tracker.running.uploader().report_uploader("edge", &report).await.unwrap();
    let answer = tracker.peer(1).announce(WORDS);
    assert_eq!(&answer[20..], [127, 0, 0, 1, 0x1e, 0x61]);
    let (mut after, mut sent) = (0, (0, 0));
    while sent.1 == 0 {
        let answer = tracker.running.operator().samples(after, Duration::from_secs(30)).await.unwrap();
        for interval in answer.intervals {
            after = interval.interval;
            for sample in
                interval.samples.iter().filter(|sample| sample.content == Some(ContentId::from_bytes([1; 32])))
            {
                assert_eq!((sample.allocated, sample.generation), (Some(100), 5));
                sent = (sent.0 + sample.bittorrent_bytes, sent.1 + sample.http_bytes);
            }
        }
    }
    // The first report is spread over the 10 s before it; what lies before the open intervals is not made up.
    assert!(sent.0 <= 4000 && sent.1 <= 500, "{sent:?}");
    tracker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn torrents_are_told_their_trackers() {
    let folder = TempDir::new().unwrap();
    let mut settings = settings(|_| {});
    settings.announce_bases = vec!["http://t.example:7080/".into(), "udp://t.example:7081".into()];
    let tracker = Tracker::start(&folder, settings).await;
    assert_eq!(tracker.running.uploader().announce_urls(&ContentId::from_bytes([77; 32])).await.unwrap(), None);
    for (seed, visibility) in [(11, Visibility::Public), (12, Visibility::Namespace("team".into()))] {
        let mut wanted = crate::support::wanted(&[&format!("http://h/{seed}")]);
        wanted.visibility = visibility.clone();
        let key = wanted.key();
        let task = videocloud_protocol::ids::TaskId::download(&key);
        tracker.running.operator().claim(&key, &crate::support::claim("a", "team", &wanted)).await.unwrap();
        let content = manifest(seed, [seed; 20], visibility.clone());
        let result = crate::support::downloaded(content.clone(), Vec::new());
        tracker.running.worker(&task).report(&task, &result).await.unwrap();
        let urls = tracker.running.uploader().announce_urls(&content.id).await.unwrap().unwrap();
        assert_eq!((urls.secret, urls.urls.len()), (visibility != Visibility::Public, 2));
        let path = urls.urls[1].strip_prefix("udp://t.example:7081/").unwrap();
        assert_eq!(path.len(), if urls.secret { 32 + "/announce".len() } else { "announce".len() });
        // The URL that was given is good.
        let path = urls.urls[0].strip_prefix("http://t.example:7080").unwrap();
        let query = crate::wire::query([seed; 20], 1, "&port=1");
        assert!(tracker.get(&format!("{path}{query}")).await.starts_with(b"d8:complete"));
    }
    tracker.stop().await;
}
