//! The demands of many swarms as arrays, summed and written in single passes.
//!
//! Power curves, nearly all there are, lie in four arrays that one vector loop streams over; the
//! few steps and three-regime curves are kept in lists beside them, with a neutral entry in
//! the arrays.

use super::demand::{Demand, Shape};
use super::exp::{LANES, exp};
use super::quantum::Quantum;
use super::vector::{Kernel, dispatch};

/// Lanes are added up per block of this many swarms, blocks one by one: errors stay near 1e-14.
const BLOCK: usize = 4096;

/// Far from the target the parabola goes astray: a step goes at most so many times as far as Newton's.
const FURTHEST: f64 = 1.25;

/// A demand that is not a power curve, with its place in the arrays.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Special {
    pub(crate) index: usize,
    pub(crate) demand: Demand,
}

/// Sum of the demand at one price, and how fast it falls.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Total {
    /// `T = sum S_i(nu)`, bytes per second.
    pub(crate) sum: f64,
    /// `-dT/dnu`, over the swarms that are not clipped.
    pub(crate) fall: f64,
    /// `d^2T/dnu^2`, over the same.
    pub(crate) bend: f64,
}

impl Total {
    /// How far the log price must move to make the sum the target, from `ln T` to second order.
    pub(crate) fn step(&self, target: f64) -> f64 {
        let error = (self.sum / target).ln();
        let slope = self.fall / self.sum;
        // Newton's step times the root of `1 - x + bend x^2 / 2`; the variance of the slopes cannot be negative.
        let bend = error * (self.bend / self.sum / (slope * slope) - 1.0).max(0.0);
        let further = 2.0 / (1.0 + (1.0 - 2.0 * bend).max(0.0).sqrt());
        error / slope * further.min(FURTHEST)
    }
}

/// The demands of a set of swarms; limits are multiples of the quantum.
#[derive(Debug, Clone)]
pub struct Curves {
    len: usize,
    offset: Vec<f64>,
    slope: Vec<f64>,
    pub(crate) lo: Vec<f64>,
    pub(crate) hi: Vec<f64>,
    pub(crate) steps: Vec<Special>,
    pub(crate) smooth: Vec<Special>,
    sums: (f64, f64),
    /// Whether a floor alone was above the most there is.
    pub(crate) cut: bool,
    quantum: Quantum,
}

impl Curves {
    /// Lays the demands out; no ceiling is above `most` bytes per second.
    #[must_use]
    pub fn new(demands: impl ExactSizeIterator<Item = Demand>, most: f64, quantum: Quantum) -> Self {
        let mut curves = Self::with_capacity(demands.len(), quantum);
        for demand in demands {
            curves.cut |= demand.lo > most;
            let hi = quantum.down(demand.hi.min(most));
            let lo = quantum.up(demand.lo.min(most)).min(hi);
            curves.push(Demand { lo, hi, ..demand });
        }
        curves.pad();
        curves
    }

    fn with_capacity(len: usize, quantum: Quantum) -> Self {
        let room = || Vec::with_capacity(len.next_multiple_of(LANES));
        Self {
            len: 0,
            offset: room(),
            slope: room(),
            lo: room(),
            hi: room(),
            steps: Vec::new(),
            smooth: Vec::new(),
            sums: (0.0, 0.0),
            cut: false,
            quantum,
        }
    }

    fn push(&mut self, demand: Demand) {
        let index = self.len;
        self.len += 1;
        let (offset, slope, lo, hi) = match demand.shape {
            _ if demand.lo == demand.hi => (0.0, 1.0, demand.lo, demand.hi),
            Shape::Power { offset, slope } => (offset, slope, demand.lo, demand.hi),
            Shape::Step { .. } => {
                self.steps.push(Special { index, demand });
                (0.0, 1.0, 0.0, 0.0)
            }
            Shape::Regimes { .. } => {
                self.smooth.push(Special { index, demand });
                (0.0, 1.0, 0.0, 0.0)
            }
        };
        self.offset.push(offset);
        self.slope.push(slope);
        self.lo.push(lo);
        self.hi.push(hi);
    }

    fn pad(&mut self) {
        let full = self.len.next_multiple_of(LANES);
        for (array, neutral) in
            [(&mut self.offset, 0.0), (&mut self.slope, 1.0), (&mut self.lo, 0.0), (&mut self.hi, 0.0)]
        {
            array.resize(full, neutral);
        }
        let specials = || self.steps.iter().chain(&self.smooth);
        let lo = self.lo.iter().sum::<f64>() + specials().map(|s| s.demand.lo).sum::<f64>();
        let hi = self.hi.iter().sum::<f64>() + specials().map(|s| s.demand.hi).sum::<f64>();
        self.sums = (lo, hi);
    }

    /// The demands at these places, in this order.
    #[must_use]
    pub fn subset(&self, members: &[u32]) -> Self {
        let mut part = Self::with_capacity(members.len(), self.quantum);
        part.len = members.len();
        for &member in members {
            let i = member as usize;
            part.offset.push(self.offset[i]);
            part.slope.push(self.slope[i]);
            part.lo.push(self.lo[i]);
            part.hi.push(self.hi[i]);
        }
        if !self.steps.is_empty() || !self.smooth.is_empty() {
            let mut place = vec![u32::MAX; self.len];
            for (new, &old) in members.iter().enumerate() {
                place[old as usize] = new as u32;
            }
            let moved = |specials: &[Special]| -> Vec<Special> {
                let at = |s: &Special| place[s.index] as usize;
                let kept = specials.iter().filter(|s| place[s.index] != u32::MAX);
                kept.map(|s| Special { index: at(s), ..*s }).collect()
            };
            part.steps = moved(&self.steps);
            part.smooth = moved(&self.smooth);
        }
        part.pad();
        part
    }

    /// About so many of the power curves, evenly spaced, to guess a price from.
    pub(crate) fn sample(&self, count: usize) -> Self {
        let mut part = Self::with_capacity(count + LANES, self.quantum);
        // An odd stride does not keep step with data that repeats.
        let stride = (self.len / count.max(1)) | 1;
        for i in (stride / 2..self.len).step_by(stride) {
            part.offset.push(self.offset[i]);
            part.slope.push(self.slope[i]);
            part.lo.push(self.lo[i]);
            part.hi.push(self.hi[i]);
        }
        part.len = part.offset.len();
        part.pad();
        part
    }

    /// How many swarms there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no swarm.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The grain of the rates.
    #[must_use]
    pub const fn quantum(&self) -> Quantum {
        self.quantum
    }

    /// Sums of all floors and of all ceilings: exact up to the capacity the quantum is for.
    #[must_use]
    pub const fn limits(&self) -> (f64, f64) {
        self.sums
    }

    /// A first guess at the price for this capacity, ignoring all limits.
    pub(crate) fn guess(&self, capacity: f64) -> f64 {
        let each = (capacity / self.len.max(1) as f64).max(f64::MIN_POSITIVE).ln();
        let slopes: f64 = self.slope.iter().sum();
        let offsets: f64 = self.offset.iter().sum();
        ((offsets - each * self.offset.len() as f64) / slopes).clamp(-600.0, 600.0)
    }

    /// Adds the demand up at a log price; at a step's own price it counts with its floor.
    pub(crate) fn total(&self, nu: f64) -> Total {
        let [sum, fall, bend] = dispatch(SumPass { lanes: self.lanes(), nu }).map(|lanes| lanes.iter().sum());
        let mut total = Total { sum, fall, bend };
        for step in &self.steps {
            total.sum += step_at(&step.demand, nu, 0.0);
        }
        for special in &self.smooth {
            let (here, fall) = special.demand.at_with_fall(nu);
            total.sum += here;
            total.fall += fall;
            total.bend += if here > 0.0 { fall * fall / here } else { 0.0 };
        }
        total
    }

    fn lanes(&self) -> [&[[f64; LANES]]; 4] {
        [&self.offset, &self.slope, &self.lo, &self.hi].map(|array| array.as_chunks().0)
    }

    /// How much the demand falls at exactly this price, because of steps.
    pub(crate) fn jump(&self, nu: f64) -> f64 {
        self.steps.iter().map(|s| step_at(&s.demand, nu, 1.0) - step_at(&s.demand, nu, 0.0)).sum()
    }

    /// The floor of each swarm into `out`, or its ceiling.
    pub(crate) fn write_limit(&self, ceiling: bool, out: &mut [f64]) {
        let array = if ceiling { &self.hi } else { &self.lo };
        out.copy_from_slice(&array[..self.len]);
        for special in self.steps.iter().chain(&self.smooth) {
            out[special.index] = if ceiling { special.demand.hi } else { special.demand.lo };
        }
    }

    /// Writes every rate at this price as a multiple of the quantum and returns their exact sum;
    /// steps at their own price get `share` of their range.
    pub(crate) fn fill(&self, nu: f64, share: f64, out: &mut [f64]) -> f64 {
        let sum = dispatch(FillPass { lanes: self.lanes(), nu, quantum: self.quantum.get(), out });
        let mut extra = 0.0;
        for step in &self.steps {
            out[step.index] = self.quantum.down(step_at(&step.demand, nu, share));
            extra += out[step.index];
        }
        for special in &self.smooth {
            let Demand { lo, hi, .. } = special.demand;
            out[special.index] = self.quantum.down(special.demand.at(nu)).max(lo).min(hi);
            extra += out[special.index];
        }
        sum + extra
    }
}

/// Demand of a step; `share` of its range at its own price.
fn step_at(demand: &Demand, nu: f64, share: f64) -> f64 {
    match demand.shape {
        Shape::Step { nu: own } if nu > own => demand.lo,
        Shape::Step { nu: own } if nu == own => demand.lo + share * (demand.hi - demand.lo),
        _ => demand.hi,
    }
}

struct SumPass<'a> {
    lanes: [&'a [[f64; LANES]]; 4],
    nu: f64,
}

impl Kernel for SumPass<'_> {
    /// Sum, fall and bend by lane: adding lanes up in here would keep the compiler from whole registers.
    type Output = [[f64; LANES]; 3];

    #[inline(always)]
    fn run(self) -> Self::Output {
        let [offset, slope, lo, hi] = self.lanes.map(|lanes| lanes.chunks(BLOCK / LANES));
        let mut total = [[0.0; LANES]; 3];
        for (((offset, slope), lo), hi) in offset.zip(slope).zip(lo).zip(hi) {
            let (mut sum, mut fall, mut bend) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
            for (((offset, slope), lo), hi) in offset.iter().zip(slope).zip(lo).zip(hi) {
                let raw = unclipped(offset, slope, self.nu);
                let s = clip(&raw, lo, hi);
                for lane in 0..LANES {
                    let falls = if s[lane] == raw[lane] { slope[lane] * s[lane] } else { 0.0 };
                    sum[lane] += s[lane];
                    fall[lane] += falls;
                    bend[lane] += slope[lane] * falls;
                }
            }
            for lane in 0..LANES {
                total[0][lane] += sum[lane];
                total[1][lane] += fall[lane];
                total[2][lane] += bend[lane];
            }
        }
        total
    }
}

struct FillPass<'a> {
    lanes: [&'a [[f64; LANES]]; 4],
    nu: f64,
    quantum: f64,
    out: &'a mut [f64],
}

impl Kernel for FillPass<'_> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let [offset, slope, lo, hi] = self.lanes;
        let inverse = 1.0 / self.quantum;
        let mut sum = [0.0; LANES];
        let (full, rest) = self.out.as_chunks_mut::<LANES>();
        // A last chunk that is not full goes by way of a full one.
        let mut last = [0.0; LANES];
        let tail = (!rest.is_empty()).then_some(&mut last);
        let chunks = full.iter_mut().chain(tail);
        for ((((out, offset), slope), lo), hi) in chunks.zip(offset).zip(slope).zip(lo).zip(hi) {
            let mut s = unclipped(offset, slope, self.nu);
            for rate in &mut s {
                *rate = (*rate * inverse).floor() * self.quantum;
            }
            let s = clip(&s, lo, hi);
            for lane in 0..LANES {
                sum[lane] += s[lane];
            }
            *out = s;
        }
        rest.copy_from_slice(&last[..rest.len()]);
        sum.iter().sum()
    }
}

#[inline(always)]
fn unclipped(offset: &[f64; LANES], slope: &[f64; LANES], nu: f64) -> [f64; LANES] {
    let mut x = [0.0; LANES];
    for lane in 0..LANES {
        x[lane] = offset[lane] - slope[lane] * nu;
    }
    exp(&x)
}

#[inline(always)]
fn clip(rate: &[f64; LANES], lo: &[f64; LANES], hi: &[f64; LANES]) -> [f64; LANES] {
    let mut out = [0.0; LANES];
    for lane in 0..LANES {
        let s = if rate[lane] > lo[lane] { rate[lane] } else { lo[lane] };
        out[lane] = if s < hi[lane] { s } else { hi[lane] };
    }
    out
}
