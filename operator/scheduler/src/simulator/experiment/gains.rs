//! Gain over the other policies as the swarms' parameters spread, power-law truth.

use serde::{Deserialize, Serialize};

use crate::simulator::day::{Day, Knowledge, Spread, play};
use crate::simulator::{Arm, Progress, SimulateError};

/// The gains at one spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GainPoint {
    /// Standard deviation of `a`.
    pub a_sd: f64,
    /// Standard deviation of the logarithm of the level.
    pub level_sd: f64,
    /// `D/S` of the optimum.
    pub multiplier: f64,
    /// `D/S` of the optimum over that of free-competitive, minus 1.
    pub over_free: f64,
    /// The same over proportional.
    pub over_proportional: f64,
    /// The same over Ration.
    pub over_ration: f64,
}

/// Plays the day with its spreads of `a` and of the level scaled by each of `scales`; 0 is swarms that follow one law.
///
/// # Errors
/// [`SimulateError`] for a field out of range.
pub fn gain_curves(
    day: &Day,
    scales: &[f64],
    seed: u64,
    progress: &Progress<'_>,
) -> Result<Vec<GainPoint>, SimulateError> {
    let arms =
        [Arm::Multiplier, Arm::FreeCompetitive, Arm::Proportional, Arm::Ration].map(|arm| (arm, Knowledge::True));
    let point = |&scale: &f64| {
        let Spread { a_sd, level_sd, b_sd, .. } = day.spread;
        let spread = Spread { a_sd: a_sd * scale, level_sd: level_sd * scale, b_sd: b_sd * scale, ..day.spread };
        let played = play(&Day { spread, ..*day }, &arms, seed, progress)?;
        let [best, free, proportional, ration] = [0, 1, 2, 3].map(|i| played[i].multiplier);
        Ok(GainPoint {
            a_sd: spread.a_sd,
            level_sd: spread.level_sd,
            multiplier: best,
            over_free: best / free - 1.0,
            over_proportional: best / proportional - 1.0,
            over_ration: best / ration - 1.0,
        })
    };
    scales.iter().map(point).collect()
}
