//! What is there, lent to those who give of it to others: read from staging, at the rate that may be given away.

use std::sync::Arc;

use bytes::Bytes;
use videocloud_store::{Staging, StoreError};

use super::throttle::Throttle;
use crate::discover::Held;
use crate::source::BoxFuture;

struct Lent {
    staging: Arc<Staging>,
    throttle: Throttle,
}

/// What `staging` has, at `rate` bytes per second; `None` where nothing is given away.
pub(super) fn lend(staging: &Arc<Staging>, rate: u64) -> Option<Arc<dyn Held>> {
    let limit = (rate < u64::MAX).then_some(rate as f64);
    let held = || Arc::new(Lent { staging: Arc::clone(staging), throttle: Throttle::new(limit) });
    (rate > 0).then(|| -> Arc<dyn Held> { held() })
}

impl Held for Lent {
    fn read(&self, at: u64, length: usize) -> BoxFuture<'_, Result<Bytes, StoreError>> {
        Box::pin(async move {
            self.throttle.take(length as u64).await;
            self.staging.read_at(at, length).await
        })
    }
}
