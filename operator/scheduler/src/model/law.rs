//! The trait every law of swarms keeps, the law of a lone viewer, and the choice among laws.

use super::{PowerLaw, RegimeLaw};
use crate::units::{Audience, BytesPerSecond};

/// How a swarm's total download rate `D` follows the upload rate `S` the cloud gives it.
///
/// Every law is non-decreasing and concave in `S`, which is all the solver asks for.
pub trait Law {
    /// `D(S)` in bytes per second for this audience, before any limit of the viewers' own lines.
    fn download(&self, audience: Audience, upload: BytesPerSecond) -> BytesPerSecond;

    /// Marginal utility `dD/dS`, bytes downloaded per byte uploaded; may be infinite at `S = 0`.
    fn marginal(&self, audience: Audience, upload: BytesPerSecond) -> f64;

    /// The least `S` with `D(S) >= download`, or `None` when no upload reaches it.
    fn upload_for(&self, audience: Audience, download: BytesPerSecond) -> Option<BytesPerSecond>;
}

/// A lone viewer without seeds: `D = S`. Most of a catalogue is like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SoloLaw;

impl Law for SoloLaw {
    fn download(&self, audience: Audience, upload: BytesPerSecond) -> BytesPerSecond {
        if audience.is_idle() { BytesPerSecond::ZERO } else { upload }
    }

    fn marginal(&self, audience: Audience, _upload: BytesPerSecond) -> f64 {
        if audience.is_idle() { 0.0 } else { 1.0 }
    }

    fn upload_for(&self, audience: Audience, download: BytesPerSecond) -> Option<BytesPerSecond> {
        (!audience.is_idle() || download == BytesPerSecond::ZERO).then_some(download)
    }
}

/// The law a swarm was found to follow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SwarmLaw {
    /// The paper's power law.
    Power(PowerLaw),
    /// The three regimes of injection, peers' upload and demand.
    Regimes(RegimeLaw),
    /// A lone viewer.
    Solo(SoloLaw),
}

impl SwarmLaw {
    /// The law that holds for this audience: a lone viewer without seeds follows no fitted law.
    #[must_use]
    pub fn at(self, audience: Audience) -> Self {
        if audience.is_solo() { Self::Solo(SoloLaw) } else { self }
    }

    fn inner(&self) -> &dyn Law {
        match self {
            Self::Power(law) => law,
            Self::Regimes(law) => law,
            Self::Solo(law) => law,
        }
    }
}

impl Law for SwarmLaw {
    fn download(&self, audience: Audience, upload: BytesPerSecond) -> BytesPerSecond {
        self.inner().download(audience, upload)
    }

    fn marginal(&self, audience: Audience, upload: BytesPerSecond) -> f64 {
        self.inner().marginal(audience, upload)
    }

    fn upload_for(&self, audience: Audience, download: BytesPerSecond) -> Option<BytesPerSecond> {
        self.inner().upload_for(audience, download)
    }
}
