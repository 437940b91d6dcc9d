//! What must hold of every law and of the range a swarm's upload is kept in.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use videocloud_scheduler::model::{Law, Objective, PowerLaw, RegimeLaw, SOLO_FLOOR, SoloLaw, Swarm, SwarmLaw};
use videocloud_scheduler::solver::{Demand, Shape};
use videocloud_scheduler::units::{Audience, BytesPerSecond, Weight};

fn rate(value: f64) -> BytesPerSecond {
    BytesPerSecond::clamped(value)
}

fn law() -> impl Strategy<Value = SwarmLaw> {
    prop_oneof![
        (0.05..0.9, 0.0..0.6, 2.0..8.0)
            .prop_map(|(a, b, ln_f)| SwarmLaw::Power(PowerLaw::from_log(a, b, ln_f).unwrap())),
        (1e3..3e5, 0.05..1.0, 1e4..1e6)
            .prop_map(|(u, eta, d)| SwarmLaw::Regimes(RegimeLaw::new(rate(u), eta, rate(d)).unwrap())),
    ]
}

fn audience() -> impl Strategy<Value = Audience> {
    (0.0..50.0, 1.5..2000.0).prop_map(|(s, l)| Audience::new(s, l).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn laws_grow_and_are_concave(law in law(), audience in audience(), s in 1.0..1e8_f64, step in 1.01..10.0_f64) {
        let at = |s: f64| law.download(audience, rate(s)).get();
        let (low, middle, high) = (s, s * step, s * step * step);
        prop_assert!(at(low) <= at(middle) * (1.0 + 1e-12) && at(middle) <= at(high) * (1.0 + 1e-12));
        let chord = at(low) + (at(high) - at(low)) * (middle - low) / (high - low);
        prop_assert!(at(middle) >= chord * (1.0 - 1e-9), "{} below the chord {chord}", at(middle));
        prop_assert!(law.marginal(audience, rate(low)) >= law.marginal(audience, rate(middle)) * (1.0 - 1e-9));
    }

    #[test]
    fn the_marginal_is_the_derivative(law in law(), audience in audience(), s in 10.0..1e8_f64) {
        let step = 1e-4 * s;
        let (up, down) = (law.download(audience, rate(s + step)), law.download(audience, rate(s - step)));
        let slope = (up.get() - down.get()) / (2.0 * step);
        let marginal = law.marginal(audience, rate(s));
        // Rounding of D bounds what a difference can show.
        let rounding = 1e-11 * up.get() / step;
        prop_assert!((slope - marginal).abs() <= 1e-4 * marginal + rounding, "{slope} {marginal}");
    }

    #[test]
    fn the_inverse_gives_the_least_upload(law in law(), audience in audience(), s in 10.0..1e8_f64) {
        let download = law.download(audience, rate(s));
        prop_assume!(law.marginal(audience, rate(s)) > 1e-3);
        let upload = law.upload_for(audience, download).unwrap();
        prop_assert!((upload.get() / s - 1.0).abs() < 1e-6, "{upload} for what {s} gives");
        prop_assert!(law.upload_for(audience, BytesPerSecond::ZERO) == Some(BytesPerSecond::ZERO));
    }

    #[test]
    fn every_objective_has_the_closed_form_of_the_power_law(
        a in 0.05..0.9, b in 0.0..0.6, ln_f in 2.0..8.0, audience in audience(), w in 0.1..10.0_f64, nu in -3.0..3.0_f64,
        objective in prop::sample::select(vec![Objective::Multiplier, Objective::Balanced, Objective::Delay]),
    ) {
        let law = PowerLaw::from_log(a, b, ln_f).unwrap();
        let swarm = Swarm { weight: Weight::new(w).unwrap(), ..Swarm::new(audience, SwarmLaw::Power(law)) };
        let demand = Demand::of(&swarm, objective, 0.0);
        prop_assert!(matches!(demand.shape, Shape::Power { .. }), "{:?}", demand.shape);
        // Anywhere between the limits, the price of S is w (D/l)^-alpha dD/dS.
        let open = Demand { lo: 0.0, hi: f64::INFINITY, ..demand };
        let s = open.at(nu);
        prop_assume!(s > 1e-3 && s < 1e12);
        let each = law.download(audience, rate(s)).get() / audience.leechers.get();
        let price = w * each.powf(-objective.alpha()) * law.marginal(audience, rate(s));
        prop_assert!((price.ln() - nu).abs() < 1e-8, "{} {nu}", price.ln());
        prop_assert!((open.slope_at(s).ln() - nu).abs() < 1e-8);
    }

    #[test]
    fn the_range_keeps_what_the_law_promises(
        law in law(), audience in audience(), limit in 1e4..1e6_f64, floor in 0.0..1e6_f64, ceiling in 1.0..1e9_f64,
        min_marginal in prop::sample::select(vec![0.0, 0.5, 1.0, 2.0]),
    ) {
        let swarm = Swarm { viewer_limit: Some(rate(limit)), ..Swarm::new(audience, law) };
        let l = audience.leechers.get();
        let (lo, hi) = swarm.range(0.0);
        prop_assert!(lo == 0.0 && hi <= limit * l * (1.0 + 1e-9));
        // Beyond the ceiling upload would not be downloaded, or nobody could take it.
        let given = law.download(audience, rate(hi)).get();
        prop_assert!(given >= hi * (1.0 - 1e-6) || matches!(law, SwarmLaw::Regimes(_)), "{given} of {hi}");
        // Peers alone may already upload more than that: then the cloud has nothing to add.
        prop_assert!(hi < 1.0 || given <= limit * l * (1.0 + 1e-6), "{given} above what viewers take");
        let bound = Swarm { floor: Some(rate(floor)), ceiling: Some(rate(ceiling)), ..swarm.clone() };
        let (lo, top) = bound.range(min_marginal);
        prop_assert!(lo <= top && top <= ceiling.max(lo) && lo <= floor && lo <= ceiling);
        prop_assert!(top <= hi.max(lo) * (1.0 + 1e-12));
        if top > lo && min_marginal > 0.0 && top > 1.0 {
            prop_assert!(law.marginal(audience, rate(top * 0.999)) >= min_marginal * (1.0 - 1e-6));
        }
        let each = Swarm { viewer_floor: Some(rate(floor)), ..swarm };
        let (lo, hi) = each.range(0.0);
        let got = law.download(audience, rate(lo)).get();
        if lo < hi {
            prop_assert!(got >= floor * l * (1.0 - 1e-6) || lo >= floor * l * (1.0 - 1e-9), "{got} for {floor} each");
            prop_assert!(lo < 1.0 || got <= floor * l * (1.0 + 1e-6), "{got} for {floor} each");
        }
    }

    #[test]
    fn the_need_of_a_target_is_met_and_no_more(law in law(), audience in audience(), target in 1e4..3e5_f64) {
        let swarm = Swarm { peer_upload: Some(rate(5e4)), ..Swarm::new(audience, law) };
        let (l, s) = (audience.leechers.get(), audience.seeders.get());
        let need = swarm.need(rate(target));
        let injection = (target - s * 5e4).max(0.0);
        prop_assert!(need >= injection && need <= target * l * (1.0 + 1e-12));
        let got = law.download(audience, rate(need)).get();
        if need > injection * (1.0 + 1e-9) && need < target * l * (1.0 - 1e-9) {
            prop_assert!((got / (target * l) - 1.0).abs() < 1e-6, "{got} for {}", target * l);
        }
        let demand = Demand::of(&swarm, Objective::Target(rate(target)), 0.0);
        prop_assert!(demand.hi <= need.max(demand.lo));
    }
}

#[test]
fn nobody_and_a_lone_viewer() {
    let power = SwarmLaw::Power(PowerLaw::new(0.5, 0.1, 3.0).unwrap());
    let idle = Swarm { floor: Some(rate(1e6)), ..Swarm::new(Audience::new(3.0, 0.0).unwrap(), power) };
    assert_eq!(idle.range(0.0), (0.0, 0.0));
    assert_eq!(idle.download(rate(1e6)).get(), 0.0);
    let solo = Swarm { viewer_limit: Some(rate(2e5)), ..Swarm::new(Audience::new(0.0, 1.0).unwrap(), power) };
    assert_eq!(solo.present_law(), SwarmLaw::Solo(SoloLaw));
    assert_eq!(solo.range(0.0), (SOLO_FLOOR, 2e5));
    assert_eq!((solo.download(rate(1e5)).get(), solo.download(rate(3e5)).get()), (1e5, 2e5));
    assert_eq!(solo.marginal(rate(5e4)), 1.0);
    // His floor stays even where a byte for a byte is not worth it.
    assert_eq!(solo.range(1.5), (SOLO_FLOOR, SOLO_FLOOR));
}
