//! Killed and started again: peers are still there, and measurement goes on.

use std::time::Duration;

use tempfile::TempDir;
use videocloud_protocol::{content::Visibility, token::Grant, tracker::SamplesAnswer};

use crate::{
    support::{client, token},
    wire::{Tracker, WORDS, Words, manifest, settings},
};

fn short() -> videocloud_tracker::Delivery {
    settings(|settings| {
        settings.sample_interval = Duration::from_secs(1);
        settings.announce_interval = Duration::from_secs(60);
    })
}

async fn samples(tracker: &Tracker, after: u64) -> SamplesAnswer {
    tracker.running.operator().samples(after, Duration::from_secs(30)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swarms_survive_a_restart_and_intervals_go_on() {
    let folder = TempDir::new().unwrap();
    let tracker = Tracker::start(&folder, short()).await;
    // The index knows the torrent too, so that the next tracker does.
    let wanted = crate::support::wanted(&["http://h/a"]);
    let task = videocloud_protocol::ids::TaskId::download(&wanted.key());
    let operator = client(tracker.running.address, token(&Grant::Operator));
    operator.claim(&wanted.key(), &crate::support::claim("a", "team", &wanted)).await.unwrap();
    let result = crate::support::downloaded(manifest(1, WORDS.hash, Visibility::Public), Vec::new());
    tracker.running.worker(&task).report(&task, &result).await.unwrap();
    let peer = tracker.peer(1);
    peer.announce(WORDS);
    tracker.peer(2).announce(Words { left: 0, port: 6882, ..WORDS });
    peer.announce(Words { downloaded: 5000, uploaded: 5000, left: (1 << 30) - 5000, event: 0, ..WORDS });
    let mut last = 0;
    let mut downloaded = 0;
    while downloaded == 0 {
        assert!(last < 30, "nothing was sampled");
        let answer = samples(&tracker, last).await;
        for interval in answer.intervals {
            assert_eq!(interval.interval, last.max(interval.interval - 1) + 1);
            last = interval.interval;
            downloaded += interval.samples.iter().map(|sample| sample.announced_bytes).sum::<u64>();
        }
    }
    let before = peer.scrape(WORDS.hash);
    assert_eq!(before, [1, 0, 1]);
    tracker.stop().await;

    let tracker = Tracker::start(&folder, short()).await;
    let peer = tracker.peer(1);
    assert_eq!(peer.scrape(WORDS.hash), before);
    // The session goes on: its delta counts, and numbers of intervals grow.
    peer.announce(Words { downloaded: 9000, uploaded: 9000, left: (1 << 30) - 9000, event: 0, ..WORDS });
    let mut more = 0;
    let restarted = last;
    while more == 0 {
        assert!(last < restarted + 30, "nothing was sampled after the restart");
        let answer = samples(&tracker, last).await;
        for interval in answer.intervals {
            assert!(interval.interval > last, "{} after {last}", interval.interval);
            last = interval.interval;
            more += interval.samples.iter().map(|sample| sample.announced_bytes).sum::<u64>();
        }
    }
    // What is said, and at most once as much again on credit.
    assert!(downloaded <= 2 * 5000 && more <= 2 * 4000, "{downloaded} {more}");
    tracker.stop().await;
}
