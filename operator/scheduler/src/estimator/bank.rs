//! The estimator of the system: all swarms' filters and what they have in common.

use super::estimate::{Estimate, Estimator};
use super::filter::{Marks, PAIR, STATES, State};
use super::line::{CENTRE, Point};
use super::population::{Population, Totals};
use super::regimes::RegimeTotals;
use super::sample::{Lesson, Sample, SwarmId};
use crate::model::{PowerLaw, RegimeLaw, SwarmLaw};
use crate::units::BytesPerSecond;

/// Samples of a swarm that do not yet speak for one of the laws.
const FEW: u32 = 3;

/// What an estimator looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// The whole law.
    #[default]
    Full,
    /// `D/l = (S/l)^a f`: Ration's, which knows nothing of seeders, with the same estimator.
    WithoutSeeders,
}

/// What became of the samples of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Fitted to the law.
    pub fitted: usize,
    /// Taken for `d_max` alone.
    pub demand: usize,
    /// Without anything to learn.
    pub empty: usize,
    /// Not newer than what the swarm already has.
    pub stale: usize,
    /// Of swarms the estimator does not know.
    pub unknown: usize,
}

/// Kalman filters for many swarms: [`super::STATE_BYTES`] each, whatever their history.
#[derive(Debug, Clone, PartialEq)]
pub struct Bank {
    pub(crate) view: View,
    pub(crate) population: Population,
    pub(crate) states: Vec<State>,
    /// Places that were given back.
    pub(crate) free: Vec<u32>,
}

impl Default for Bank {
    fn default() -> Self {
        Self::new(View::Full)
    }
}

impl Bank {
    /// A bank without swarms.
    #[must_use]
    pub fn new(view: View) -> Self {
        Self { view, population: Population::new(), states: Vec::new(), free: Vec::new() }
    }

    /// A bank of `count` swarms, numbered from 0.
    #[must_use]
    pub fn with_swarms(view: View, count: u32) -> Self {
        let mut bank = Self::new(view);
        bank.states = vec![State::unseen(&bank.population); count as usize];
        bank
    }

    /// Takes a swarm in and numbers it, by the last number that was given back if there is one.
    pub fn add(&mut self) -> SwarmId {
        let state = State::unseen(&self.population);
        match self.free.pop() {
            Some(place) => {
                self.states[place as usize] = state;
                SwarmId(place)
            }
            None => {
                self.states.push(state);
                SwarmId(self.states.len() as u32 - 1)
            }
        }
    }

    /// Forgets a swarm; its number may be given to another. Whether there was one.
    pub fn remove(&mut self, swarm: SwarmId) -> bool {
        let known = self.knows(swarm);
        if known {
            self.states[swarm.0 as usize].marks = Marks::NOBODY;
            self.free.push(swarm.0);
        }
        known
    }

    /// Whether the swarm is one of the bank's.
    #[must_use]
    pub fn knows(&self, swarm: SwarmId) -> bool {
        self.states.get(swarm.0 as usize).is_some_and(|state| !state.marks.is_gone())
    }

    /// How many swarms there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.states.len() - self.free.len()
    }

    /// Whether there is no swarm.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is known of a swarm; `None` for an unknown one.
    #[must_use]
    pub fn estimate(&self, swarm: SwarmId) -> Option<Estimate> {
        if !self.knows(swarm) {
            return None;
        }
        let mut state = *self.states.get(swarm.0 as usize)?;
        let (evidence, samples) = (f64::from(state.evidence), state.marks.samples());
        let regimes = self.regime_law(&state)?;
        // A law is for the interval to come.
        state.predict(&self.population, 1);
        let power = self.power_law(&state)?;
        let best = self.population.best as usize;
        let error = |i: usize| f64::from(state.spread[PAIR[i][i]][best].max(0.0)).sqrt();
        let level = (2..STATES).flat_map(|i| (2..STATES).map(move |j| (i, j)));
        let level: f32 = level.map(|(i, j)| state.spread[PAIR[i][j]][best]).sum();
        let prefers_regimes = state.marks.prefers_regimes() && self.view == View::Full;
        Some(Estimate {
            law: if prefers_regimes { SwarmLaw::Regimes(regimes) } else { SwarmLaw::Power(power) },
            power,
            regimes,
            a_error: error(0),
            b_error: error(1),
            level_error: f64::from(level.max(0.0)).sqrt(),
            evidence,
            viewer_limit: state.demand.is_finite().then(|| BytesPerSecond::clamped(f64::from(state.demand).exp())),
            samples,
        })
    }

    fn power_law(&self, state: &State) -> Option<PowerLaw> {
        let best = self.population.best as usize;
        let [a, b, slow, fast] = state.theta.map(|lanes| f64::from(lanes[best]));
        let a = a.clamp(PowerLaw::A_RANGE.0, PowerLaw::A_RANGE.1);
        let b = if self.view == View::Full { b.max(0.0) } else { 0.0 };
        PowerLaw::from_log(a, b, slow + fast - a * CENTRE).ok()
    }

    fn regime_law(&self, state: &State) -> Option<RegimeLaw> {
        let rate = |ln: f32| BytesPerSecond::clamped(f64::from(ln).exp());
        let demand = if state.demand.is_finite() { rate(state.demand) } else { BytesPerSecond::MAX };
        RegimeLaw::new(rate(state.regimes.ln_u), f64::from(state.regimes.eta), demand).ok()
    }
}

impl Estimator for Bank {
    fn update(&mut self, samples: &[Sample]) -> Summary {
        let mut summary = Summary::default();
        let mut totals = Totals::default();
        let mut regime_totals = RegimeTotals::default();
        let population = &self.population;
        let best = population.best as usize;
        for sample in samples {
            let known = self.states.get_mut(sample.swarm.0 as usize).filter(|state| !state.marks.is_gone());
            let Some(state) = known else {
                summary.unknown += 1;
                continue;
            };
            let lesson = sample.lesson();
            if lesson == Lesson::Nothing {
                summary.empty += 1;
                continue;
            }
            let Some(gap) = state.marks.gap(sample.interval) else {
                summary.stale += 1;
                continue;
            };
            state.note_demand(sample);
            let point = if lesson == Lesson::Law { Point::of(sample) } else { None };
            let Some(mut point) = point else {
                summary.demand += 1;
                continue;
            };
            if self.view == View::WithoutSeeders {
                point.z = 0.0;
            }
            state.predict(population, gap);
            let seen = state.correct(population, point);
            state.marks.take(sample.interval);
            totals.add(population, state, point.class, &seen);
            let demand = state.demand;
            let regimes = state.regimes.update(&population.regimes, &mut regime_totals, sample, demand, gap);
            // The first few samples say more about the population than about the swarm.
            if let Some(regimes) = regimes.filter(|_| state.marks.samples() > FEW) {
                state.weigh(seen.likelihood[best], regimes);
            }
            summary.fitted += 1;
        }
        totals.flush();
        self.population.learn(&totals);
        self.population.regimes.learn(&regime_totals);
        summary
    }

    fn law(&self, swarm: SwarmId) -> Option<SwarmLaw> {
        self.estimate(swarm).map(|estimate| estimate.law)
    }
}
