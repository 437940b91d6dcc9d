//! Does the clock of a stream jump? Where a recording ends and another follows, or an encoder was started anew, time steps back or
//! leaps. A player goes on regardless; a file that keeps such times would show hours of nothing. Times before zero, as they are read
//! before a 33-bit clock runs over, would be taken for hidden ones.

use std::path::Path;

use videocloud_protocol::failure::Failure;

use super::Ingested;
use crate::encode::Driver;
use crate::probe::{self, Packet};

/// Longest step forward, in seconds, that can be a pause.
const LEAP: f64 = 10.0;
/// A step is a leap only when it is so many times the usual one: slides follow each other slowly.
const UNUSUAL: i64 = 20;

/// What the times of a track do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Steady,
    Leaps,
    StepsBack,
}

/// Whether the clock of `source` jumps; `video` are its packets of video in the order of the file.
///
/// # Errors
/// The [`Failure`] of ffprobe.
pub(super) async fn clock_jumps(
    driver: &Driver,
    source: &Ingested,
    video: &[Packet],
    scratch: &Path,
) -> Result<bool, Failure> {
    let facts = &source.facts;
    let Some(scale) = facts.video.as_ref().map(|video| video.time_base.value()) else { return Ok(false) };
    match (course(video, scale), facts.audio.first()) {
        (Course::Steady, _) => Ok(false),
        (Course::StepsBack, _) | (Course::Leaps, None) => Ok(true),
        // A picture that stands still is no jump: then the sound goes on.
        (Course::Leaps, Some(audio)) => {
            let local = &source.source;
            let (tools, stop) = (&driver.tools, &driver.stop);
            let sound = probe::packets(tools, &local.path, local.container, audio.stream, scratch, stop).await?;
            // Tracks of these containers share one clock.
            Ok(course(&sound, scale) != Course::Steady)
        }
    }
}

fn course(packets: &[Packet], scale: f64) -> Course {
    if packets.iter().filter_map(|packet| packet.pts).any(|time| time < 0) {
        return Course::StepsBack;
    }
    let times: Vec<i64> = packets.iter().filter_map(|packet| packet.dts.or(packet.pts)).collect();
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    if steps.iter().any(|step| *step < 0) {
        return Course::StepsBack;
    }
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(0).max(1);
    let leaps = |step: &i64| *step as f64 * scale > LEAP && *step / usual > UNUSUAL;
    if steps.last().is_some_and(leaps) { Course::Leaps } else { Course::Steady }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(times: &[i64]) -> Vec<Packet> {
        let packet = |time: &i64| Packet {
            pts: Some(*time),
            dts: Some(*time),
            duration: 1,
            size: 1,
            position: None,
            key: true,
            discard: false,
        };
        times.iter().map(packet).collect()
    }

    #[test]
    fn a_leap_is_long_and_unusual() {
        let of = |times: &[i64]| course(&packets(times), 0.04);
        assert_eq!(of(&[]), Course::Steady);
        assert_eq!(of(&[0, 1, 2, 3]), Course::Steady);
        assert_eq!(of(&[0, 1, 2, 250]), Course::Steady, "9.92 s");
        assert_eq!(of(&[0, 1, 2, 300, 301]), Course::Leaps);
        assert_eq!(of(&[0, 300, 600, 900]), Course::Steady, "slides");
        assert_eq!(of(&[5000, 5001, 5002, 0, 1]), Course::StepsBack);
        assert_eq!(of(&[-2, -1, 0, 1]), Course::StepsBack, "the clock runs over");
    }
}
