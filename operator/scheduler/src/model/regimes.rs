//! A second law, from how swarms work: new pieces enter at `S + s u`, each leecher gets at
//! most that much that is new, all together no more than everybody uploads, and demand ends.
//!
//! `D = min( l (S + s u), S + (s + eta l) u, l d_max )`, smoothed so that the marginal falls
//! continuously from `l` (injection starves the swarm) over 1 (peers' upload is the limit) to 0.

use super::{Law, LawError};
use crate::units::{Audience, BytesPerSecond};

/// Sharpness of the smooth minimum `(sum x^-p)^(-1/p)`: at a corner of two it is 6 % below them.
const SHARPNESS: f64 = 12.0;

/// A logarithm this near is the same: what rounding leaves of `ln D`.
const CLOSE: f64 = 1e-14;

/// Bisection steps of the inverses: enough for the last bit of `ln S`.
const STEPS: usize = 80;

/// The three-regime law: `u` the mean upload of a peer (bytes per second), `eta` the share of
/// it a leecher can make use of, `d_max` the most one viewer takes (bytes per second).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegimeLaw {
    upload: f64,
    sharing: f64,
    demand: f64,
}

impl RegimeLaw {
    /// Checks the parameters: `u` and `d_max` as rates, `eta` from 0 to 1, `d_max` above zero.
    ///
    /// # Errors
    /// [`LawError::Regime`] naming the parameter.
    pub fn new(peer_upload: BytesPerSecond, sharing: f64, demand: BytesPerSecond) -> Result<Self, LawError> {
        if !(0.0..=1.0).contains(&sharing) {
            return Err(LawError::Regime { name: "eta", value: sharing });
        }
        if demand == BytesPerSecond::ZERO {
            return Err(LawError::Regime { name: "d_max", value: 0.0 });
        }
        Ok(Self { upload: peer_upload.get(), sharing, demand: demand.get() })
    }

    /// Mean upload rate of a peer, bytes per second.
    #[must_use]
    pub fn peer_upload(&self) -> BytesPerSecond {
        BytesPerSecond::clamped(self.upload)
    }

    /// The share of its upload a leecher can make use of, `eta`.
    #[must_use]
    pub const fn sharing(&self) -> f64 {
        self.sharing
    }

    /// The most one viewer takes, bytes per second.
    #[must_use]
    pub fn demand(&self) -> BytesPerSecond {
        BytesPerSecond::clamped(self.demand)
    }

    /// The `S` at which `dD/dS` falls to `marginal`; infinite when it never does.
    #[must_use]
    pub fn upload_at_marginal(&self, audience: Audience, marginal: f64) -> f64 {
        Self::root(|s| self.value_and_slope(audience, s).1 - marginal)
    }

    /// Download and marginal at `S`, of one pass.
    pub(crate) fn both(&self, audience: Audience, upload: f64) -> (f64, f64) {
        self.value_and_slope(audience, BytesPerSecond::clamped(upload).get())
    }

    /// The three limits at `S`, in bytes per second.
    fn limits(&self, audience: Audience, upload: f64) -> [f64; 3] {
        let (s, l) = (audience.seeders.get(), audience.leechers.get());
        [l.max(1.0) * (upload + s * self.upload), upload + (s + self.sharing * l) * self.upload, l * self.demand]
    }

    fn value_and_slope(&self, audience: Audience, upload: f64) -> (f64, f64) {
        if audience.is_idle() {
            return (0.0, 0.0);
        }
        let slope = audience.leechers.get().max(1.0);
        let limits = self.limits(audience, upload);
        let least = limits[0].min(limits[1]).min(limits[2]);
        if least <= 0.0 {
            return (0.0, slope);
        }
        // Relative to the least limit, so that no power over- or underflows.
        let ratio = limits.map(|x| sharpen(least / x));
        let sum = ratio[0] + ratio[1] + ratio[2];
        let value = least * sum.powf(-1.0 / SHARPNESS);
        let weight = value / sum;
        (value, weight * (ratio[0] / limits[0] * slope + ratio[1] / limits[1]))
    }

    /// The `S` at which `l (S + s u)` and `S + (s + eta l) u` both reach `download`: the inverse without smoothing, and without the
    /// limit of demand.
    fn sharp_upload_for(&self, audience: Audience, download: f64) -> f64 {
        let (s, l) = (audience.seeders.get(), audience.leechers.get());
        let injected = download / l.max(1.0) - s * self.upload;
        injected.max(download - (s + self.sharing * l) * self.upload)
    }

    /// The `S` at which the marginal of an alpha-fair utility, alpha above 0, is `price`, without smoothing: to start a search from.
    pub(crate) fn sharp_upload_at(&self, audience: Audience, (alpha, weight, price): (f64, f64, f64)) -> f64 {
        let (s, l) = (audience.seeders.get(), audience.leechers.get().max(1.0));
        let root = |x: f64| if alpha == 2.0 { x.sqrt() } else { x.powf(1.0 / alpha) };
        let injected = root(weight * l / price) - s * self.upload;
        let shared = l * root(weight / price) - (s + self.sharing * l) * self.upload;
        // Left of the corner new pieces are the limit, right of it the peers' upload.
        let corner = ((s + self.sharing * l) - l * s) * self.upload / (l - 1.0).max(f64::MIN_POSITIVE);
        injected.min(corner).max(shared)
    }

    /// The `S` from `low` to `high` at which `goal` (a logarithm, falling in `S`) reaches zero: false position on `ln S` (Illinois),
    /// begun near a guess.
    pub(crate) fn root_near(goal: impl Fn(f64) -> f64, guess: f64, (low, high): (f64, f64)) -> f64 {
        let (mut below, mut above) = ((low.ln().max(-20.0), f64::NAN), (high.ln(), f64::NAN));
        let inside = |x: f64, below: f64, above: f64| if x > below && x < above { x } else { 0.5 * (below + above) };
        let (mut x, mut reach, mut side) = (inside(guess.ln(), below.0, above.0), 0.0_f64, 0_i8);
        for step in 0..STEPS {
            let value = goal(x.exp());
            if value.abs() <= CLOSE {
                return x.exp();
            }
            if value > 0.0 {
                above.1 *= if side == 1 { 0.5 } else { 1.0 };
                (below, side) = ((x, value), 1);
            } else {
                below.1 *= if side == -1 { 0.5 } else { 1.0 };
                (above, side) = ((x, value), -1);
            }
            if above.0 - below.0 <= 4.0 * f64::EPSILON * x.abs().max(1.0) {
                break;
            }
            let known = below.1.is_finite() && above.1.is_finite();
            let next = if known && step % 8 != 7 {
                (below.0 * above.1 - above.0 * below.1) / (above.1 - below.1)
            } else if known {
                f64::NAN
            } else {
                // Twice the miss is past the root, and not far, where `S` is worth about itself to the power of a half to two.
                reach = (4.0 * reach).max((2.0 * value.abs()).min(0.4));
                x + f64::from(side) * reach
            };
            x = inside(next, below.0, above.0);
        }
        above.0.exp()
    }

    /// The `S` at which `goal` (falling in `S`) reaches zero, by bisection on `ln S`.
    pub(crate) fn root(goal: impl Fn(f64) -> f64) -> f64 {
        let (mut low, mut high) = (-20.0_f64, BytesPerSecond::MAX.get().ln());
        if goal(high.exp()) >= 0.0 {
            return f64::INFINITY;
        }
        if goal(0.0) <= 0.0 {
            return 0.0;
        }
        for _ in 0..STEPS {
            let middle = 0.5 * (low + high);
            if goal(middle.exp()) >= 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        high.exp()
    }
}

/// `x` to the power of [`SHARPNESS`].
fn sharpen(x: f64) -> f64 {
    let square = x * x;
    let fourth = square * square;
    fourth * fourth * fourth
}

impl Law for RegimeLaw {
    fn download(&self, audience: Audience, upload: BytesPerSecond) -> BytesPerSecond {
        BytesPerSecond::clamped(self.value_and_slope(audience, upload.get()).0)
    }

    fn marginal(&self, audience: Audience, upload: BytesPerSecond) -> f64 {
        self.value_and_slope(audience, upload.get()).1
    }

    fn upload_for(&self, audience: Audience, download: BytesPerSecond) -> Option<BytesPerSecond> {
        let (wanted, value) = (download.get(), |s: f64| self.value_and_slope(audience, s).0);
        let most = BytesPerSecond::MAX.get();
        if value(most) <= wanted {
            return None;
        }
        if wanted <= value(0.0) {
            return Some(BytesPerSecond::ZERO);
        }
        let goal = |s: f64| (wanted / value(s)).ln();
        let upload = Self::root_near(goal, self.sharp_upload_for(audience, wanted), (0.0, most));
        Some(BytesPerSecond::clamped(upload))
    }
}
