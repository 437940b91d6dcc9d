//! What one connection takes of the capacity: its bytes, and the headers of the packets they travel in.
//!
//! A content's rate counts what is said to clients; the capacity is that of a network, which carries headers, acknowledgements and
//! repetitions as well. So a piece is paid for with the headers it is likely to need, and now and then the bill is settled by the
//! kernel's own count of what went out ([`crate::connections::wire`]).

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{UNLIMITED, gate::Gate};

/// Headers of a packet as interfaces count them: Ethernet 14, IPv4 20, TCP 20 with timestamps 12; IPv6 has 20 more.
const HEADERS_V4: u64 = 14 + 20 + 20 + 12;
const HEADERS_V6: u64 = HEADERS_V4 + 20;
/// Packets of a connection that its socket does not count: the answer to its opening, and those that end it.
const UNCOUNTED: u64 = 4;
/// Bytes of a packet until the kernel says how many there are.
const SEGMENT: u64 = 1400;
/// When the bill is settled: after so many bytes, or so long.
const SETTLE_BYTES: u64 = 64 << 10;
const SETTLE_AFTER: Duration = Duration::from_millis(200);

/// A connection as the kernel counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wire {
    /// Bytes that went out, those sent again included, without headers.
    pub bytes: u64,
    /// Packets that went out, with bytes or without. Wraps.
    pub segments: u32,
    /// Bytes that wait in the kernel.
    pub waiting: u64,
    /// Most bytes of a packet.
    pub segment: u64,
}

/// The bill of one connection.
#[derive(Debug)]
pub struct Meter {
    total: Arc<Gate>,
    headers: u64,
    bill: Mutex<Bill>,
}

#[derive(Debug)]
struct Bill {
    paid: u64,
    segment: u64,
    /// Packets, and the kernel's count at the last look.
    segments: u64,
    seen: u32,
    since: u64,
    settled: Instant,
}

impl Meter {
    pub(super) fn new(total: Arc<Gate>, v6: bool) -> Self {
        let headers = if v6 { HEADERS_V6 } else { HEADERS_V4 };
        let bill = Bill { paid: 0, segment: SEGMENT, segments: UNCOUNTED, seen: 0, since: 0, settled: Instant::now() };
        Self { total, headers, bill: Mutex::new(bill) }
    }

    /// Pays for `bytes` at once, if nobody waits and there is no debt.
    pub(super) fn try_pass(&self, bytes: u64) -> bool {
        let cost = self.cost(bytes);
        let passed = self.total.try_pass(|_| cost).is_some();
        if passed {
            self.note(cost, bytes);
        }
        passed
    }

    /// Waits for its turn and pays for `bytes`.
    pub(super) async fn pass(&self, bytes: u64) {
        let cost = self.cost(bytes);
        self.total.pass(|_| cost).await;
        self.note(cost, bytes);
    }

    /// Gives back what was paid for `bytes` that were not sent.
    pub(super) fn give_back(&self, bytes: u64) {
        let cost = self.cost(bytes);
        let mut bill = self.bill();
        let back = cost.min(bill.paid);
        bill.paid -= back;
        drop(bill);
        self.total.give_back(back);
    }

    /// Whether it is time to settle. Never where nothing is limited.
    #[must_use]
    pub fn is_due(&self) -> bool {
        if self.total.rate() == UNLIMITED {
            return false;
        }
        let bill = self.bill();
        bill.since >= SETTLE_BYTES || bill.settled.elapsed() >= SETTLE_AFTER
    }

    /// Pays for what went out beyond what was paid for, or gets back what was paid and not needed.
    pub fn settle(&self, wire: &Wire) {
        let mut bill = self.bill();
        bill.segments += u64::from(wire.segments.wrapping_sub(bill.seen));
        (bill.seen, bill.segment) = (wire.segments, wire.segment.clamp(256, 1 << 16));
        (bill.since, bill.settled) = (0, Instant::now());
        let waiting = wire.waiting + wire.waiting.div_ceil(bill.segment) * self.headers;
        let due = wire.bytes + bill.segments * self.headers + waiting;
        let paid = std::mem::replace(&mut bill.paid, due);
        drop(bill);
        if due >= paid {
            self.total.charge(due - paid);
        } else {
            self.total.give_back(paid - due);
        }
    }

    fn note(&self, cost: u64, bytes: u64) {
        let mut bill = self.bill();
        bill.paid += cost;
        bill.since += bytes;
    }

    fn cost(&self, bytes: u64) -> u64 {
        bytes.saturating_add(bytes.div_ceil(self.bill().segment).saturating_mul(self.headers))
    }

    fn bill(&self) -> MutexGuard<'_, Bill> {
        self.bill.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_is_what_the_kernel_counts() {
        let total = Arc::new(Gate::new(1_000_000));
        let meter = Meter::new(Arc::clone(&total), false);
        assert!(meter.try_pass(14_000));
        assert_eq!(meter.bill().paid, 14_000 + 10 * HEADERS_V4);
        // Half is still in the kernel, and it took more packets than was thought.
        let wire = Wire { bytes: 7000, segments: 9, waiting: 7000, segment: 1000 };
        meter.settle(&wire);
        assert_eq!(meter.bill().paid, 14_000 + (9 + 7 + UNCOUNTED) * HEADERS_V4);
        // Sent again, and the count wraps.
        meter.settle(&Wire { bytes: 15_000, segments: u32::MAX, waiting: 0, ..wire });
        let before = meter.bill().paid;
        meter.settle(&Wire { bytes: 15_000, segments: 1, waiting: 0, ..wire });
        assert_eq!(meter.bill().paid - before, 2 * HEADERS_V4);
    }

    #[test]
    fn what_was_not_needed_comes_back() {
        let total = Arc::new(Gate::new(1_000_000));
        let meter = Meter::new(Arc::clone(&total), true);
        assert!(meter.try_pass(500_000) && !meter.try_pass(1));
        meter.settle(&Wire { bytes: 0, segments: 0, waiting: 0, segment: 1448 });
        assert_eq!(meter.bill().paid, UNCOUNTED * HEADERS_V6);
        meter.give_back(u64::MAX / 4);
        assert_eq!(meter.bill().paid, 0);
    }
}
