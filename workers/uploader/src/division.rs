//! Follows how the tracker divides rates among uploaders: it says at once when that changes, so that a new table is asked for when it
//! is made and not with the next report. What the table says comes with the report (`report`), not here.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::catalogue::Standing;

/// Longest wait in one call.
const WAIT: Duration = Duration::from_secs(30);
/// Times between calls that fail: the first, and the most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Tells `division` the number of each new division, until `closing` is cancelled.
pub async fn follow(standing: Arc<Standing>, division: watch::Sender<u64>, closing: CancellationToken) {
    let mut pause = AGAIN.0;
    loop {
        let known = *division.borrow();
        let call = standing.tracker().division(known, WAIT);
        let Some(answer) = closing.run_until_cancelled(call).await else { return };
        match answer {
            Ok(answer) => {
                pause = AGAIN.0;
                division.send_if_modified(|number| std::mem::replace(number, answer.number) != answer.number);
            }
            Err(error) => {
                standing.note(&error);
                // Reports go on by the clock, and say what is wrong.
                tracing::debug!(%error, "not told of new tables");
                let jittered = pause.mul_f64(rand::random_range(0.5..1.0));
                pause = (2 * pause).min(AGAIN.1);
                if closing.run_until_cancelled(tokio::time::sleep(jittered)).await.is_none() {
                    return;
                }
            }
        }
    }
}
