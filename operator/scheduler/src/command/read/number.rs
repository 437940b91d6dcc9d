//! Numbers of the command line.

use videocloud_scheduler::units::BytesPerSecond;

/// A capacity in bytes per second, never more than the text says.
pub(crate) fn capacity(text: &str) -> Result<BytesPerSecond, String> {
    let number: f64 = text.trim().parse().map_err(|_| "not a number; write bytes per second such as 2e9".to_owned())?;
    let rate = BytesPerSecond::new(number)
        .map_err(|_| format!("not a capacity; write bytes per second from 0 to {:e}", BytesPerSecond::MAX.get()))?;
    // The number nearest to a decimal fraction may be above it.
    Ok(if number.fract() == 0.0 { rate } else { BytesPerSecond::clamped(number.next_down()) })
}
