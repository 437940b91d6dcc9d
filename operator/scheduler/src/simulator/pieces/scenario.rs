//! What the peers are like.

use serde::{Deserialize, Serialize};

use crate::simulator::{SimulateError, check};

/// The most pieces a file can have.
pub const MAX_PIECES: usize = 256;

/// Whom the cloud's uploaders serve within a swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Service {
    /// Everybody in turn.
    Rotation,
    /// Those with the lowest mean rate so far.
    SlowestFirst,
}

/// An open system of swarms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pieces {
    /// Swarms.
    pub swarms: usize,
    /// Viewers arriving per second, all swarms together.
    pub arrivals: f64,
    /// Exponent of Zipf's law over the swarms.
    pub popularity: f64,
    /// Seconds before viewers count.
    pub warm_up: f64,
    /// Seconds in which arriving viewers count.
    pub measured: f64,
    /// Seconds after that, in which the counted viewers finish.
    pub cool_down: f64,
    /// Depth of the daily curve of arrivals, 0 (none) to 1; its day is 86,400 seconds.
    pub daily: f64,
    /// Bytes of a piece.
    pub piece: f64,
    /// Pieces of a file.
    pub pieces: usize,
    /// Median over swarms of the mean upload of their peers, bytes per second.
    pub upload: f64,
    /// Standard deviation of the logarithm of that mean between swarms.
    pub swarm_spread: f64,
    /// The same between the peers of a swarm.
    pub peer_spread: f64,
    /// The most a viewer downloads, bytes per second.
    pub limit: f64,
    /// Least and most share of viewers who linger when done, uniform over swarms.
    pub lingering: (f64, f64),
    /// Mean time they linger, seconds.
    pub linger: f64,
    /// Mean hungry time (under 30 kB/s) after which a viewer gives up, seconds; infinite for never.
    pub patience: Option<f64>,
    /// Seconds between allocations.
    pub interval: f64,
    /// What the cloud may upload, as a share of the mean demand (arrivals times file size).
    pub share: f64,
    /// Whom it serves within a swarm.
    pub service: Service,
}

impl Default for Pieces {
    /// Swarms that differ in size, upload and lingering: 20 of them, files of 64 MB in pieces of 256 kB, viewers
    /// every two seconds who upload around 72 kB/s.
    fn default() -> Self {
        Self {
            swarms: 20,
            arrivals: 0.5,
            popularity: 0.85,
            warm_up: 1800.0,
            measured: 2.0 * 3600.0,
            cool_down: 3600.0,
            daily: 0.0,
            piece: 256e3,
            pieces: 250,
            upload: 72e3,
            swarm_spread: 0.8,
            peer_spread: 0.5,
            limit: 500e3,
            lingering: (0.0, 0.9),
            linger: 600.0,
            patience: None,
            interval: 300.0,
            share: 0.1,
            service: Service::Rotation,
        }
    }
}

impl Pieces {
    /// Bytes of a file.
    #[must_use]
    pub fn size(&self) -> f64 {
        self.piece * self.pieces as f64
    }

    /// What viewers ask for, bytes per second in the mean.
    #[must_use]
    pub fn demand(&self) -> f64 {
        self.arrivals * self.size()
    }

    /// What the cloud may upload, bytes per second.
    #[must_use]
    pub fn capacity(&self) -> f64 {
        self.share * self.demand()
    }

    /// Seconds that are played.
    #[must_use]
    pub fn duration(&self) -> f64 {
        self.warm_up + self.measured + self.cool_down
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`SimulateError::Scenario`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), SimulateError> {
        check("swarms", self.swarms as f64, 1.0..=1e6, "from 1 to a million")?;
        check("pieces", self.pieces as f64, 1.0..=MAX_PIECES as f64, "from 1 to 256")?;
        check("piece", self.piece, 1.0..=1e9, "from 1 to 10^9")?;
        check("arrivals", self.arrivals, 0.0..=1e4, "from 0 to 10,000")?;
        check("popularity", self.popularity, 0.0..=5.0, "from 0 to 5")?;
        check("daily", self.daily, 0.0..=1.0, "from 0 to 1")?;
        check("upload", self.upload, 0.0..=1e12, "from 0 to 10^12")?;
        check("limit", self.limit, 1.0..=1e12, "from 1 to 10^12")?;
        check("interval", self.interval, 10.0..=86_400.0, "from 10 seconds to a day")?;
        check("share", self.share, 0.0..=1e3, "from 0 to 1000")?;
        check("linger", self.linger, 0.0..=1e9, "from 0 to 10^9")?;
        check("patience", self.patience.unwrap_or(1.0), 1.0..=1e9, "from 1 to 10^9")?;
        for (name, value) in [("swarm_spread", self.swarm_spread), ("peer_spread", self.peer_spread)] {
            check(name, value, 0.0..=3.0, "from 0 to 3")?;
        }
        for (name, value) in [("lingering", self.lingering.0), ("lingering", self.lingering.1)] {
            check(name, value, 0.0..=1.0, "from 0 to 1")?;
        }
        for value in [self.warm_up, self.measured, self.cool_down] {
            check("warm_up, measured or cool_down", value, 0.0..=1e8, "from 0 to 10^8")?;
        }
        Ok(())
    }
}
