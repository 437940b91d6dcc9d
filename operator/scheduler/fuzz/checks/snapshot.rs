//! A snapshot of the estimator as any bytes: refused, or a bank that goes on learning and can be written again.

use videocloud_scheduler::estimator::trial::workload;
use videocloud_scheduler::estimator::{Bank, Estimator, SwarmId};

/// Any bytes as a snapshot.
pub fn snapshot(bytes: &[u8]) {
    // The checksum keeps a fuzzer out of the parser; the last bytes are put right for it.
    let body = bytes.get(..bytes.len().saturating_sub(8)).unwrap_or_default();
    let mended = [body, &Bank::checksum(body).to_le_bytes()].concat();
    for bytes in [bytes, &mended] {
        let Ok(mut bank) = Bank::restore(bytes) else { continue };
        assert_eq!(bank.snapshot(), bytes);
        let last = (0..64).find(|&i| bank.knows(SwarmId(i)));
        bank.update(&workload(64, 1 << 20, 1));
        if let Some(estimate) = last.and_then(|i| bank.estimate(SwarmId(i))) {
            assert!(estimate.a_error.is_finite() && estimate.power.ln_f().is_finite());
        }
        assert!(Bank::restore(&bank.snapshot()).is_ok());
    }
}
