//! What replies say of a file and of a data connection: `SIZE`, `MDTM` (RFC 3659), `EPSV` (RFC 2428), `PASV` (RFC 959). Pure.

use std::time::SystemTime;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The size of a 213 reply to `SIZE`, bytes.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The time of a 213 reply to `MDTM` (`YYYYMMDDHHMMSS[.sss]`, UTC), in the form HTTP has it: one content has one date, whatever it
/// is fetched by.
#[must_use]
pub fn modified(text: &str) -> Option<String> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| whole.get(range)?.parse::<i8>().ok();
    // The 60th second of a minute is a leap second; no file system keeps it.
    let year = whole.get(..4)?.parse().ok()?;
    let time = DateTime::new(year, part(4..6)?, part(6..8)?, part(8..10)?, part(10..12)?, part(12..14)?, 0).ok()?;
    let time = SystemTime::from(time.to_zoned(TimeZone::UTC).ok()?.timestamp());
    // Dates before 1970 have no form there; a clock that says so knows nothing.
    (time >= SystemTime::UNIX_EPOCH).then(|| httpdate::fmt_http_date(time))
}

/// The port of a 229 reply to `EPSV`: `(<d><d><d>port<d>)`.
#[must_use]
pub fn extended_port(text: &str) -> Option<u16> {
    let inside = text.split_once('(')?.1.split_once(')')?.0;
    let mut characters = inside.chars();
    let delimiter = characters.next().filter(|c| c.is_ascii_graphic() && !c.is_ascii_digit())?;
    let port = inside.strip_prefix(&*delimiter.to_string().repeat(3))?.strip_suffix(delimiter)?;
    number(port)
}

/// The port of a 227 reply to `PASV`: `h1,h2,h3,h4,p1,p2` somewhere in it. The address is read only to know that it is one: a
/// data connection goes to where the control connection goes, never to a host that a reply names.
#[must_use]
pub fn passive_port(text: &str) -> Option<u16> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let rest = &text[start..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(rest.len());
    let numbers: Vec<u8> = rest[..end].split(',').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [_, _, _, _, high, low] = numbers[..] else { return None };
    Some(u16::from_be_bytes([high, low])).filter(|port| *port != 0)
}

fn number(text: &str) -> Option<u16> {
    let port = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())??;
    (port != 0).then_some(port)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_and_dates() {
        assert_eq!(size(" 1048576 "), Some(1 << 20));
        assert_eq!(modified("19941106084937").as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(modified("20240229235959.123").as_deref(), Some("Thu, 29 Feb 2024 23:59:59 GMT"));
        for bad in ["", "-1", "+1", "1 2", "0x10", "99999999999999999999999"] {
            assert_eq!(size(bad), None, "{bad}");
        }
        for bad in ["", "1994110608493", "19941306084937", "20230229000000", "19691231235959", "+9941106084937", "é"] {
            assert_eq!(modified(bad), None, "{bad}");
        }
    }

    #[test]
    fn ports() {
        assert_eq!(extended_port("Entering Extended Passive Mode (|||6446|)"), Some(6446));
        assert_eq!(extended_port("ok (!!!1!)."), Some(1));
        assert_eq!(passive_port("Entering Passive Mode (10,0,0,1,4,1)."), Some(1025));
        assert_eq!(passive_port("=127,0,0,1,255,255"), Some(65535));
        for bad in ["", "(|||0|)", "(|||65536|)", "(|||+1|)", "(||1|)", "(1111)", "()", "(|1|127.0.0.1|5|)", "(é"] {
            assert_eq!(extended_port(bad), None, "{bad}");
        }
        for bad in ["", "1,2,3,4,5", "1,2,3,4,0,0", "1,2,3,4,256,1", "1,2,3,4,5,6,7", "1,,2,3,4,5,6"] {
            assert_eq!(passive_port(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,60}", ports in "[(|]*[0-9,|)é]{0,40}") {
            for text in [text, ports] {
                let _ = (size(&text), modified(&text), extended_port(&text), passive_port(&text));
            }
        }

        #[test]
        fn reads_what_servers_write(port in 1_u16.., seconds in 0_u64..4_102_444_800) {
            let [high, low] = port.to_be_bytes();
            prop_assert_eq!(passive_port(&format!("Entering Passive Mode (1,2,3,4,{high},{low})")), Some(port));
            prop_assert_eq!(extended_port(&format!("(|||{port}|)")), Some(port));
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            let date = jiff::Timestamp::try_from(time).unwrap().strftime("%Y%m%d%H%M%S").to_string();
            prop_assert_eq!(modified(&date), Some(httpdate::fmt_http_date(time)));
        }
    }
}
