//! What is fetched first: order of playback, or what few others can give; and over how many connections.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use videocloud_downloader::schedule::{
    Action, Event, LaneId, Order, Scheduler, Settings, SourceId, SourceSpec, Span, SpanSet, Standing,
};

const MIB: u64 = 1 << 20;

fn spec(host: &str, holds: Option<(u64, u64)>) -> SourceSpec {
    let holds = holds.map(|(start, end)| SpanSet::of(Span::new(start, end)));
    SourceSpec { host: host.to_owned(), priority: 0, lanes: 1, longest: Some(MIB), holds, verified: true }
}

/// Where each source begins, of a content of 8 MiB that two peers have to different parts, and the third whole.
fn begins(order: Order) -> Vec<u64> {
    let settings = Settings { order, ..Settings::default() };
    let mut scheduler = Scheduler::new(settings, Some(8 * MIB), SpanSet::default(), 1);
    scheduler.add(SourceId(0), spec("left", Some((0, 6 * MIB))), Standing::Active);
    scheduler.add(SourceId(1), spec("middle", Some((2 * MIB, 6 * MIB))), Standing::Active);
    scheduler.add(SourceId(2), spec("whole", None), Standing::Active);
    let mut begins = vec![0; 3];
    for action in scheduler.poll(Duration::ZERO) {
        if let Action::Fetch { source, span, .. } = action {
            begins[source.0 as usize] = span.start();
        }
    }
    begins
}

#[test]
fn in_order_of_playback_each_takes_the_first_it_has_but_that_the_index_comes_early() {
    assert_eq!(begins(Order::Playback), [0, 2 * MIB, 7 * MIB]);
}

#[test]
fn rarest_first_goes_to_what_few_have() {
    // The last quarter has one holder, the first two, the middle three.
    assert_eq!(begins(Order::Rarest), [0, 2 * MIB, 6 * MIB]);
}

#[test]
fn what_one_source_alone_has_is_fetched_from_it_while_others_do_the_rest() {
    let mut scheduler = Scheduler::new(Settings::default(), Some(4 * MIB), SpanSet::default(), 1);
    scheduler.add(SourceId(0), spec("tail", Some((3 * MIB, 4 * MIB))), Standing::Active);
    scheduler.add(SourceId(1), spec("head", Some((0, 3 * MIB))), Standing::Active);
    let (mut now, mut fetched) = (Duration::ZERO, Vec::new());
    let mut open: Vec<(LaneId, Span)> = Vec::new();
    while !scheduler.is_complete() {
        for action in scheduler.poll(now) {
            if let Action::Fetch { lane, source, span } = action {
                fetched.push((source, span));
                open.push((lane, span));
            }
        }
        let (lane, span) = open.remove(0);
        scheduler.on(now, Event::Opened { lane, size: Some(4 * MIB), ranges: true });
        scheduler.on(now, Event::Received { lane, bytes: span.len() });
        scheduler.on(now, Event::Finished { lane });
        now += Duration::from_millis(10);
    }
    for (source, span) in fetched {
        assert_eq!(source, SourceId(u32::from(span.start() < 3 * MIB)), "{span:?}");
    }
}

/// Connections that are in use at the end of half a second to a source each of whose connections gives `rate` bytes per second.
fn connections_at(rate: u64) -> usize {
    let (size, step) = (4096 * MIB, Duration::from_millis(2));
    let mut scheduler = Scheduler::new(Settings::default(), None, SpanSet::default(), 1);
    let everything = SourceSpec { lanes: 8, longest: None, verified: false, ..spec("mirror", None) };
    scheduler.add(SourceId(0), everything, Standing::Active);
    let mut now = Duration::ZERO;
    let mut open: BTreeMap<LaneId, u64> = BTreeMap::new();
    while now < Duration::from_millis(500) {
        for action in scheduler.poll(now) {
            match action {
                Action::Fetch { lane, span, .. } => {
                    scheduler.on(now, Event::Opened { lane, size: Some(size), ranges: true });
                    open.insert(lane, span.len());
                }
                other => unreachable!("nothing is taken from anybody: {other:?}"),
            }
        }
        now += step;
        for (&lane, left) in &mut open {
            let bytes = (rate * 2 / 1000).min(*left);
            *left -= bytes;
            scheduler.on(now, Event::Received { lane, bytes });
            if *left == 0 {
                scheduler.on(now, Event::Finished { lane });
            }
        }
        open.retain(|_, left| *left > 0);
    }
    scheduler.poll(now);
    scheduler.connections_to("mirror")
}

#[test]
fn a_source_that_one_connection_brings_as_fast_as_bytes_can_be_kept_has_one() {
    assert_eq!(connections_at(1_000_000_000), 1);
    assert_eq!(connections_at(100_000_000), 8);
}

/// Requests for a short content, of which all but a part came at once and then nothing for `pause`, over sources at `hosts`.
fn requests_after(pause: Duration, hosts: &[&str]) -> usize {
    const SIZE: u64 = 256 << 10;
    let mut scheduler = Scheduler::new(Settings::default(), None, SpanSet::default(), 1);
    for (number, host) in (0..).zip(hosts) {
        let everything = SourceSpec { lanes: 8, longest: None, verified: false, ..spec(host, None) };
        scheduler.add(SourceId(number), everything, Standing::Active);
    }
    let (mut requests, mut first) = (0, None);
    for now in [Duration::ZERO, Duration::from_millis(5), pause] {
        for action in scheduler.poll(now) {
            if let Action::Fetch { lane, .. } = action {
                requests += 1;
                if first.is_none() {
                    first = Some(lane);
                    scheduler.on(now, Event::Opened { lane, size: Some(SIZE), ranges: true });
                    scheduler.on(now, Event::Received { lane, bytes: SIZE / 4 });
                }
            }
        }
    }
    requests
}

#[test]
fn what_may_be_in_the_buffers_is_asked_of_another_host_only() {
    // So long the process itself may have stood still: a limit on its CPU does that.
    let pause = Duration::from_millis(1500);
    assert_eq!(requests_after(pause, &["mirror"]), 1);
    assert_eq!(requests_after(pause, &["mirror", "mirror"]), 1);
    assert!(requests_after(pause, &["mirror", "another"]) > 1);
    assert!(requests_after(Duration::from_secs(3), &["mirror"]) > 1, "a connection that hangs is not waited for");
}
