//! The bank as bytes and back: a versioned little-endian form with a checksum.
//!
//! Layout: magic, version, view, chosen filter; the population; the count of swarms and their states as
//! 64 words each; the places given back; a 64-bit FNV-1a sum of all that. What is read is
//! checked number by number, so no bytes, however damaged, give a bank that is not sound.

use super::bank::{Bank, View};
use super::filter::{Lanes, MEMBERS, MOST, Marks, PAIRS, STATE_BYTES, STATES, State};
use super::population::Population;
use super::regimes::Regimes;

const MAGIC: [u8; 4] = *b"VCEB";
const VERSION: u16 = 1;

/// Bytes that are no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// They do not begin as a snapshot does.
    #[error("failed to restore the estimator: these are not the bytes of a snapshot")]
    Magic,
    /// Another version wrote them.
    #[error("failed to restore the estimator: the snapshot has version {0}, this is version {VERSION}")]
    Version(u16),
    /// Cut off, or longer than they say.
    #[error("failed to restore the estimator: the snapshot has {found} bytes, not the {wanted} it speaks of")]
    Length {
        /// Bytes there are.
        found: usize,
        /// Bytes there should be, as far as that could be read.
        wanted: usize,
    },
    /// Damaged on the way.
    #[error("failed to restore the estimator: the snapshot's checksum is wrong")]
    Checksum,
    /// A number that no estimator writes.
    #[error("failed to restore the estimator: a number of {0} is out of range")]
    Range(&'static str),
}

impl Bank {
    /// The whole bank as bytes, a little over [`STATE_BYTES`] per swarm.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024 + self.states.len() * STATE_BYTES + self.free.len() * 4);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.push(u8::from(self.view == View::WithoutSeeders));
        out.push(self.population.best);
        let population = &self.population;
        for lanes in population.mean.iter().chain(&population.spread).chain(&population.noise) {
            put(&mut out, lanes);
        }
        put(&mut out, &population.likelihood);
        put(&mut out, &words(&population.regimes.typical));
        put(&mut out, population.regimes.noise.as_flattened());
        out.extend_from_slice(&(self.states.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.free.len() as u32).to_le_bytes());
        self.states.iter().for_each(|state| out.extend_from_slice(&bytes_of(state)));
        for place in &self.free {
            out.extend_from_slice(&place.to_le_bytes());
        }
        let sum = Self::checksum(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// The sum at the end of a snapshot over what stands before it: FNV-1a over words of eight bytes, stirred.
    #[must_use]
    pub fn checksum(body: &[u8]) -> u64 {
        let mut sum = 0xcbf2_9ce4_8422_2325_u64 ^ body.len() as u64;
        for chunk in body.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3);
            sum ^= sum >> 29;
        }
        sum
    }

    /// The bank that wrote these bytes.
    ///
    /// # Errors
    /// [`RestoreError`] saying what is wrong with them; nothing is ever read past their end.
    pub fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take::<4>().map_err(|_| RestoreError::Magic)? != MAGIC {
            return Err(RestoreError::Magic);
        }
        let version = u16::from_le_bytes(reader.take()?);
        if version != VERSION {
            return Err(RestoreError::Version(version));
        }
        let [view, best] = reader.take()?;
        let mut population = Population::new();
        for lanes in population.mean.iter_mut().chain(&mut population.spread).chain(&mut population.noise) {
            *lanes = reader.numbers("the population")?;
        }
        population.likelihood = reader.numbers("the population")?;
        population.regimes.typical = reader.regimes("the population")?;
        for class in &mut population.regimes.noise {
            *class = reader.numbers("the population")?;
        }
        let count = u32::from_le_bytes(reader.take()?) as usize;
        let free = u32::from_le_bytes(reader.take()?) as usize;
        let wanted = reader.at.saturating_add(count.saturating_mul(STATE_BYTES)).saturating_add(free * 4 + 8);
        if bytes.len() != wanted {
            return Err(RestoreError::Length { found: bytes.len(), wanted });
        }
        let (body, sum) = bytes.split_at(bytes.len() - 8);
        if Self::checksum(body).to_le_bytes() != sum {
            return Err(RestoreError::Checksum);
        }
        if view > 1 || best as usize >= MEMBERS {
            return Err(RestoreError::Range("the header"));
        }
        population.best = best;
        if !population.is_sound() {
            return Err(RestoreError::Range("the population"));
        }
        let states = (0..count).map(|_| reader.state()).collect::<Result<Vec<_>, _>>()?;
        let mut places = Vec::with_capacity(free);
        for _ in 0..free {
            places.push(u32::from_le_bytes(reader.take()?));
        }
        let mut sorted = places.clone();
        sorted.sort_unstable();
        let gone = (0..count as u32).filter(|&place| states[place as usize].marks.is_gone());
        if !gone.eq(sorted) {
            return Err(RestoreError::Range("the places given back"));
        }
        let view = if view == 1 { View::WithoutSeeders } else { View::Full };
        Ok(Self { view, population, states, free: places })
    }
}

fn put(out: &mut Vec<u8>, numbers: &[f32]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
}

fn words(regimes: &Regimes) -> [f32; 5] {
    let [uu, ue, ee] = regimes.spread;
    [regimes.ln_u, regimes.eta, uu, ue, ee]
}

/// The words of a state, in the order of its fields.
fn bytes_of(state: &State) -> [u8; STATE_BYTES] {
    let lanes = state.theta.iter().chain(&state.spread).flatten().copied();
    let rest = words(&state.regimes).into_iter().chain([state.demand, state.evidence]);
    let words = lanes.chain(rest).map(f32::to_bits).chain([state.marks.0]);
    let mut bytes = [0; STATE_BYTES];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], RestoreError> {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let found = found.ok_or(RestoreError::Length { found: self.bytes.len(), wanted: self.at + N })?;
        self.at += N;
        Ok(*found)
    }

    fn numbers<const N: usize>(&mut self, name: &'static str) -> Result<[f32; N], RestoreError> {
        let end = self.at.saturating_add(4 * N);
        let found = self.bytes.get(self.at..end);
        let found = found.ok_or(RestoreError::Length { found: self.bytes.len(), wanted: end })?;
        self.at = end;
        let mut numbers = [0.0; N];
        let mut sound = true;
        for (number, word) in numbers.iter_mut().zip(found.chunks_exact(4)) {
            *number = f32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            sound &= number.abs() <= MOST;
        }
        if sound { Ok(numbers) } else { Err(RestoreError::Range(name)) }
    }

    fn regimes(&mut self, name: &'static str) -> Result<Regimes, RestoreError> {
        let [ln_u, eta, uu, ue, ee] = self.numbers(name)?;
        if !(0.0..=1.0).contains(&eta) || uu <= 0.0 || ee <= 0.0 {
            return Err(RestoreError::Range(name));
        }
        Ok(Regimes { ln_u, eta, spread: [uu, ue, ee] })
    }

    fn state(&mut self) -> Result<State, RestoreError> {
        const NAME: &str = "a swarm";
        let filters: [f32; (STATES + PAIRS) * MEMBERS] = self.numbers(NAME)?;
        let (theta, spread) = filters.split_at(STATES * MEMBERS);
        let lanes = |from: &[f32], at: usize| std::array::from_fn(|m| from[at * MEMBERS + m]);
        let theta: [Lanes; STATES] = std::array::from_fn(|at| lanes(theta, at));
        let spread: [Lanes; PAIRS] = std::array::from_fn(|at| lanes(spread, at));
        let regimes = self.regimes(NAME)?;
        let demand = f32::from_le_bytes(self.take()?);
        if !(demand == f32::INFINITY || demand.is_finite() && demand.abs() <= MOST) {
            return Err(RestoreError::Range(NAME));
        }
        let [evidence] = self.numbers(NAME)?;
        let state = State { theta, spread, regimes, demand, evidence, marks: Marks(u32::from_le_bytes(self.take()?)) };
        let diagonal = [0, 4, 7, 9].into_iter().flat_map(|pair| state.spread[pair]);
        if diagonal.into_iter().any(|variance| variance <= 0.0) {
            return Err(RestoreError::Range(NAME));
        }
        Ok(state)
    }
}
