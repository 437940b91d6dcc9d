//! The scheduler's constants, as one value the caller may change.

use std::time::Duration;

/// In which order bytes are fetched where sources leave a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// What little bandwidth stands behind first; where all sources have everything, in order of playback.
    #[default]
    Rarest,
    /// From the first byte to the last, but that the end, where many files have their index, comes before the middle.
    Playback,
}

/// Limits and lengths of the scheduler.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is fetched first.
    pub order: Order,
    /// Connections in all.
    pub lanes: usize,
    /// Connections to one host.
    pub lanes_per_host: usize,
    /// Bytes asked of a source whose rate is unknown.
    pub first_run: u64,
    /// Least bytes of a run while free bytes remain.
    pub min_run: u64,
    /// Most bytes of a run while others could share the work.
    pub max_run: u64,
    /// How long a run should take at the measured rate.
    pub run_time: Duration,
    /// Run ends are multiples of this many bytes, except at the end of the content.
    pub align: u64,
    /// A lane without a byte for this long is given up (p2sp failure table: stall).
    pub idle_timeout: Duration,
    /// A tail is taken over only when that saves at least this much time.
    pub min_gain: Duration,
    /// Faults in a row, without a byte between them, after which a source is dropped.
    pub attempts: u32,
    /// First back-off; doubles with each fault in a row.
    pub backoff: Duration,
    /// Longest back-off.
    pub backoff_cap: Duration,
    /// Longest `Retry-After` that is honoured; a longer one is cut to this.
    pub retry_after_cap: Duration,
}

impl Settings {
    /// From the first byte to the last, in runs so short that many sources work side by side on what is played next.
    #[must_use]
    pub fn for_playback() -> Self {
        let usual = Self::default();
        Self { order: Order::Playback, first_run: 1 << 20, max_run: 4 << 20, run_time: Duration::from_secs(2), ..usual }
    }

    /// Where so few requests per second may be sent to a host that they would be what is waited for, each is for more.
    #[must_use]
    pub fn with_requests(mut self, per_second: Option<u32>) -> Self {
        if per_second.is_some_and(|rate| rate <= FEW_REQUESTS) {
            self.first_run = self.first_run.max(LONG_RUN);
            self.min_run = self.min_run.max(LONG_RUN);
        }
        self
    }
}

/// Requests per second that are few, and what each is for at least, bytes.
const FEW_REQUESTS: u32 = 10;
const LONG_RUN: u64 = 16 << 20;

impl Default for Settings {
    fn default() -> Self {
        Self {
            order: Order::default(),
            lanes: 64,
            lanes_per_host: 16,
            first_run: 4 << 20,
            min_run: 1 << 20,
            max_run: 128 << 20,
            run_time: Duration::from_secs(10),
            align: 64 << 10,
            idle_timeout: Duration::from_secs(12),
            min_gain: Duration::from_millis(100),
            attempts: 6,
            backoff: Duration::from_millis(500),
            backoff_cap: Duration::from_secs(60),
            retry_after_cap: Duration::from_secs(600),
        }
    }
}
