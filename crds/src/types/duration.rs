//! Durations written the way people write them: `90s`, `30m`, `24h`, `7d`, `2w`.

use std::time::Duration;

use super::text::text_type;

text_type! {
    /// A whole number and one unit: `s`, `m`, `h`, `d` or `w`.
    DurationText, 2..=8, "Duration: a whole number and one of s, m, h, d, w; for example 24h or 7d.", [
        "self.matches('^[1-9][0-9]*[smhdw]$')" =>
            "must be a whole number above zero and one unit of s, m, h, d or w, for example 24h or 7d",
    ]
}

/// Why a text is no duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("failed to read duration {0:?}: expected a whole number and one of s, m, h, d, w")]
pub struct DurationError(String);

impl DurationText {
    /// The duration the text stands for.
    ///
    /// # Errors
    /// When the text is not a whole number above zero followed by one unit.
    pub fn parse(&self) -> Result<Duration, DurationError> {
        let failure = || DurationError(self.as_str().to_owned());
        let unit = self.as_str().chars().last().ok_or_else(failure)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return Err(failure()),
        };
        let digits = &self.as_str()[..self.as_str().len() - 1];
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(failure());
        }
        let count: u64 = digits.parse().map_err(|_| failure())?;
        match count.checked_mul(seconds) {
            Some(0) | None => Err(failure()),
            Some(total) => Ok(Duration::from_secs(total)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::DurationText;

    #[test]
    fn parses_every_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1_800), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600)] {
            assert_eq!(DurationText::from(text).parse(), Ok(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn refuses_what_the_api_server_refuses() {
        for text in ["", "s", "0s", "1y", "1h30m", "-1h", "+1h", "1.5h", "h1", "1é", "99999999999999999999s"] {
            assert!(DurationText::from(text).parse().is_err(), "{text:?}");
        }
    }
}
