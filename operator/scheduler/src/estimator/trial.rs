//! Closed-loop trials: a pool run on what an estimator believes, against swarms that follow the power law.
//!
//! Every interval the estimator's laws are solved for, the true swarms answer with noise, and the
//! estimator learns from that. What counts is the download that was got of the download the true laws'
//! own optimum would have got, and how well `a` was found. Seeded; benchmarks and tests call it.

use super::bank::{Bank, View};
use super::dither::{AMPLITUDE, dither, mix};
use super::estimate::Estimator;
use super::recursive::Recursive;
use super::sample::{Sample, SwarmId};
use crate::model::{Law, Objective, PowerLaw, Swarm, SwarmLaw};
use crate::policy::{Optimal, Policy, Pool};
use crate::solver::{SolveError, Supply};
use crate::units::{Audience, BytesPerSecond};

/// Intervals of five minutes in a day.
const DAY: u64 = 288;

/// Who learns in a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learner {
    /// The bank of Kalman filters.
    Bank,
    /// Recursive least squares with forgetting.
    Recursive,
    /// The bank, not told of seeders.
    BankWithoutSeeders,
}

/// A trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// Swarms in the pool.
    pub swarms: u32,
    /// Days it runs; the last is judged.
    pub days: u64,
    /// Standard deviation of what `ln f` moves by from one interval to the next.
    pub drift: f64,
    /// What is left of a drift after an interval; 1 is a random walk.
    pub memory: f64,
    /// Standard deviation of the noise of `ln D`.
    pub noise: f64,
    /// Whether rates are dithered.
    pub explore: bool,
    /// Who learns.
    pub learner: Learner,
    /// Seed of swarms, audience, drift and noise, none of which depends on who learns.
    pub seed: u64,
}

impl Default for Trial {
    fn default() -> Self {
        Self {
            swarms: 300,
            days: 3,
            drift: 0.0,
            memory: 0.995,
            noise: 0.04,
            explore: false,
            learner: Learner::Bank,
            seed: 1,
        }
    }
}

/// What a trial showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Download on the last day, of what the true laws' optimum got.
    pub share: f64,
    /// Bytes downloaded per byte uploaded on the last day.
    pub multiplier: f64,
    /// Root mean squared error of `a` at the end.
    pub a_error: f64,
    /// Mean error of `a` at the end.
    pub a_bias: f64,
}

/// A true swarm.
struct Truth {
    a: f64,
    b: f64,
    level: f64,
    drift: f64,
    size: f64,
    seeds: f64,
    crowd: [f64; 2],
}

/// Runs a trial.
///
/// # Errors
/// [`SolveError`], as the solver gives it.
pub fn run(trial: &Trial) -> Result<Outcome, SolveError> {
    let mut chance = Chance(trial.seed);
    let mut truths: Vec<Truth> = (0..trial.swarms).map(|_| Truth::draw(&mut chance)).collect();
    let mut learner: Box<dyn Estimator> = match trial.learner {
        Learner::Bank => Box::new(Bank::with_swarms(View::Full, trial.swarms)),
        Learner::BankWithoutSeeders => Box::new(Bank::with_swarms(View::WithoutSeeders, trial.swarms)),
        Learner::Recursive => Box::new(Recursive::with_swarms(trial.swarms)),
    };
    let policy = Optimal { objective: Objective::Multiplier };
    let (mut got, mut best, mut spent) = (0.0, 0.0, 0.0);
    let mut warm = (None, None);
    for interval in 0..trial.days * DAY {
        let hour = (interval % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
        let busy = (1.25 * hour.sin()).exp();
        let real: Vec<Swarm> = truths.iter_mut().map(|truth| truth.next(trial, busy, &mut chance)).collect();
        // 40 kB/s a viewer in the mean, more by night, and no two intervals quite alike.
        let capacity = f64::from(trial.swarms) * 700_000.0 * busy.powf(0.7) * (0.05 * chance.normal()).exp();
        let supply = Supply::pool(BytesPerSecond::clamped(capacity));
        let law = |swarm: usize, real: &Swarm| learner.law(SwarmId(swarm as u32)).unwrap_or(real.law);
        let believed = real.iter().enumerate().map(|(i, real)| Swarm { law: law(i, real), ..real.clone() });
        let believed = Pool { swarms: believed.collect(), supply: supply.clone(), min_marginal: 0.0 };
        let mut found = policy.allocate(&believed, warm.0)?;
        let mut moved = Vec::new();
        if trial.explore {
            let demands = found.demands().to_vec();
            let at = (trial.seed, interval);
            moved = dither(&mut found.solution, &demands, &believed.seats(), AMPLITUDE, at);
        }
        let ideal = policy.allocate(&Pool { swarms: real.clone(), supply, min_marginal: 0.0 }, warm.1)?;
        warm = (Some(found.solution.warm), Some(ideal.solution.warm));
        let mut samples = Vec::with_capacity(real.len());
        for (i, swarm) in real.iter().enumerate() {
            let upload = found.rate(i);
            let download = swarm.law.download(swarm.audience, upload).get();
            let measured = BytesPerSecond::clamped(download * (trial.noise * chance.normal()).exp());
            let mut sample = Sample::new(SwarmId(i as u32), interval, upload, measured, swarm.audience);
            sample.flags.dithered = moved.get(i) == Some(&true);
            samples.push(sample);
            if interval >= (trial.days - 1) * DAY {
                got += download;
                best += swarm.law.download(swarm.audience, ideal.rate(i)).get();
                spent += upload.get();
            }
        }
        learner.update(&samples);
    }
    let errors = truths.iter().enumerate().filter_map(|(i, truth)| match learner.law(SwarmId(i as u32)) {
        Some(SwarmLaw::Power(law)) => Some(law.a() - truth.a),
        _ => None,
    });
    let errors: Vec<f64> = errors.collect();
    let count = errors.len().max(1) as f64;
    Ok(Outcome {
        share: got / best,
        multiplier: got / spent,
        a_error: (errors.iter().map(|e| e * e).sum::<f64>() / count).sqrt(),
        a_bias: errors.iter().sum::<f64>() / count,
    })
}

impl Truth {
    fn draw(chance: &mut Chance) -> Self {
        Self {
            a: (0.5 + 0.1 * chance.normal()).clamp(0.15, 0.85),
            b: (0.25 + 0.1 * chance.normal()).max(0.02),
            level: 10.9 + 0.5 * chance.normal(),
            drift: 0.0,
            size: (2.0 + chance.normal()).exp(),
            seeds: (-0.7 + 0.7 * chance.normal()).exp(),
            crowd: [0.0; 2],
        }
    }

    /// The swarm in the next interval.
    fn next(&mut self, trial: &Trial, busy: f64, chance: &mut Chance) -> Swarm {
        self.drift = trial.memory * self.drift + trial.drift * chance.normal();
        for crowd in &mut self.crowd {
            *crowd = 0.97 * *crowd + 0.08 * chance.normal();
        }
        let leechers = 1.0 + self.size * busy * self.crowd[0].exp();
        let seeders = self.seeds * leechers.powf(0.9) * self.crowd[1].exp();
        let ln_f = self.level + self.drift - self.a * super::line::CENTRE;
        let audience = Audience::new(seeders, leechers).unwrap_or_default();
        let law =
            PowerLaw::from_log(self.a, self.b, ln_f).map_or(SwarmLaw::Solo(crate::model::SoloLaw), SwarmLaw::Power);
        Swarm::new(audience, law)
    }
}

/// Samples of `count` swarms in one interval, to time an update with.
#[must_use]
pub fn workload(count: u32, interval: u64, seed: u64) -> Vec<Sample> {
    let mut chance = Chance(seed ^ mix(interval));
    let sample = |i: u32| {
        let leechers = (2.5 + 1.5 * chance.normal()).exp() + 1.0;
        let seeders = leechers * (-0.7 + 0.7 * chance.normal()).exp();
        let audience = Audience::new(seeders, leechers).unwrap_or_default();
        let upload = leechers * (10.0 + 0.4 * chance.normal()).exp();
        let download = upload.sqrt() * leechers.sqrt() * (5.8 + 0.1 * chance.normal()).exp();
        let (upload, download) = (BytesPerSecond::clamped(upload), BytesPerSecond::clamped(download));
        Sample::new(SwarmId(i), interval, upload, download, audience)
    };
    (0..count).map(sample).collect()
}

/// A stream of random numbers.
struct Chance(u64);

impl Chance {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(1);
        ((mix(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)) >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
