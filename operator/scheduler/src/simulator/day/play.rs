//! Plays a day with several arms.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Day, Trace};
use crate::estimator::{Bank, Estimator, Sample, SwarmId, View, least_squares};
use crate::model::{Law, PowerLaw, SoloLaw, Swarm, SwarmLaw};
use crate::policy::{Policy, Pool};
use crate::simulator::chance::{normal, stream};
use crate::simulator::{Arm, Progress, SimulateError};
use crate::solver::Supply;
use crate::units::{Audience, BytesPerSecond};

/// What an arm knows of the laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Knowledge {
    /// The true laws of the period; Ration's are its batch fit to a day in proportion.
    True,
    /// What it learned from its own samples, in closed loop.
    Estimated,
}

/// One period of one arm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Period {
    /// Leechers online.
    pub leechers: f64,
    /// Seeders online.
    pub seeders: f64,
    /// Upload there was to share, bytes per second.
    pub capacity: f64,
    /// Upload, bytes per second: `S`.
    pub upload: f64,
    /// Download, bytes per second: `D`.
    pub download: f64,
    /// `dev_mu` of the true marginal utilities of the swarms, weighed alike.
    pub deviation: f64,
    /// Share of the leechers in hungry swarms, under 30 kB/s each.
    pub hungry: f64,
}

/// A day as one arm played it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayResult {
    /// The arm.
    pub arm: Arm,
    /// What it knew.
    pub knowledge: Knowledge,
    /// Its periods in order.
    pub periods: Vec<Period>,
    /// The bandwidth multiplier of the day, sum of `D` over sum of `S`.
    pub multiplier: f64,
    /// Share of the leechers' time in hungry swarms.
    pub hungry: f64,
}

/// Plays the day of this seed with each arm; arms run side by side.
///
/// # Errors
/// [`SimulateError`] for a field out of range.
pub fn play(
    day: &Day,
    arms: &[(Arm, Knowledge)],
    seed: u64,
    progress: &Progress<'_>,
) -> Result<Vec<DayResult>, SimulateError> {
    let trace = Trace::draw(day, seed)?;
    progress.expect(arms.len() * trace.periods());
    arms.par_iter().map(|&arm| play_arm(day, &trace, arm, seed, progress)).collect()
}

/// A swarm of the day, as an arm with these laws sees it.
pub(crate) fn seen(day: &Day, audience: Audience, law: SwarmLaw) -> Swarm {
    Swarm { viewer_limit: Some(BytesPerSecond::clamped(day.viewer_limit)), ..Swarm::new(audience, law) }
}

/// Samples of a whole day: shared in proportion, and moved about a little so that there is something to fit.
fn history(day: &Day, trace: &Trace, seed: u64) -> Vec<Vec<Sample>> {
    let mut chance = stream(seed, &[8]);
    let mut samples = vec![Vec::with_capacity(trace.periods()); trace.swarms];
    for period in 0..trace.periods() {
        let audiences: Vec<Audience> = (0..trace.swarms).map(|i| trace.audience(period, i)).collect();
        let online: f64 = audiences.iter().map(|a| a.leechers.get() + a.seeders.get()).sum();
        for (i, &audience) in audiences.iter().enumerate() {
            let share = (audience.leechers.get() + audience.seeders.get()) / online;
            let upload = trace.capacity[period] * share * (HISTORY_SPREAD * normal(&mut chance)).exp();
            let (upload, download) = truth(day, trace, period, i, upload);
            let (upload, download) = (BytesPerSecond::clamped(upload), BytesPerSecond::clamped(download));
            samples[i].push(Sample::new(SwarmId(i as u32), period as u64, upload, download, audience));
        }
    }
    samples
}

/// Ration's own fit: least squares without seeders, as the paper fits it.
fn blind_laws(day: &Day, seed: u64) -> Result<Vec<Option<PowerLaw>>, SimulateError> {
    let whole = Day { stride: (day.periods / HISTORY).max(1), days: 1, ..*day };
    let trace = Trace::draw(&whole, seed)?;
    let fit = |samples: &Vec<Sample>| least_squares(samples, View::WithoutSeeders).ok().map(|fit| fit.law);
    Ok(history(&whole, &trace, seed).iter().map(fit).collect())
}

fn play_arm(
    day: &Day,
    trace: &Trace,
    (arm, knowledge): (Arm, Knowledge),
    seed: u64,
    progress: &Progress<'_>,
) -> Result<DayResult, SimulateError> {
    let periods = match knowledge {
        Knowledge::True => {
            let blind = if arm == Arm::Ration { blind_laws(day, seed)? } else { Vec::new() };
            let policy = arm.policy(blind);
            let one = |period: usize| {
                let law = |i: usize| SwarmLaw::Power(trace.law(period, i));
                let rates = share(day, trace, period, policy.as_ref(), law)?;
                progress.step();
                Ok(measure(day, trace, period, &rates))
            };
            (0..trace.periods()).into_par_iter().map(one).collect::<Result<_, SimulateError>>()?
        }
        Knowledge::Estimated => closed_loop(day, trace, arm, progress)?,
    };
    Ok(DayResult::of(arm, knowledge, periods))
}

/// Period after period, with the laws learned from the periods before.
fn closed_loop(day: &Day, trace: &Trace, arm: Arm, progress: &Progress<'_>) -> Result<Vec<Period>, SimulateError> {
    let view = if arm == Arm::Ration { View::WithoutSeeders } else { View::Full };
    let mut bank = Bank::with_swarms(view, trace.swarms as u32);
    let policy = arm.policy(Vec::new());
    let mut periods = Vec::with_capacity(trace.periods());
    for period in 0..trace.periods() {
        let law = |i: usize| bank.law(SwarmId(i as u32)).unwrap_or(SwarmLaw::Solo(SoloLaw));
        let rates = share(day, trace, period, policy.as_ref(), law)?;
        periods.push(measure(day, trace, period, &rates));
        let sample = |(i, &rate): (usize, &f64)| {
            let (upload, download) = truth(day, trace, period, i, rate);
            let (upload, download) = (BytesPerSecond::clamped(upload), BytesPerSecond::clamped(download));
            let audience = trace.audience(period, i);
            let mut sample = Sample::new(SwarmId(i as u32), period as u64, upload, download, audience);
            sample.allocated = BytesPerSecond::clamped(rate);
            sample.flags.demand_limited = download.get() >= day.viewer_limit * audience.leechers.get();
            sample
        };
        let samples: Vec<Sample> = rates.iter().enumerate().map(sample).collect();
        bank.update(&samples);
        progress.step();
    }
    Ok(periods)
}

/// Shares the capacity of a period among swarms with these laws.
fn share(
    day: &Day,
    trace: &Trace,
    period: usize,
    policy: &dyn Policy,
    law: impl Fn(usize) -> SwarmLaw,
) -> Result<Vec<f64>, SimulateError> {
    let swarms = (0..trace.swarms).map(|i| seen(day, trace.audience(period, i), law(i))).collect();
    let supply = Supply::pool(BytesPerSecond::clamped(trace.capacity[period]));
    Ok(policy.allocate(&Pool { swarms, supply, min_marginal: 0.0 }, None)?.solution.rates)
}

/// What the truth makes of these rates.
fn measure(day: &Day, trace: &Trace, period: usize, rates: &[f64]) -> Period {
    let mut out = Period {
        leechers: 0.0,
        seeders: 0.0,
        capacity: trace.capacity[period],
        upload: 0.0,
        download: 0.0,
        deviation: 0.0,
        hungry: 0.0,
    };
    let mut marginals = Vec::with_capacity(rates.len());
    for (i, &rate) in rates.iter().enumerate() {
        let audience = trace.audience(period, i);
        let (upload, download) = truth(day, trace, period, i, rate);
        let leechers = audience.leechers.get();
        out.leechers += leechers;
        out.seeders += audience.seeders.get();
        out.upload += upload;
        out.download += download;
        if download < HUNGRY * leechers {
            out.hungry += leechers;
        }
        if rate > 0.0 {
            marginals.push(trace.law(period, i).marginal(audience, BytesPerSecond::clamped(rate)));
        }
    }
    out.hungry /= out.leechers.max(f64::MIN_POSITIVE);
    let mean = marginals.iter().sum::<f64>() / marginals.len().max(1) as f64;
    if mean > 0.0 {
        out.deviation = marginals.iter().map(|m| (m - mean).abs()).sum::<f64>() / (marginals.len() as f64 * mean);
    }
    out
}

/// What a swarm really takes of an upload, and what its viewers get: the law of the period with its
/// noise, at least what the cloud uploads, at most what their lines take.
fn truth(day: &Day, trace: &Trace, period: usize, swarm: usize, upload: f64) -> (f64, f64) {
    let audience = trace.audience(period, swarm);
    let limit = day.viewer_limit * audience.leechers.get();
    let law = SwarmLaw::Power(trace.law(period, swarm)).at(audience);
    let promised = law.download(audience, BytesPerSecond::clamped(upload)).get();
    let download = (promised * trace.error(period, swarm)).max(upload).min(limit);
    (upload.min(download), download)
}

/// Samples a swarm's history is fitted to.
const HISTORY: usize = 72;
/// Standard deviation of `ln S` around the proportional share in the history that is fitted.
const HISTORY_SPREAD: f64 = 0.2;

/// `d_basic`, under which a downloader is hungry (Li et al., IEEE TPDS 24(11), 2013), bytes per second.
pub(crate) const HUNGRY: f64 = 30_000.0;

impl DayResult {
    fn of(arm: Arm, knowledge: Knowledge, periods: Vec<Period>) -> Self {
        let sum = |value: fn(&Period) -> f64| periods.iter().map(value).sum::<f64>();
        let multiplier = sum(|p| p.download) / sum(|p| p.upload).max(f64::MIN_POSITIVE);
        let hungry = sum(|p| p.hungry * p.leechers) / sum(|p| p.leechers).max(f64::MIN_POSITIVE);
        Self { arm, knowledge, periods, multiplier, hungry }
    }
}
