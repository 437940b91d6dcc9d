//! What viewers got, and what it cost.

use serde::{Deserialize, Serialize};

use crate::simulator::Arm;
use crate::simulator::day::HUNGRY;
use crate::simulator::statistics::quantile;

/// The rate from which a viewer counts as served: playback without stalls and 5 % of slack.
pub const SERVED: f64 = 95_000.0;

/// One viewer who counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Viewer {
    /// His swarm.
    pub swarm: u32,
    /// Bytes he got.
    pub bytes: f64,
    /// Bytes of them within the time the file plays at [`SERVED`].
    pub in_time: f64,
    /// Seconds until he was done, gave up or the world ended.
    pub seconds: f64,
    /// Whether he got everything.
    pub finished: bool,
}

/// A world as one arm played it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// The arm.
    pub arm: Arm,
    /// Viewers who arrived while it counted, by swarm and arrival.
    pub viewers: Vec<Viewer>,
    /// Bytes of a file.
    pub size: f64,
    /// Bytes viewers would have taken while it counted: arrivals times size.
    pub demanded: f64,
    /// Bytes the cloud uploaded while it counted.
    pub uploaded: f64,
    /// Bytes viewers downloaded while it counted.
    pub downloaded: f64,
    /// Bytes peers uploaded to each other while it counted.
    pub exchanged: f64,
    /// Bytes the cloud was allowed to upload while it counted.
    pub allowed: f64,
    /// Time average of leechers online.
    pub leechers: f64,
    /// Time average of seeders online.
    pub seeders: f64,
}

/// The world judged by what viewers get.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// Viewers who count.
    pub viewers: f64,
    /// Mean over viewers of their mean rate, bytes per second.
    pub mean_rate: f64,
    /// The rate nine in ten viewers exceed.
    pub p10_rate: f64,
    /// Mean completion time, seconds; who did not finish counts with the time his rate would have taken.
    pub mean_time: f64,
    /// Median completion time.
    pub p50_time: f64,
    /// 90 % quantile of completion time.
    pub p90_time: f64,
    /// 99 % quantile of completion time.
    pub p99_time: f64,
    /// Share of viewers whose mean rate was under 30 kB/s.
    pub hungry: f64,
    /// Share of viewers whose mean rate was at least 95 kB/s.
    pub served: f64,
    /// Share of the bytes of all viewers' files that came in time to play at 95 kB/s.
    pub in_time: f64,
    /// Share of viewers who gave up or never finished.
    pub unfinished: f64,
    /// Bytes uploaded by the cloud over bytes demanded.
    pub egress: f64,
    /// `D/S`.
    pub multiplier: f64,
}

impl World {
    /// Judges it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let n = self.viewers.len();
        if n == 0 {
            return Verdict::default();
        }
        let rate = |v: &Viewer| v.bytes / v.seconds.max(1.0);
        let time = |v: &Viewer| if v.finished { v.seconds } else { self.size / rate(v).max(1.0) };
        let share = |test: &dyn Fn(&Viewer) -> bool| self.viewers.iter().filter(|v| test(v)).count() as f64 / n as f64;
        let mut rates: Vec<f64> = self.viewers.iter().map(rate).collect();
        let mut times: Vec<f64> = self.viewers.iter().map(time).collect();
        rates.sort_by(f64::total_cmp);
        times.sort_by(f64::total_cmp);
        Verdict {
            viewers: n as f64,
            mean_rate: rates.iter().sum::<f64>() / n as f64,
            p10_rate: quantile(&rates, 0.1),
            mean_time: times.iter().sum::<f64>() / n as f64,
            p50_time: quantile(&times, 0.5),
            p90_time: quantile(&times, 0.9),
            p99_time: quantile(&times, 0.99),
            hungry: share(&|v| rate(v) < HUNGRY),
            served: share(&|v| rate(v) >= SERVED),
            in_time: self.viewers.iter().map(|v| v.in_time).sum::<f64>() / (n as f64 * self.size),
            unfinished: share(&|v| !v.finished),
            egress: self.uploaded / self.demanded.max(1.0),
            multiplier: self.downloaded / self.uploaded.max(1.0),
        }
    }
}
