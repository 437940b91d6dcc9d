//! Follows how the tracker divides rates among uploaders: it says at once when that changes, so that a new table is asked for when it
//! is made and not with the next report. What the table says comes with the report (`report`), not here.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::catalogue::Standing;

/// Longest wait in one call.
const WAIT: Duration = Duration::from_secs(30);
/// Times between calls that fail, or end early without news: the first, and the most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Tells `division` the number of each new division, until `closing` is cancelled.
pub async fn follow(standing: Arc<Standing>, division: watch::Sender<u64>, closing: CancellationToken) {
    let mut pause = AGAIN.0;
    loop {
        let (known, asked) = (*division.borrow(), Instant::now());
        let call = standing.tracker().division(known, WAIT);
        let Some(answer) = closing.run_until_cancelled(call).await else { return };
        match answer {
            Ok(answer) => {
                let news =
                    division.send_if_modified(|number| std::mem::replace(number, answer.number) != answer.number);
                // A tracker that ends answers at once, with what is known.
                if news || asked.elapsed() >= WAIT / 2 {
                    pause = AGAIN.0;
                    continue;
                }
            }
            Err(error) => {
                standing.note(&error);
                // Reports go on by the clock, and say what is wrong.
                tracing::debug!(%error, "not told of new tables");
            }
        }
        // Who is not let in is refused for good if he knocks too often.
        let least = if standing.is_closed() { AGAIN.1 } else { pause };
        pause = (2 * pause).min(AGAIN.1);
        let jittered = least.mul_f64(rand::random_range(0.5..1.0));
        if closing.run_until_cancelled(tokio::time::sleep(jittered)).await.is_none() {
            return;
        }
    }
}
