//! The simulators against what must hold in any world: fluid limits, Little's law, fair pairing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use videocloud_scheduler::simulator::day::{Day, Knowledge, PaperMultipliers, Spread, calibrate};
use videocloud_scheduler::simulator::experiment::{EgressQuestion, Measure, compare, gain_curves};
use videocloud_scheduler::simulator::pieces::{Pieces, play};
use videocloud_scheduler::simulator::statistics::{Interval, quantile};
use videocloud_scheduler::simulator::{Arm, Progress, SimulateError, day};

fn world() -> Pieces {
    Pieces {
        swarms: 6,
        arrivals: 0.2,
        warm_up: 1800.0,
        measured: 3600.0,
        cool_down: 1800.0,
        piece: 128e3,
        pieces: 125,
        share: 0.2,
        ..Pieces::default()
    }
}

fn small_day() -> Day {
    Day { swarms: 150, leechers: (400.0, 5e3), capacity: (0.02e9, 0.225e9), stride: 4, ..Day::default() }
}

fn silent() -> Progress<'static> {
    Progress::silent()
}

#[test]
fn without_peers_upload_the_cloud_is_all_there_is() {
    let alone = Pieces { upload: 0.0, lingering: (0.0, 0.0), share: 0.5, ..world() };
    let played = play(&alone, Arm::Proportional, 1).unwrap();
    assert_eq!(played.exchanged, 0.0);
    assert!((played.downloaded / played.uploaded - 1.0).abs() < 1e-9);
    // More is asked than the cloud may upload: it uploads all it may.
    let allowed = alone.capacity() * alone.measured;
    assert!((played.uploaded / allowed - 1.0).abs() < 0.02, "{} of {allowed}", played.uploaded);
}

#[test]
fn plenty_of_seeds_fill_every_line() {
    let rich = Pieces { upload: 4e6, lingering: (1.0, 1.0), linger: 3600.0, swarm_spread: 0.0, ..world() };
    let found = play(&rich, Arm::Proportional, 1).unwrap().verdict();
    assert!(found.p10_rate > 0.85 * rich.limit, "{} of {}", found.p10_rate, rich.limit);
}

#[test]
fn peers_alone_reach_what_they_upload() {
    // No seeds, a whiff of cloud: rate per viewer is about the upload per viewer.
    let even = Pieces { swarm_spread: 0.0, peer_spread: 0.0, lingering: (0.0, 0.0), swarms: 1, ..world() };
    let played = play(&even, Arm::Proportional, 2).unwrap();
    let per_leecher = played.exchanged / (played.leechers * even.measured);
    assert!(per_leecher > 0.8 * even.upload && per_leecher <= even.upload * 1.001, "{per_leecher}");
}

#[test]
fn littles_law_holds() {
    let long = Pieces { measured: 4.0 * 3600.0, ..world() };
    let played = play(&long, Arm::Delay, 4).unwrap();
    let sojourns: f64 = played.viewers.iter().map(|viewer| viewer.seconds).sum();
    let by_viewers = sojourns / long.measured;
    assert!((played.leechers / by_viewers - 1.0).abs() < 0.1, "{} online, {by_viewers}", played.leechers);
    // Hence, where everybody stays, D is what was asked for, whatever the policy.
    assert!((played.downloaded / played.demanded - 1.0).abs() < 0.1);
}

#[test]
fn impatient_viewers_leave() {
    let poor = Pieces { upload: 10e3, swarm_spread: 0.0, share: 0.05, patience: Some(120.0), ..world() };
    let found = play(&poor, Arm::Proportional, 1).unwrap().verdict();
    assert!(found.unfinished > 0.5, "{}", found.unfinished);
    assert!(found.hungry > 0.5, "{}", found.hungry);
}

#[test]
fn equal_arms_are_equal() {
    // Without seeders both give in proportion to leechers: an A/A test.
    let even = Pieces { lingering: (0.0, 0.0), ..world() };
    let free = play(&even, Arm::FreeCompetitive, 5).unwrap();
    let proportional = play(&even, Arm::Proportional, 5).unwrap();
    assert_eq!(free.viewers, proportional.viewers);
}

#[test]
fn arms_meet_the_same_viewers() {
    let one = play(&world(), Arm::FreeCompetitive, 6).unwrap();
    let other = play(&world(), Arm::TARGET, 6).unwrap();
    assert_eq!(one.viewers.len(), other.viewers.len());
    assert_eq!(one.demanded, other.demanded);
    assert_ne!(one.viewers, other.viewers);
}

#[test]
fn seeds_decide_everything_and_threads_nothing() {
    let arms = [Arm::Proportional, Arm::Delay, Arm::Multiplier];
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let found = compare(&world(), &arms, 1, 2, &silent()).unwrap();
            let knowing = [(Arm::Multiplier, Knowledge::True), (Arm::Ration, Knowledge::Estimated)];
            (found, day::play(&small_day(), &knowing, 3, &silent()).unwrap())
        })
    };
    let serial = on(1);
    assert_eq!(serial, on(4));
    let other = compare(&world(), &arms, 2, 2, &silent()).unwrap();
    assert_ne!(serial.0.values(Arm::Delay, Measure::MeanRate), other.values(Arm::Delay, Measure::MeanRate));
}

#[test]
fn a_target_spends_less_than_it_may() {
    let target = Arm::TARGET;
    let calm = Pieces { swarm_spread: 0.8, ..world() };
    let question =
        EgressQuestion { world: calm, target, target_shares: vec![3.0], shares: vec![0.1, 0.4, 0.8, 1.2], seeds: 2 };
    let answer = question.answer(&silent()).unwrap();
    let saving = &answer.savings[0];
    assert!(saving.target.egress.mean < 1.0, "{:?}", saving.target.egress);
    let ratio = saving.against_proportional.unwrap();
    assert!(ratio.mean < 1.0 && ratio.low <= ratio.mean && ratio.mean <= ratio.high, "{ratio:?}");
    for point in &answer.frontier {
        assert!(point.egress.mean <= point.share * 1.1);
    }
}

#[test]
fn the_optimum_is_best_where_its_law_is_true() {
    let arms = [Arm::FreeCompetitive, Arm::Proportional, Arm::Ration, Arm::Balanced, Arm::Delay, Arm::Multiplier];
    let calm = Day { noise: 0.0, ..small_day() };
    let found = day::play(&calm, &arms.map(|arm| (arm, Knowledge::True)), 1, &silent()).unwrap();
    let best = found[5].multiplier;
    for other in &found[..5] {
        assert!(other.multiplier <= best * (1.0 + 1e-9), "{} {} above {best}", other.arm.name(), other.multiplier);
    }
    for period in found.iter().flat_map(|result| &result.periods) {
        assert!(period.upload <= period.capacity && period.upload <= period.download * (1.0 + 1e-9));
    }
    assert!(found[5].periods.iter().all(|period| period.deviation < found[0].periods[0].deviation));
}

#[test]
fn the_closed_loop_comes_near_the_optimum() {
    let day = Day { stride: 1, ..small_day() };
    let arms = [(Arm::Multiplier, Knowledge::Estimated), (Arm::Multiplier, Knowledge::True)];
    let found = day::play(&day, &arms, 2, &silent()).unwrap();
    assert!(found[0].multiplier > 0.95 * found[1].multiplier, "{} {}", found[0].multiplier, found[1].multiplier);
}

#[test]
fn marginals_are_the_published_ones() {
    let found = day::play(&Day::default(), &[(Arm::Proportional, Knowledge::True)], 1, &silent()).unwrap();
    let periods = &found[0].periods;
    let least = |value: fn(&day::Period) -> f64| periods.iter().map(value).fold(f64::INFINITY, f64::min);
    let most = |value: fn(&day::Period) -> f64| periods.iter().map(value).fold(0.0, f64::max);
    assert!(least(|p| p.leechers) >= 3.9e3 && least(|p| p.leechers) < 5e3);
    assert!(most(|p| p.leechers) <= 50.1e3 && most(|p| p.leechers) > 48e3);
    assert!(least(|p| p.capacity) >= 0.2e9 && most(|p| p.capacity) <= 2.25e9 && most(|p| p.capacity) > 2.2e9);
}

#[test]
fn swarms_that_follow_one_law_gain_almost_nothing() {
    let same = Day { spread: Spread { seeds_sd: 0.0, ..Spread::default() }, noise: 0.0, ..small_day() };
    let curve = gain_curves(&same, &[0.0, 1.0, 2.0], 1, &silent()).unwrap();
    assert!(curve[0].over_proportional < 0.03, "{:?}", curve[0]);
    assert!(curve[1].over_proportional > 2.0 * curve[0].over_proportional);
    assert!(curve[2].over_proportional > curve[1].over_proportional);
}

#[test]
fn calibration_finds_the_multipliers() {
    let found = calibrate(&small_day(), PaperMultipliers::default(), 1, &silent()).unwrap();
    let pairs = [
        (found.reached.free, 2.20),
        (found.reached.proportional, 2.64 / 1.17),
        (found.reached.ration, 2.45),
        (found.reached.optimal, 2.64),
    ];
    for (reached, wanted) in pairs {
        assert!((reached / wanted - 1.0).abs() < 0.02, "{found:?}");
    }
}

#[test]
fn progress_counts_up_to_the_end() {
    let seen = std::sync::Mutex::new(Vec::new());
    let listener = |done: usize, total: usize| seen.lock().unwrap().push((done, total));
    compare(&world(), &[Arm::Proportional], 1, 3, &Progress::new(&listener)).unwrap();
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, [(1, 3), (2, 3), (3, 3)]);
}

#[test]
fn statistics_are_right_on_known_values() {
    assert_eq!(quantile(&[], 0.5), 0.0);
    assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.5), 2.0);
    assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
    let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20) - 9.5).collect();
    let found = Interval::of(&values);
    // The standard error of a uniform spread over 20 steps is 5.77 / 20.
    assert!(found.mean.abs() < 1e-12 && !found.excludes_zero());
    assert!((found.high / (1.96 * 5.77 / 20.0) - 1.0).abs() < 0.15, "{found:?}");
    assert!(Interval::of(&[1.0, 1.1, 0.9]).excludes_zero());
}

#[test]
fn bad_worlds_are_refused() {
    let refused = |world: Pieces| matches!(play(&world, Arm::Delay, 1), Err(SimulateError::Scenario { .. }));
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        assert!(refused(Pieces { arrivals: bad, ..world() }));
        assert!(refused(Pieces { share: bad, ..world() }));
        assert!(refused(Pieces { upload: bad, ..world() }));
        assert!(refused(Pieces { measured: bad, ..world() }));
        assert!(day::play(&Day { churn: bad, ..small_day() }, &[], 1, &silent()).is_err());
        assert!(day::play(&Day { capacity: (0.0, bad), ..small_day() }, &[], 1, &silent()).is_err());
    }
    assert!(refused(Pieces { pieces: 257, ..world() }));
    assert!(refused(Pieces { swarms: 0, ..world() }));
    let error = play(&Pieces { pieces: 0, ..world() }, Arm::Delay, 1).unwrap_err();
    assert_eq!(error.to_string(), "failed to set up the simulation: pieces = 0 is not from 1 to 256");
}

#[test]
fn an_empty_world_is_no_error() {
    let nobody = play(&Pieces { arrivals: 0.0, ..world() }, Arm::TARGET, 1).unwrap();
    assert_eq!((nobody.viewers.len(), nobody.uploaded), (0, 0.0));
    assert_eq!(nobody.verdict().viewers, 0.0);
}
