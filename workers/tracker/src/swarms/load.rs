//! How many announces come, and what peers are told of it: above a comfortable load the interval stretches, so that the load
//! falls back to it (back-pressure). Pure, but for the atomics.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

/// Most that the interval is stretched.
const MAX_STRETCH: f64 = 8.0;

/// The load, and the interval it calls for.
#[derive(Debug)]
pub struct Load {
    base: u32,
    comfortable: u32,
    announces: AtomicU64,
    seen: AtomicU64,
    interval: AtomicU32,
}

impl Load {
    /// An interval of `every` while no more than `comfortable` announces come per second (0: any number).
    #[must_use]
    pub fn new(every: Duration, comfortable: u32) -> Self {
        let base = u32::try_from(every.as_secs()).unwrap_or(u32::MAX).clamp(1, 86_400);
        let (announces, seen) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { base, comfortable, announces, seen, interval: AtomicU32::new(base) }
    }

    /// Counts announces.
    pub fn add(&self, announces: u64) {
        self.announces.fetch_add(announces, Ordering::Relaxed);
    }

    /// Seconds between announces, for who asks now.
    #[must_use]
    pub fn interval(&self) -> u32 {
        self.interval.load(Ordering::Relaxed)
    }

    /// Looks at the load since the last look, `span` ago. The interval follows slowly down, at once up.
    pub fn look(&self, span: Duration) {
        let announces = self.announces.load(Ordering::Relaxed);
        let more = announces - self.seen.swap(announces, Ordering::Relaxed).min(announces);
        if self.comfortable == 0 || span.is_zero() {
            return;
        }
        let rate = more as f64 / span.as_secs_f64();
        // What the load would be with the base interval: peers come less often already.
        let stretched = f64::from(self.interval()) / f64::from(self.base);
        let wanted = (rate * stretched / f64::from(self.comfortable)).clamp(1.0, MAX_STRETCH);
        let next = if wanted > stretched { wanted } else { stretched + (wanted - stretched) * 0.1 };
        // At most 8 days: in range. Rounded down, so that it comes back all the way.
        self.interval.store((f64::from(self.base) * next) as u32, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_stretches_under_load_and_comes_back() {
        let load = Load::new(Duration::from_secs(300), 1000);
        let second = Duration::from_secs(1);
        load.add(900);
        load.look(second);
        assert_eq!(load.interval(), 300);
        load.add(2000);
        load.look(second);
        assert_eq!(load.interval(), 600);
        // As many come with twice the interval: four times would be needed.
        load.add(2000);
        load.look(second);
        assert_eq!(load.interval(), 1200);
        load.add(1_000_000);
        load.look(second);
        assert_eq!(load.interval(), 2400);
        (0..100).for_each(|_| load.look(second));
        assert_eq!(load.interval(), 300);
    }
}
