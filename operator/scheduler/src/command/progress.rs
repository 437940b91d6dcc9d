//! Bars on the terminal for work one would wait for; nothing where no terminal is.

use indicatif::{ProgressBar, ProgressStyle};

/// Input below this size is read before a bar could be seen.
const WORTH_A_BAR: u64 = 8 << 20;

/// A bar that counts bytes of a file.
pub(crate) fn bytes(name: &str, length: u64) -> ProgressBar {
    if length < WORTH_A_BAR {
        return ProgressBar::hidden();
    }
    styled(ProgressBar::new(length), name, "{msg:<24} {wide_bar} {bytes}/{total_bytes} {eta}")
}

/// A bar that counts steps, whose number may grow.
pub(crate) fn steps(name: &str) -> ProgressBar {
    styled(ProgressBar::new(0), name, "{msg:<24} {wide_bar} {pos}/{len} {eta}")
}

fn styled(bar: ProgressBar, name: &str, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_message(name.to_owned())
}
