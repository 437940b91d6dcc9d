//! The paper's batch fit: ordinary least squares on the logarithms of a swarm's history.

use super::bank::View;
use super::line::{CENTRE, Point};
use super::sample::{Lesson, Sample};
use crate::model::PowerLaw;

/// A history that fits no law.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// More unknowns than samples.
    #[error("failed to fit the power law: {usable} usable samples, but {needed} are needed")]
    TooFew {
        /// Samples that say something about the law.
        usable: usize,
        /// How many are needed for an answer with a standard error.
        needed: usize,
    },
    /// The samples do not tell the parameters apart.
    #[error("failed to fit the power law: upload and audience moved together, so {0} cannot be told from the rest")]
    Collinear(&'static str),
}

/// A fitted law and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// The law, its `a` and `b` put into their range and its level solved again.
    pub law: PowerLaw,
    /// Least-squares `a`, wherever it fell, and its standard error.
    pub a: (f64, f64),
    /// The same of `b`; zero without seeders.
    pub b: (f64, f64),
    /// The same of `ln f`.
    pub ln_f: (f64, f64),
    /// Standard deviation of the residuals of `ln D`.
    pub residual: f64,
    /// Mean relative error of the predicted `D`, as the paper gives it.
    pub mean_error: f64,
    /// Samples it rests on.
    pub samples: usize,
}

/// A pivot smaller than this part of its column is nothing but rounding.
const RANK: f64 = 1e-9;

/// Fits the samples of one swarm, or those parts of it that `view` knows.
///
/// # Errors
/// [`FitError`] when the usable samples are too few or do not tell the parameters apart.
pub fn least_squares<'a>(samples: impl IntoIterator<Item = &'a Sample>, view: View) -> Result<Fit, FitError> {
    let lessons = samples.into_iter().filter(|sample| sample.lesson() == Lesson::Law);
    let rows: Vec<[f64; 3]> = lessons
        .filter_map(Point::of)
        .map(|point| {
            let z = if view == View::Full { -f64::from(point.z) } else { 0.0 };
            [f64::from(point.x), z, f64::from(point.y)]
        })
        .collect();
    let unknowns = if view == View::Full { 3 } else { 2 };
    if rows.len() <= unknowns {
        return Err(FitError::TooFew { usable: rows.len(), needed: unknowns + 1 });
    }
    let n = rows.len() as f64;
    let mut mean = [0.0; 3];
    rows.iter().for_each(|row| (0..3).for_each(|k| mean[k] += row[k] / n));
    // Around the mean, the level drops out of the normal equations.
    let mut moment = [[0.0; 3]; 3];
    for row in &rows {
        for i in 0..3 {
            for j in 0..3 {
                moment[i][j] += (row[i] - mean[i]) * (row[j] - mean[j]);
            }
        }
    }
    let [[xx, xz, xy], [_, zz, zy], _] = moment;
    if xx <= RANK * n {
        return Err(FitError::Collinear("a"));
    }
    let (a, b, inverse) = match view {
        View::WithoutSeeders => (xy / xx, 0.0, [1.0 / xx, 0.0, 0.0]),
        View::Full => {
            let left = zz - xz * xz / xx;
            if left <= RANK * zz.max(n * RANK) {
                return Err(FitError::Collinear("b"));
            }
            let b = (zy - xz * xy / xx) / left;
            let inverse = [1.0 / xx + xz * xz / (xx * xx * left), -xz / (xx * left), 1.0 / left];
            ((xy - xz * b) / xx, b, inverse)
        }
    };
    let level = mean[2] - a * mean[0] - b * mean[1];
    let residuals = || rows.iter().map(|row| row[2] - (level + a * row[0] + b * row[1]));
    let variance = residuals().map(|r| r * r).sum::<f64>() / (n - unknowns as f64);
    // The level at zero upload per viewer is far outside the data: mean + offset' inverse offset.
    let offset = [mean[0] + CENTRE, mean[1]];
    let lever = offset[0] * offset[0] * inverse[0]
        + 2.0 * offset[0] * offset[1] * inverse[1]
        + offset[1] * offset[1] * inverse[2];
    let error = |scale: f64| (variance * scale).sqrt();
    let within = a.clamp(PowerLaw::A_RANGE.0, PowerLaw::A_RANGE.1);
    let crowding = b.max(0.0);
    let solved = mean[2] - within * mean[0] - crowding * mean[1];
    let law = PowerLaw::from_log(within, crowding, solved - within * CENTRE);
    Ok(Fit {
        law: law.map_err(|_| FitError::Collinear("f"))?,
        a: (a, error(inverse[0])),
        b: (b, error(inverse[2])),
        ln_f: (level - a * CENTRE, error(1.0 / n + lever)),
        residual: variance.sqrt(),
        mean_error: residuals().map(|r| ((-r).exp() - 1.0).abs()).sum::<f64>() / n,
        samples: rows.len(),
    })
}
