//! What becomes of reports: the rules of measurement, one by one, and that bytes are neither made nor lost.

use std::sync::Arc;

use proptest::prelude::*;
use videocloud_protocol::tracker::SampleFlag;

use super::*;
use crate::swarms::{Allocated, Allocations, ServedBytes};

const MB: u64 = 1_000_000;

/// Peer `n` has downloaded so much, and uploaded as much.
fn at(n: u16, bytes: u64) -> Announce {
    Announce { downloaded: bytes, uploaded: bytes, left: SIZE.saturating_sub(bytes), ..peer(n) }
}

#[test]
fn a_delta_is_spread_over_the_time_since_the_last_announce() {
    let mut stage = Stage::new(|_| {});
    stage.announce(&at(1, 0), 75_000).unwrap();
    stage.announce(&at(1, 100 * MB), 175_000).unwrap();
    stage.announce(&at(1, 200 * MB), 275_000).unwrap();
    let (first, second) = (stage.sample(1).unwrap(), stage.sample(2).unwrap());
    assert_eq!((first.downloaded_bytes, first.uploaded_bytes, first.left_bytes), (25 * MB, 25 * MB, 25 * MB));
    assert_eq!((first.leechers_milli, first.progressing_milli, first.seeders_milli), (250, 250, 0));
    assert_eq!((second.downloaded_bytes, second.leechers_milli), (100 * MB, 1000));
    assert_eq!((first.reports_expected, first.reports_received), (1, 1));
    assert_eq!((first.content, first.flags.as_slice()), (Some(CONTENT), [SampleFlag::Partial].as_slice()));
    assert!(second.flags.is_empty());
}

#[test]
fn what_a_session_began_with_earns_nothing_and_a_drop_begins_a_new_one() {
    let mut stage = Stage::new(|_| {});
    stage.announce(&at(1, 500 * MB), 0).unwrap();
    stage.announce(&at(1, 510 * MB), 50_000).unwrap();
    // Restarted: counts from zero again.
    stage.announce(&at(1, 5 * MB), 60_000).unwrap();
    stage.announce(&at(1, 6 * MB), 90_000).unwrap();
    stage.announce(&at(1, 6 * MB), 110_000).unwrap();
    let sample = stage.sample(1).unwrap();
    assert_eq!((sample.downloaded_bytes, sample.announced_bytes), (11 * MB, 11 * MB));
    assert_eq!(sample.leechers_milli, 900);
}

#[test]
fn a_seeder_becomes_one_when_it_says_so() {
    let mut stage = Stage::new(|_| {});
    stage.announce(&at(1, SIZE - 10 * MB), 0).unwrap();
    stage.announce(&Announce { event: Event::Completed, ..at(1, SIZE) }, 40_000).unwrap();
    stage.announce(&at(1, SIZE), 100_000).unwrap();
    let sample = stage.sample(1).unwrap();
    assert_eq!((sample.leechers_milli, sample.seeders_milli), (400, 600));
    assert_eq!(stage.swarms.scrape(&V1).unwrap().downloaded, 1);
}

#[test]
fn a_lost_report_repeats_once_and_is_paid_back_when_it_comes_late() {
    let mut stage = Stage::new(|_| {});
    stage.announce(&at(1, 0), 0).unwrap();
    stage.announce(&at(1, 50 * MB), 100_000).unwrap();
    // Nothing for the second, third and fourth interval: repeated for the second only.
    let (first, second) = (stage.sample(1).unwrap(), stage.sample(2).unwrap());
    assert_eq!((first.downloaded_bytes, second.downloaded_bytes), (50 * MB, 50 * MB));
    assert_eq!((second.reports_expected, second.reports_received), (1, 0));
    assert_eq!(second.flags, [SampleFlag::Repeated]);
    let third = stage.sample(3).unwrap();
    assert_eq!((third.downloaded_bytes, third.reports_expected, third.reports_received), (0, 1, 0));
    // It had slowed down: 20 MB in 350 s, less than was lent. Nothing is left to divide.
    stage.announce(&at(1, 70 * MB), 450_000).unwrap();
    // The rest of the fifth interval is lent at the new rate.
    let lent = 20 * MB * 50 / 350;
    assert_eq!(stage.sample(5).unwrap().downloaded_bytes, lent);
    stage.announce(&at(1, 80 * MB), 650_000).unwrap();
    // Two thirds of what is due for the last 150 s lay in the sixth.
    assert_eq!(stage.sample(6).unwrap().downloaded_bytes, (10 * MB - lent) * 100 / 150);
}

#[test]
fn http_and_udp_and_both_families_are_one_session() {
    let mut stage = Stage::new(|_| {});
    let v6 = |bytes| Announce { address: "2001:db8::1".parse().unwrap(), ..at(1, bytes) };
    stage.announce(&at(1, 0), 0).unwrap();
    stage.announce(&v6(0), 10).unwrap();
    stage.announce(&at(1, 10 * MB), 100_000).unwrap();
    assert_eq!(stage.announce(&v6(10 * MB), 100_010).unwrap().found.leechers, 1);
    let sample = stage.sample(1).unwrap();
    // The 10 ms between the two are rounded to the byte.
    assert_eq!((sample.downloaded_bytes, sample.leechers_milli), (10 * MB, 1000));
    // A report is missing: what is lent goes by the rate over the whole time, not over the last 10 ms.
    assert_eq!(stage.sample(2).unwrap().downloaded_bytes.div_ceil(1000), 10_000);
}

#[test]
fn absurd_counters_are_not_believed() {
    let mut stage = Stage::new(|settings| settings.max_peer_rate = MB);
    stage.announce(&peer(1), 0).unwrap();
    let absurd = Announce { downloaded: u64::MAX, uploaded: u64::MAX, left: 0, ..peer(1) };
    stage.announce(&absurd, 99_000).unwrap();
    let sample = stage.sample(1).unwrap();
    assert!(sample.downloaded_bytes <= 100 * MB, "{sample:?}");
    assert!(sample.flags.contains(&SampleFlag::Limited));
    // Neither does going up and down earn anything.
    let mut stage = Stage::new(|_| {});
    for second in 0..90 {
        let bytes = if second % 2 == 0 { 0 } else { u64::MAX / 2 };
        let left = if second % 2 == 0 { SIZE } else { 0 };
        stage.announce(&Announce { downloaded: bytes, uploaded: bytes, left, ..peer(1) }, second * 1000).unwrap();
    }
    let sample = stage.sample(1).unwrap();
    assert!(sample.downloaded_bytes <= 45 * 2 * 125 * MB);
}

#[test]
fn d_is_the_least_of_what_was_said_moved_and_lacked() {
    // Downloaded more than uploaders and peers moved: mirrors, or cheating.
    let mut stage = Stage::new(|_| {});
    stage.announce(&peer(1), 0).unwrap();
    stage.announce(&Announce { uploaded: 0, ..at(1, 80 * MB) }, 100_000).unwrap();
    let served = ServedBytes { content: CONTENT, bittorrent: 30 * MB, http: 7, have: 9, leechers: 1 };
    stage.swarms.served(&served, 50_000..100_000);
    let sample = stage.sample(1).unwrap();
    assert_eq!((sample.downloaded_bytes, sample.announced_bytes, sample.bittorrent_bytes), (30 * MB, 80 * MB, 30 * MB));
    assert_eq!((sample.http_bytes, sample.have_bytes, sample.connected_milli), (7, 9, 500));
    // Downloaded much, lacking little less: waste.
    let mut stage = Stage::new(|_| {});
    stage.announce(&peer(1), 0).unwrap();
    stage.announce(&Announce { left: SIZE - 40 * MB, ..at(1, 80 * MB) }, 100_000).unwrap();
    assert_eq!(stage.sample(1).unwrap().downloaded_bytes, 42 * MB);
    // A magnet link: how much it lacks is known at the second announce only.
    let mut stage = Stage::new(|_| {});
    stage.announce(&Announce { left: u64::MAX, ..peer(1) }, 0).unwrap();
    stage.announce(&at(1, 80 * MB), 100_000).unwrap();
    assert_eq!(stage.sample(1).unwrap().downloaded_bytes, 80 * MB);
}

#[test]
fn samples_say_what_was_allocated_and_whether_it_was_used() {
    let stage = Stage::new(|_| {});
    let mut allocations = Allocations { generation: 4, ..Allocations::default() };
    let allocated = Allocated { bittorrent: MB, dithered: true };
    allocations.rates.insert(CONTENT, allocated);
    let allocations = Arc::new(allocations);
    for (sent, flag) in
        [(80 * MB, Some(SampleFlag::DemandLimited)), (99 * MB, None), (110 * MB, Some(SampleFlag::Borrowed))]
    {
        let begin = stage.history.after(0).last().map_or(0, |last| last.interval * INTERVAL + INTERVAL);
        let served = ServedBytes { content: CONTENT, bittorrent: sent, http: 0, have: 0, leechers: 0 };
        stage.swarms.served(&served, begin..begin + INTERVAL);
        stage.history.turn(&stage.swarms, &allocations, begin + INTERVAL);
        stage.history.turn(&stage.swarms, &allocations, begin + 2 * INTERVAL);
        let samples = stage.history.after(begin / INTERVAL);
        let sample = samples[0].samples[0].clone();
        assert_eq!((sample.allocated, sample.generation, sample.bittorrent_bytes), (Some(MB), 4, sent));
        assert!(sample.flags.contains(&SampleFlag::Dithered));
        for other in [SampleFlag::DemandLimited, SampleFlag::Borrowed] {
            assert_eq!(sample.flags.contains(&other), flag == Some(other), "{sent}");
        }
    }
}

/// An interval is finished under the tables of the next one; it is held to its own.
#[test]
fn an_interval_is_held_to_the_tables_that_were_in_force_in_it() {
    let stage = Stage::new(|_| {});
    let table = |rate| {
        let mut allocations = Allocations::default();
        allocations.rates.insert(CONTENT, Allocated { bittorrent: rate, dithered: false });
        Arc::new(allocations)
    };
    // In force when intervals end; uploaders send what the table at their end says.
    let rates = [MB, 3 * MB, MB, MB, 9 * MB];
    for (number, rate) in (1..).zip(rates) {
        let end = number * INTERVAL;
        let bittorrent = rate * INTERVAL / 1000;
        let served = ServedBytes { content: CONTENT, bittorrent, http: 0, have: 0, leechers: 0 };
        stage.swarms.served(&served, end - INTERVAL..end);
        stage.history.turn(&stage.swarms, &table(rate), end);
    }
    let samples = stage.history.after(1);
    let said: Vec<_> = samples.iter().map(|one| (one.samples[0].allocated, one.samples[0].flags.clone())).collect();
    assert_eq!(said, [(Some(MB), vec![]), (Some(MB), vec![]), (Some(MB), vec![])]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// However announces fall and get lost, the intervals together hold no more than was said and once what was lent; and all
    /// of it when no gap is longer than an interval.
    #[test]
    fn bytes_are_neither_made_nor_lost(
        steps in prop::collection::vec((1_u64..300, 0_u64..1000), 2..40), short in any::<bool>(),
    ) {
        let mut stage = Stage::new(|_| {});
        let (mut now, mut bytes) = (0, 0);
        let (mut announced, mut lent) = (0, 0);
        let mut turn = |stage: &mut Stage, until: Millis| {
            while stage.turned + INTERVAL <= until {
                let next = stage.turned + INTERVAL;
                stage.pass(next);
                if let Some(samples) = stage.history.after(0).last().filter(|last| last.interval * INTERVAL == next - INTERVAL) {
                    announced += samples.samples.iter().map(|sample| sample.announced_bytes).sum::<u64>();
                    lent += u64::from(samples.samples.iter().any(|sample| sample.flags.contains(&SampleFlag::Repeated)));
                }
            }
        };
        stage.announce(&at(1, 0), 0).unwrap();
        let mut largest = 0;
        for (seconds, kilobytes) in steps {
            now += if short { 1000 * (1 + seconds % 100) } else { 1000 * seconds };
            bytes += 1000 * kilobytes;
            largest = largest.max(1000 * kilobytes);
            turn(&mut stage, now);
            stage.announce(&at(1, bytes), now).unwrap();
        }
        stage.announce(&Announce { event: Event::Stopped, ..at(1, bytes) }, now).unwrap();
        turn(&mut stage, now + 3 * INTERVAL);
        prop_assert!(announced <= bytes + lent * largest, "{announced} of {bytes}, lent {lent} times");
        if short {
            prop_assert_eq!(announced, bytes);
        }
    }
}
