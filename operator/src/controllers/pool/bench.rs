//! The arithmetic of one pool without its surroundings, for the benchmark of the control loop.

use std::collections::BTreeMap;

use videocloud_crds::BandwidthPoolSpec;
use videocloud_protocol::{
    ids::ContentId,
    tracker::{IntervalSamples, PoolTable},
};

use super::{
    belief::Beliefs,
    members::{Fleet, Heard, members},
    models,
    solve::{Order, solve},
    tenants::Tenants,
    terms::terms,
};
use crate::index::Wanted;

/// A pool's beliefs, and what its videos ask.
#[derive(Debug)]
pub struct Loop {
    beliefs: Beliefs,
    spec: BandwidthPoolSpec,
    wanted: BTreeMap<ContentId, Vec<Wanted>>,
    warm: Option<f64>,
}

impl Loop {
    /// A pool that knows nothing yet.
    #[must_use]
    pub fn new(spec: BandwidthPoolSpec, wanted: BTreeMap<ContentId, Vec<Wanted>>) -> Self {
        Self { beliefs: Beliefs::default(), spec, wanted, warm: None }
    }

    /// Takes an interval in.
    pub fn learn(&mut self, interval: &IntervalSamples) {
        let wanted = &self.wanted;
        self.beliefs.learn("bench", interval, false, |content| wanted.contains_key(content));
    }

    /// Solves and gives the table, and what all swarms need of what there is.
    #[must_use]
    pub fn solve(&mut self) -> (Option<PoolTable>, f64, f64) {
        let now = (std::time::Instant::now(), std::time::Duration::from_secs(900));
        let capacity = self.spec.capacity_bytes_per_second.get();
        let members = members(&[], capacity, &Fleet::default(), &mut Heard::new(), now);
        let labels = |_: &str| BTreeMap::new();
        let terms = terms(&self.wanted, &self.spec, &mut Tenants::new(&self.spec.tenants, &labels), &members);
        let order = Order { spec: self.spec.clone(), terms, members, seed: 1, warm: self.warm };
        let Ok(solved) = solve(&mut self.beliefs, &order) else { return (None, 0.0, 0.0) };
        self.warm = solved.warm;
        (solved.table, solved.needed, solved.available)
    }

    /// The models as they are kept.
    #[must_use]
    pub fn models(&self) -> Option<String> {
        models::encode(&self.beliefs).ok()
    }
}
