//! Rates as text whose exact decimal sum keeps to the capacity.
//!
//! Rates are multiples of a power of two, so whoever reads them back as `f64` adds them up exactly. Their
//! shortest decimals are not the same numbers: each may lie half a unit in the last place above. Where the
//! solver left its slack that cannot matter; elsewhere decimals are cut, never rounded up.

use std::fmt::Write as _;

/// Part of a capacity far above what shortest decimals can add, and below the solver's slack.
const CLEARANCE: f64 = 1e-13;

/// Significant digits that always read back as the same number, however they are cut.
const DIGITS: usize = 18;

/// How rates are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decimals {
    /// As few digits as read back as the same number.
    Shortest,
    /// Never above the number, and still read back as the same.
    NotAbove,
}

impl Decimals {
    /// What is needed where each of these sums must keep to its capacity.
    pub(crate) fn for_sums(sums: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let clear = |(sum, capacity): (f64, f64)| sum <= capacity * (1.0 - CLEARANCE);
        if sums.into_iter().all(clear) { Self::Shortest } else { Self::NotAbove }
    }

    /// Appends a rate to the text.
    pub(crate) fn push(self, rate: f64, text: &mut String) {
        match self {
            Self::NotAbove if rate.fract() != 0.0 => text.push_str(&not_above(rate)),
            // Writing to a string cannot fail.
            _ => drop(write!(text, "{rate}")),
        }
    }
}

/// A decimal that is not above the number and reads back as it.
fn not_above(number: f64) -> String {
    let leading = number.log10().floor() as i32;
    let decimals = (DIGITS as i32 - 1 - leading).max(0) as usize;
    // Formatting rounds correctly: unless the digits behind the cut were rounded up to zeros, those before
    // it are the exact ones. 1,100 decimals are exact for any number.
    let mut text = format!("{number:.*}", decimals + 4);
    if text.ends_with("0000") {
        text = format!("{number:.1100}");
    }
    let point = text.find('.').unwrap_or(text.len());
    text.truncate((point + 1 + decimals).min(text.len()));
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_decimals_read_back_and_are_not_above() {
        let mut state = 7_u64;
        for _ in 0..2000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = f64::from_bits((state >> 12) | 1023 << 52) * 2.0_f64.powi((state % 101) as i32 - 70);
            let text = not_above(number);
            assert_eq!(text.parse::<f64>().ok(), Some(number), "{text}");
            let exact = format!("{number:.1100}");
            assert!(exact.starts_with(&text), "{text} is no beginning of {exact}");
        }
        assert_eq!(not_above(0.1), "0.100000000000000005");
        assert_eq!(not_above(0.3), "0.299999999999999988");
    }
}
