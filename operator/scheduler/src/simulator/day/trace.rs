//! The drawn day: who is online when, and the laws nobody but the truth knows.

use std::f64::consts::TAU;

use rand::RngExt;

use super::scenario::{Day, REFERENCE, Spread};
use crate::model::PowerLaw;
use crate::simulator::SimulateError;
use crate::simulator::chance::{Chance, normal, stream};
use crate::units::{Audience, Peers};

/// Memory of the churn from period to period.
const CHURN_MEMORY: f64 = 0.9;
/// Memory of a drifting level from period to period.
const DRIFT_MEMORY: f64 = 0.993;
/// How fast seeders follow leechers.
const SEED_LAG: f64 = 0.9;

/// A day's audiences, capacities and laws.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Swarms.
    pub swarms: usize,
    /// The law each swarm follows on average.
    pub laws: Vec<PowerLaw>,
    /// Upload to share in each period, bytes per second.
    pub capacity: Vec<f64>,
    audiences: Vec<Audience>,
    /// `ln f` minus that of the law, by period and swarm: drift.
    shifts: Vec<f64>,
    /// `ln` of what the period made of the promise: noise.
    errors: Vec<f64>,
}

impl Trace {
    /// Draws the day; the same seed gives the same viewers whatever the spreads of the laws are.
    ///
    /// # Errors
    /// [`SimulateError::Scenario`] naming a field out of range.
    pub fn draw(day: &Day, seed: u64) -> Result<Self, SimulateError> {
        day.validate()?;
        let n = day.swarms;
        let steps = day.periods * day.days;
        let crowds = Crowd::draw(day, &mut stream(seed, &[1]));
        let rank = ranks(n, &mut stream(seed, &[2]));
        let mut seeds = stream(seed, &[3]);
        let ratio: Vec<f64> =
            (0..n).map(|_| day.spread.seeds_median * (day.spread.seeds_sd * normal(&mut seeds)).exp()).collect();
        let mut parameters = stream(seed, &[4]);
        let laws = (0..n).map(|_| law(&day.spread, &mut parameters)).collect();
        let (mut churn, mut drift, mut noise) = (stream(seed, &[5]), stream(seed, &[6]), stream(seed, &[7]));
        let mut restless: Vec<f64> = (0..n).map(|_| normal(&mut churn)).collect();
        let mut shift = vec![0.0; n];
        let mut lagged = vec![0.0; n];
        let mut trace = Self {
            swarms: n,
            laws,
            capacity: Vec::new(),
            audiences: Vec::new(),
            shifts: Vec::new(),
            errors: Vec::new(),
        };
        for step in 0..steps {
            let time = step as f64 / day.periods as f64;
            let height = daily(time);
            let mut leechers: Vec<f64> = (0..n)
                .map(|i| {
                    restless[i] =
                        CHURN_MEMORY * restless[i] + (1.0 - CHURN_MEMORY * CHURN_MEMORY).sqrt() * normal(&mut churn);
                    rank[i].powf(-day.popularity) * (day.churn * restless[i]).exp()
                })
                .collect();
            for crowd in &crowds {
                leechers[crowd.swarm] *= crowd.factor(time);
            }
            let wanted = day.leechers.0 + (day.leechers.1 - day.leechers.0) * height;
            let scale = wanted / leechers.iter().sum::<f64>();
            let played = step % day.stride == 0;
            if played {
                trace.capacity.push(day.capacity.0 + (day.capacity.1 - day.capacity.0) * height);
            }
            for i in 0..n {
                let l = leechers[i] * scale;
                lagged[i] = if step == 0 { l } else { SEED_LAG * lagged[i] + (1.0 - SEED_LAG) * l };
                shift[i] = DRIFT_MEMORY * shift[i] + day.drift * normal(&mut drift);
                let error = day.noise * normal(&mut noise);
                if played {
                    trace.audiences.push(Audience { seeders: peers(ratio[i] * lagged[i]), leechers: peers(l) });
                    trace.shifts.push(shift[i]);
                    trace.errors.push(error);
                }
            }
        }
        Ok(trace)
    }

    /// Periods that are played.
    #[must_use]
    pub fn periods(&self) -> usize {
        self.capacity.len()
    }

    /// Who is online.
    #[must_use]
    pub fn audience(&self, period: usize, swarm: usize) -> Audience {
        self.audiences[period * self.swarms + swarm]
    }

    /// The law as it is in this period.
    #[must_use]
    pub fn law(&self, period: usize, swarm: usize) -> PowerLaw {
        let law = self.laws[swarm];
        let shift = self.shifts[period * self.swarms + swarm];
        PowerLaw::from_log(law.a(), law.b(), law.ln_f() + shift).unwrap_or(law)
    }

    /// What the period makes of the law's promise, a factor around 1.
    #[must_use]
    pub fn error(&self, period: usize, swarm: usize) -> f64 {
        self.errors[period * self.swarms + swarm].exp()
    }
}

fn peers(count: f64) -> Peers {
    Peers::new(count).unwrap_or_default()
}

/// The daily curve, 0 at its lowest (5 in the morning) and 1 at its highest (9 in the evening).
fn daily(time: f64) -> f64 {
    let main = 0.5 - 0.5 * (TAU * (time - 0.21)).cos();
    let evening = (-0.5 * ((time.fract() - 0.875) / 0.07).powi(2)).exp();
    let raw = 0.6 * main + 0.55 * evening;
    // The largest value of the raw curve, at the evening's peak.
    (raw / 0.846).clamp(0.0, 1.0)
}

/// Ranks 1 to n in random order, so that popularity tells nothing about the index.
fn ranks(n: usize, chance: &mut Chance) -> Vec<f64> {
    let mut ranks: Vec<f64> = (1..=n).map(|r| r as f64).collect();
    for i in (1..n).rev() {
        ranks.swap(i, chance.random_range(0..=i));
    }
    ranks
}

fn law(spread: &Spread, chance: &mut Chance) -> PowerLaw {
    let (low, high) = PowerLaw::A_RANGE;
    let a = (spread.a_mean + spread.a_sd * normal(chance)).clamp(low, high);
    let b = (spread.b_mean + spread.b_sd * normal(chance)).max(0.0);
    let ln_multiplier = spread.level_median.ln() + spread.level_sd * normal(chance);
    // D/l = multiplier x S/l at the reference.
    let ln_f = ln_multiplier + (1.0 - a) * REFERENCE.ln();
    PowerLaw::from_log(a, b, ln_f).unwrap_or_else(|_| unreachable_law())
}

/// The clamps above leave no parameter out of range; a law all the same, not a panic.
fn unreachable_law() -> PowerLaw {
    match PowerLaw::from_log(0.5, 0.0, 0.0) {
        Ok(law) => law,
        Err(_) => unreachable!("a = 0.5, b = 0, f = 1 is a law"),
    }
}

/// A swarm everybody wants for an hour or three.
struct Crowd {
    swarm: usize,
    start: f64,
    fall: f64,
    height: f64,
}

impl Crowd {
    fn draw(day: &Day, chance: &mut Chance) -> Vec<Self> {
        (0..day.flash_crowds * day.days)
            .map(|_| Self {
                swarm: chance.random_range(0..day.swarms),
                start: chance.random_range(0.0..day.days as f64),
                fall: chance.random_range(0.04..0.12),
                height: chance.random_range(5.0..30.0),
            })
            .collect()
    }

    /// Rises within a quarter of an hour and decays over hours.
    fn factor(&self, time: f64) -> f64 {
        let age = time - self.start;
        if age < 0.0 {
            return 1.0;
        }
        1.0 + self.height * (age / 0.01).min(1.0) * (-age / self.fall).exp()
    }
}
