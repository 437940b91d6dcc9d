//! What is said of each pool: gauges of the last solution, how long it took, and intervals that were skipped.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::Metrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: String,
}

type Gauges = Family<PoolLabels, Gauge<u64, AtomicU64>>;
type Number = fn(&PoolGauges) -> u64;

/// One solution in numbers; rates are bytes per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolGauges {
    /// In reach.
    pub capacity: u64,
    /// Given to swarms.
    pub allocated: u64,
    /// What swarms need to keep their viewers at their targets.
    pub needed: u64,
    /// D over the last interval.
    pub download: u64,
    /// S over the last interval.
    pub upload: u64,
    /// Swarms somebody downloads in.
    pub swarms: u64,
    /// Rows of the table.
    pub rows: u64,
}

/// Metrics of all pools.
#[derive(Clone)]
pub(super) struct Pools {
    gauges: [(Gauges, Number); 7],
    seconds: Family<PoolLabels, Histogram, fn() -> Histogram>,
    skipped: Family<PoolLabels, Counter>,
}

/// Solutions take from a millisecond to a minute.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 9))
}

impl Pools {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let mut gauge = |name: &str, help: &str, of: Number| {
            let family = Gauges::default();
            registry.register(name, help, family.clone());
            (family, of)
        };
        let gauges = [
            gauge("pool_capacity_bytes_per_second", "Upload in a pool's reach", |of| of.capacity),
            gauge("pool_allocated_bytes_per_second", "Upload a pool gave to swarms", |of| of.allocated),
            gauge("pool_needed_bytes_per_second", "Upload that keeps all viewers at their targets", |of| of.needed),
            gauge("pool_download_bytes_per_second", "Download of a pool's swarms over the last interval", |of| {
                of.download
            }),
            gauge("pool_upload_bytes_per_second", "Upload to a pool's swarms over the last interval", |of| of.upload),
            gauge("pool_swarms", "Swarms of a pool somebody downloads in", |of| of.swarms),
            gauge("pool_table_rows", "Rows of a pool's table", |of| of.rows),
        ];
        let seconds = Family::new_with_constructor(histogram as fn() -> Histogram);
        registry.register_with_unit("pool_solve", "Time to solve a pool", Unit::Seconds, seconds.clone());
        let skipped = Family::default();
        let help = "Intervals a pool was not solved for, because samples were missing";
        registry.register("pool_skipped_intervals", help, skipped.clone());
        Self { gauges, seconds, skipped }
    }
}

impl Metrics {
    /// Notes a solution.
    pub fn pool_solved(&self, pool: &str, numbers: &PoolGauges, took: Duration) {
        let labels = PoolLabels { pool: pool.to_owned() };
        for (family, of) in &self.pools.gauges {
            family.get_or_create(&labels).set(of(numbers));
        }
        self.pools.seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts an interval that was skipped.
    pub fn pool_skipped(&self, pool: &str) {
        self.pools.skipped.get_or_create(&PoolLabels { pool: pool.to_owned() }).inc();
    }

    /// Says no more of a pool.
    pub fn pool_gone(&self, pool: &str) {
        let labels = PoolLabels { pool: pool.to_owned() };
        for (family, _) in &self.pools.gauges {
            family.remove(&labels);
        }
        self.pools.seconds.remove(&labels);
        self.pools.skipped.remove(&labels);
    }
}
