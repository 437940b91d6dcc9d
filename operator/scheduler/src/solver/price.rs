//! One price for all: bracketed Newton, to third order, on the logarithm of the demanded sum.
//!
//! `ln T(nu)` of unclipped power curves is convex and decreasing; with its second derivative, which costs a
//! multiplication more, errors are cubed from pass to pass. Clipping destroys the convexity, so a bracket is kept
//! and every step that leaves it becomes a bisection. From [`SAMPLED`] swarms on the first passes run on a sample.

use super::curves::Curves;
use super::quantum::SLACK;

/// From this many swarms on, the price is first guessed from one in [`ONE_IN`] of them.
const SAMPLED: usize = 1024;
const ONE_IN: usize = 16;
/// A larger sample would not pay.
const LARGEST_SAMPLE: usize = 4096;

/// A spent sum this close to the target, relatively, is taken.
const TOLERANCE: f64 = 1e-11;

/// From a sum this close, relatively, the next step usually lands within [`TOLERANCE`]: its error is the cube.
const CLOSE: f64 = 1e-4;

/// Floors that leave less than this part of the capacity leave nothing to choose.
const SETTLED: f64 = 1e-9;

/// Passes after which every other step is a bisection.
const PATIENCE: u32 = 16;

/// Newton steps before bisection alone must finish; a bracket needs at most about 70 halvings.
const MAX_PASSES: u32 = 300;

/// The price at which the demand meets the capacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Log price: minus infinity where the capacity exceeds all ceilings, infinity where the
    /// floors alone take it.
    pub nu: f64,
    /// Passes over the arrays, the final writing one included.
    pub passes: u32,
}

/// The interval the price lies in, with the demand too high at `low` and too low at `high`.
struct Bracket {
    low: f64,
    high: f64,
}

impl Bracket {
    fn note(&mut self, nu: f64, over: bool) {
        if over {
            self.low = self.low.max(nu);
        } else {
            self.high = self.high.min(nu);
        }
    }

    /// `wanted` if it lies inside, else the middle, else further out on the open side.
    fn inside(&self, wanted: f64, here: f64, reach: f64) -> f64 {
        if wanted.is_finite() && wanted > self.low && wanted < self.high {
            return wanted;
        }
        match (self.low.is_finite(), self.high.is_finite()) {
            (true, true) => 0.5 * (self.low + self.high),
            (true, false) => here.max(self.low) + reach,
            (false, true) => here.min(self.high) - reach,
            (false, false) => here,
        }
    }

    fn middle(&self) -> Option<f64> {
        (self.low.is_finite() && self.high.is_finite()).then_some(0.5 * (self.low + self.high))
    }

    /// No price between the ends: they are neighbours, or so near zero that `exp` is 1 for both.
    fn is_spent(&self) -> bool {
        self.middle().is_some_and(|m| m <= self.low || m >= self.high || self.high - self.low < 1e-17)
    }
}

/// Writes the rates that share `capacity` (bytes per second) at one price into `out`.
///
/// The floors must fit into the capacity. `warm` is the log price of an earlier, similar
/// problem. The rates are multiples of the quantum, and their exact sum is at most `capacity`.
pub fn one_price(curves: &Curves, capacity: f64, warm: Option<f64>, out: &mut [f64]) -> Price {
    let (floors, ceilings) = curves.limits();
    if ceilings <= capacity {
        curves.write_limit(true, out);
        return Price { nu: f64::NEG_INFINITY, passes: 1 };
    }
    let target = capacity * (1.0 - SLACK);
    if floors >= capacity * (1.0 - SETTLED) {
        curves.write_limit(false, out);
        return Price { nu: f64::INFINITY, passes: 1 };
    }
    let mut bracket = Bracket { low: f64::NEG_INFINITY, high: f64::INFINITY };
    let mut passes = 0;
    if let Some(price) = at_step(curves, target, capacity, &mut bracket, &mut passes, out) {
        return price;
    }
    let start = match warm.filter(|nu| nu.is_finite()) {
        Some(nu) => nu,
        None if curves.len() >= SAMPLED => sampled(curves, target),
        None => curves.guess(target),
    };
    let mut nu = bracket.inside(start, start, 1.0);
    let mut reach = 1.0;
    let grain = curves.len() as f64 * curves.quantum().get();
    while passes < MAX_PASSES {
        let total = curves.total(nu);
        passes += 1;
        bracket.note(nu, total.sum > target);
        let wanted = nu + total.step(target);
        // So close, the next pass may as well be the last; a step of zero ends on the bracket.
        if (total.sum / target - 1.0).abs() < CLOSE
            && wanted.is_finite()
            && wanted >= bracket.low
            && wanted <= bracket.high
        {
            let spent = curves.fill(wanted, 0.0, out);
            passes += 1;
            if spent <= capacity && spent >= target - TOLERANCE * target - grain {
                return Price { nu: wanted, passes };
            }
            bracket.note(wanted, spent > target);
            nu = bracket.inside(wanted, wanted, reach);
        } else {
            nu = bracket.inside(wanted, nu, reach);
        }
        // Newton that takes so long is creeping along a cliff.
        if passes > PATIENCE && passes % 2 == 0 {
            nu = bracket.inside(f64::NAN, nu, reach);
        }
        reach *= 2.0;
        if bracket.is_spent() {
            break;
        }
    }
    mix(curves, &bracket, (target, capacity), out);
    Price { nu: bracket.high, passes: passes + 2 }
}

/// Looks for the price among the constant marginals, and narrows the bracket between two of them.
fn at_step(
    curves: &Curves,
    target: f64,
    capacity: f64,
    bracket: &mut Bracket,
    passes: &mut u32,
    out: &mut [f64],
) -> Option<Price> {
    let mut prices: Vec<f64> = curves.steps.iter().filter_map(|s| s.demand.step()).collect();
    prices.sort_by(f64::total_cmp);
    prices.dedup();
    let first = prices.partition_point(|&nu| {
        *passes += 1;
        curves.total(nu).sum > target
    });
    if first > 0 {
        bracket.low = prices[first - 1];
    }
    let nu = *prices.get(first)?;
    bracket.high = nu;
    let (below, jump) = (curves.total(nu).sum, curves.jump(nu));
    *passes += 1;
    if below + jump < target {
        return None;
    }
    let spent = curves.fill(nu, ((target - below) / jump).clamp(0.0, 1.0), out);
    trim(curves, spent, capacity, out);
    Some(Price { nu, passes: *passes + 1 })
}

/// A price near the answer, from a sample of the swarms.
fn sampled(curves: &Curves, target: f64) -> f64 {
    let part = curves.sample((curves.len() / ONE_IN).min(LARGEST_SAMPLE));
    let goal = target * part.len() as f64 / curves.len() as f64;
    let mut bracket = Bracket { low: f64::NEG_INFINITY, high: f64::INFINITY };
    let (mut nu, mut reach) = (part.guess(goal), 1.0);
    for _ in 0..30 {
        let total = part.total(nu);
        bracket.note(nu, total.sum > goal);
        nu = bracket.inside(nu + total.step(goal), nu, reach);
        reach *= 2.0;
        if (total.sum / goal - 1.0).abs() < 1e-2 {
            break;
        }
    }
    nu
}

/// Neighbouring prices straddle the target: gives each swarm the same share of its difference.
fn mix(curves: &Curves, bracket: &Bracket, (target, capacity): (f64, f64), out: &mut [f64]) {
    let mut above = vec![0.0; out.len()];
    let most = curves.fill(bracket.low.max(-1e9), 0.0, &mut above);
    let least = curves.fill(bracket.high.min(1e9), 0.0, out);
    let share = ((target - least) / (most - least)).clamp(0.0, 1.0);
    let mut spent = 0.0;
    for (rate, &more) in out.iter_mut().zip(&above) {
        *rate = curves.quantum().down(*rate + share * (more - *rate));
        spent += *rate;
    }
    trim(curves, spent, capacity, out);
}

/// Takes what rounding put above the capacity from the first swarms above their floors.
fn trim(curves: &Curves, spent: f64, capacity: f64, out: &mut [f64]) {
    if spent <= capacity {
        return;
    }
    let mut floors = vec![0.0; out.len()];
    curves.write_limit(false, &mut floors);
    let mut excess = curves.quantum().up(spent - capacity);
    for (rate, floor) in out.iter_mut().zip(floors) {
        let cut = excess.min(*rate - floor).max(0.0);
        *rate -= cut;
        excess -= cut;
    }
}
