//! Plays a day with several arms.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Day, Trace};
use crate::model::{Law, PowerLaw, Swarm, SwarmLaw};
use crate::policy::Pool;
use crate::simulator::{Arm, Progress, SimulateError};
use crate::solver::Supply;
use crate::units::{Audience, BytesPerSecond};

/// What an arm knows of the laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Knowledge {
    /// The true laws of the period.
    True,
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
    arms.par_iter().map(|&(arm, knowledge)| play_arm(day, &trace, arm, knowledge, progress)).collect()
}

/// A swarm of the day, as an arm with these laws sees it.
pub(crate) fn seen(day: &Day, audience: Audience, law: SwarmLaw) -> Swarm {
    Swarm { viewer_limit: Some(BytesPerSecond::clamped(day.viewer_limit)), ..Swarm::new(audience, law) }
}

/// Ration's own fit, as good as it can be: the true `a`, and the mean level over the day of all that
/// its model without seeders cannot tell.
fn blind_laws(trace: &Trace) -> Vec<Option<PowerLaw>> {
    let periods = trace.periods();
    let blind = |swarm: usize| {
        let law = trace.laws[swarm];
        let level = |period: usize| {
            let Audience { seeders, leechers } = trace.audience(period, swarm);
            let crowd = leechers.get().max(1e-9).ln() - seeders.get().ln_1p();
            trace.law(period, swarm).ln_f() - law.b() * crowd
        };
        let mean = (0..periods).map(level).sum::<f64>() / periods.max(1) as f64;
        PowerLaw::from_log(law.a(), 0.0, mean).ok()
    };
    (0..trace.swarms).map(blind).collect()
}

fn play_arm(
    day: &Day,
    trace: &Trace,
    arm: Arm,
    knowledge: Knowledge,
    progress: &Progress<'_>,
) -> Result<DayResult, SimulateError> {
    let blind = if arm == Arm::Ration { blind_laws(trace) } else { Vec::new() };
    let policy = arm.policy(blind);
    let one = |period: usize| -> Result<Period, SimulateError> {
        let swarms: Vec<Swarm> = (0..trace.swarms)
            .map(|i| seen(day, trace.audience(period, i), SwarmLaw::Power(trace.law(period, i))))
            .collect();
        let supply = Supply::pool(BytesPerSecond::clamped(trace.capacity[period]));
        let pool = Pool { swarms, supply, min_marginal: 0.0 };
        let found = policy.allocate(&pool, None)?;
        progress.step();
        Ok(measure(day, trace, period, &found.solution.rates))
    };
    let periods: Vec<Period> = match knowledge {
        Knowledge::True => (0..trace.periods()).into_par_iter().map(one).collect::<Result<_, _>>()?,
    };
    Ok(DayResult::of(arm, knowledge, periods))
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
        let download = truth(day, trace, period, i, rate);
        let leechers = audience.leechers.get();
        out.leechers += leechers;
        out.seeders += audience.seeders.get();
        out.upload += rate;
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

/// What viewers of a swarm really get: the law of the period with its noise, at least what the cloud
/// uploads, at most what their lines take.
fn truth(day: &Day, trace: &Trace, period: usize, swarm: usize, upload: f64) -> f64 {
    let audience = trace.audience(period, swarm);
    let limit = day.viewer_limit * audience.leechers.get();
    let law = SwarmLaw::Power(trace.law(period, swarm)).at(audience);
    let promised = law.download(audience, BytesPerSecond::clamped(upload)).get();
    (promised * trace.error(period, swarm)).max(upload).min(limit)
}

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
