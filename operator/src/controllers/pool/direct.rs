//! Rates over HTTP: viewers who are no peers, out of the direct reserve and what swarms leave. Pure.
//!
//! They take all they are given, so what they want is not measured: each content may double what it took, and have one viewer more at
//! his target rate; who wants less leaves the rest to the others, by max-min fairness. A part is kept for contents nobody has asked for.

/// How much more than it took a content may take next.
const GROWTH: f64 = 2.0;
/// Part of what there is that stays for contents the table does not name.
const UNNAMED: f64 = 0.25;

/// What a content took, and what one viewer more would: bytes per second.
pub(super) type Taken = (f64, f64);

/// Shares `total` among contents; also what is left for all others together. What nobody asks for is spread over all: an average
/// over an interval says little of a viewer who has just come.
pub(super) fn share(total: f64, taken: &[Taken]) -> (Vec<u64>, u64) {
    let total = total.max(0.0);
    let asks: Vec<f64> = taken.iter().map(|(taken, one_more)| GROWTH * taken + one_more).collect();
    let level = level((1.0 - UNNAMED) * total, &asks);
    let given: f64 = asks.iter().map(|ask| ask.min(level)).sum();
    let spare = (total - given - (UNNAMED * total).max((total - given) / 2.0)).max(0.0) / asks.len().max(1) as f64;
    let rates: Vec<u64> = asks.iter().map(|ask| (ask.min(level) + spare).floor() as u64).collect();
    let unnamed = (total.floor() as u64).saturating_sub(rates.iter().sum());
    (rates, unnamed)
}

/// The level at which asks are cut so that they sum up to `total`; infinite when all fit.
fn level(total: f64, asks: &[f64]) -> f64 {
    if asks.iter().sum::<f64>() <= total {
        return f64::INFINITY;
    }
    let mut sorted = asks.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut left = total;
    for (place, ask) in sorted.iter().enumerate() {
        let others = (sorted.len() - place) as f64;
        if ask * others > left {
            return left / others;
        }
        left -= ask;
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_that_fits_is_given_and_the_rest_is_left_to_others() {
        let taken = [(100_000.0, 30_000.0), (0.0, 30_000.0)];
        // 740 kB/s are not asked for: half of them for others, a quarter more for each.
        assert_eq!(share(1e6, &taken), (vec![415_000, 215_000], 370_000));
        assert_eq!(share(0.0, &[(1.0, 1.0)]), (vec![0], 0));
        assert_eq!(share(500.0, &[]), (vec![], 500));
    }

    #[test]
    fn in_shortage_who_wants_little_is_not_cut() {
        let (rates, unnamed) = share(400_000.0, &[(0.0, 30_000.0), (500_000.0, 30_000.0), (800_000.0, 30_000.0)]);
        assert_eq!((rates, unnamed), (vec![30_000, 135_000, 135_000], 100_000));
    }

    proptest! {
        #[test]
        fn the_sum_is_never_above_the_total(total in 0.0..1e12_f64, taken in prop::collection::vec((0.0..1e10_f64, 0.0..1e7_f64), 0..50)) {
            let (rates, unnamed) = share(total, &taken);
            let sum = rates.iter().map(|rate| u128::from(*rate)).sum::<u128>() + u128::from(unnamed);
            prop_assert!(sum as f64 <= total);
            prop_assert!(unnamed as f64 >= UNNAMED * total * (1.0 - 1e-9) - 1.0);
        }
    }
}
