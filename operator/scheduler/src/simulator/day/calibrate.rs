//! Finds the spreads that reproduce the paper's multipliers: a calibration, not a prediction.

use serde::{Deserialize, Serialize};

use super::{Day, Knowledge, Spread, play};
use crate::simulator::{Arm, Progress, SimulateError};

/// The multipliers of the published day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PaperMultipliers {
    /// Free-competitive.
    pub free: f64,
    /// Proportional-allocate.
    pub proportional: f64,
    /// Ration.
    pub ration: f64,
    /// FIFA.
    pub optimal: f64,
}

impl Default for PaperMultipliers {
    /// 2.20, 2.45 and 2.64, and 17 % above proportional (Li et al., IEEE IWQoS 2012).
    fn default() -> Self {
        Self { free: 2.20, proportional: 2.64 / 1.17, ration: 2.45, optimal: 2.64 }
    }
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The spreads.
    pub spread: Spread,
    /// The multipliers of a whole day with them.
    pub reached: PaperMultipliers,
    /// What was wanted.
    pub wanted: PaperMultipliers,
    /// Days that were played.
    pub days: usize,
}

const ARMS: [(Arm, Knowledge); 4] = [
    (Arm::FreeCompetitive, Knowledge::True),
    (Arm::Proportional, Knowledge::True),
    (Arm::Ration, Knowledge::True),
    (Arm::Multiplier, Knowledge::True),
];
/// Days played at most, each of about 48 of its periods.
const MOST_DAYS: usize = 96;
/// Sum of squared log errors that is good enough: 0.05 % each.
const GOOD: f64 = 1e-6;

fn multipliers(day: &Day, seed: u64) -> Result<PaperMultipliers, SimulateError> {
    let played = play(day, &ARMS, seed, &Progress::silent())?;
    let [free, proportional, ration, optimal] = [0, 1, 2, 3].map(|i| played[i].multiplier);
    Ok(PaperMultipliers { free, proportional, ration, optimal })
}

/// Fits the median level, the spread of the laws (level and elasticity together), the mean `b` and the
/// spread of seeders to the multipliers by damped Gauss-Newton on logarithms, on a thinned
/// day; the result is measured on the whole day.
///
/// # Errors
/// [`SimulateError`] for a field out of range.
pub fn calibrate(
    day: &Day,
    wanted: PaperMultipliers,
    seed: u64,
    progress: &Progress<'_>,
) -> Result<Calibration, SimulateError> {
    progress.expect(MOST_DAYS);
    let thin = Day { stride: (day.periods / 48).max(1), days: 1, ..*day };
    let mut days = 0;
    let mut errors = |knobs: &[f64; KNOBS]| -> Result<[f64; KNOBS], SimulateError> {
        days += 1;
        progress.step();
        let reached = multipliers(&Day { spread: turned(day.spread, knobs), ..thin }, seed)?;
        Ok(misses(reached, wanted))
    };
    let mut knobs = [0.0; KNOBS];
    let mut missed = errors(&knobs)?;
    let mut damping = 1e-3;
    for _ in 0..MOST_DAYS / (2 * KNOBS) {
        if squares(&missed) < GOOD {
            break;
        }
        let mut slopes = [[0.0; KNOBS]; KNOBS];
        for knob in 0..KNOBS {
            let mut moved = knobs;
            moved[knob] += STEP;
            let there = errors(&moved)?;
            for target in 0..KNOBS {
                slopes[target][knob] = (there[target] - missed[target]) / STEP;
            }
        }
        let mut stalled = true;
        for _ in 0..4 {
            let step = damped_step(&slopes, &missed, damping);
            let mut moved = knobs;
            for (knob, step) in moved.iter_mut().zip(step) {
                *knob = (*knob - step.clamp(-0.7, 0.7)).clamp(-3.0, 2.0);
            }
            let there = errors(&moved)?;
            if squares(&there) < squares(&missed) {
                stalled = squares(&there) > 0.98 * squares(&missed);
                (knobs, missed) = (moved, there);
                damping *= 0.3;
                break;
            }
            damping *= 10.0;
        }
        if stalled {
            break;
        }
    }
    let spread = turned(day.spread, &knobs);
    let reached = multipliers(&Day { spread, days: 1, ..*day }, seed)?;
    Ok(Calibration { spread, reached, wanted, days })
}

/// What is turned: as many knobs as there are multipliers.
const KNOBS: usize = 4;
/// Step of the difference quotients, on the logarithm of a knob.
const STEP: f64 = 0.05;

/// The spread with its knobs turned by these logarithms.
fn turned(spread: Spread, knobs: &[f64; KNOBS]) -> Spread {
    Spread {
        level_median: spread.level_median * knobs[0].exp(),
        level_sd: spread.level_sd * knobs[1].exp(),
        a_sd: spread.a_sd * knobs[1].exp(),
        b_mean: spread.b_mean * knobs[2].exp(),
        seeds_sd: spread.seeds_sd * knobs[3].exp(),
        ..spread
    }
}

fn misses(reached: PaperMultipliers, wanted: PaperMultipliers) -> [f64; KNOBS] {
    let log = |reached: f64, wanted: f64| (reached / wanted).ln();
    [
        log(reached.free, wanted.free),
        log(reached.proportional, wanted.proportional),
        log(reached.ration, wanted.ration),
        log(reached.optimal, wanted.optimal),
    ]
}

fn squares(values: &[f64; KNOBS]) -> f64 {
    values.iter().map(|v| v * v).sum()
}

/// Solves `(J'J + damping diag(J'J)) x = J'r` by elimination.
fn damped_step(slopes: &[[f64; KNOBS]; KNOBS], missed: &[f64; KNOBS], damping: f64) -> [f64; KNOBS] {
    let mut rows = [[0.0; KNOBS + 1]; KNOBS];
    for i in 0..KNOBS {
        for j in 0..KNOBS {
            rows[i][j] = (0..KNOBS).map(|t| slopes[t][i] * slopes[t][j]).sum();
        }
        rows[i][i] += damping * rows[i][i] + 1e-9;
        rows[i][KNOBS] = (0..KNOBS).map(|t| slopes[t][i] * missed[t]).sum();
    }
    for i in 0..KNOBS {
        let pivot = rows[i];
        for row in rows.iter_mut().skip(i + 1) {
            let factor = row[i] / pivot[i];
            row.iter_mut().zip(pivot).for_each(|(cell, above)| *cell -= factor * above);
        }
    }
    let mut step = [0.0; KNOBS];
    for i in (0..KNOBS).rev() {
        let known: f64 = (i + 1..KNOBS).map(|j| rows[i][j] * step[j]).sum();
        step[i] = (rows[i][KNOBS] - known) / rows[i][i];
    }
    step
}
