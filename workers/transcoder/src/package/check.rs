//! The last look at what will be published, by another reader than the writer: ffprobe on the finished files.

use std::path::Path;

use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::rendition::TreePath;

use super::Work;
use super::join::Joined;
use crate::plan::{Timing, ladder::Picture, ticks_digest};
use crate::probe::{self, Container};

fn wrong(why: String) -> Failure {
    Failure::new(FailureClass::BadInput, reason::VALIDATION_FAILED, format!("failed to validate the output: {why}"))
}

/// Checks the tracks of one rendition: frames at exactly the planned times, the planned duration, keyframes equal to those of
/// the renditions before (`keyframes`, in seconds).
pub(super) async fn tracks(
    work: &Work<'_>,
    folder: &Path,
    joined: &[(TreePath, Joined)],
    picture: Option<&Picture>,
    keyframes: &mut Option<Vec<f64>>,
) -> Result<(), Failure> {
    for (name, track) in joined {
        let file = folder.join(format!("{name}.mp4"));
        let stop = &work.driver.stop;
        let packets = probe::packets(&work.driver.tools, &file, Container::Mov, 0, folder, stop).await?;
        if packets.len() != track.samples.len() {
            return Err(wrong(format!("{name} reads as {} packets instead of {}", packets.len(), track.samples.len())));
        }
        if !track.head.entry.is_video() {
            continue;
        }
        let mut ticks: Vec<i64> = packets.iter().filter_map(|packet| packet.pts).collect();
        ticks.sort_unstable();
        let written = track.samples.iter().map(|sample| sample.decode);
        if ticks_digest(ticks.iter().copied()) != ticks_digest(written) {
            return Err(wrong(format!("{name} reads with other times than were written")));
        }
        let scale = f64::from(track.head.timescale);
        let keys: Vec<f64> =
            packets.iter().filter(|p| p.key).filter_map(|p| p.pts).map(|pts| pts as f64 / scale).collect();
        if keyframes.get_or_insert_with(|| keys.clone()) != &keys {
            return Err(wrong(format!("keyframes of {name} are not those of the other renditions")));
        }
        duration(work, track, picture)?;
    }
    Ok(())
}

/// The joined track lasts as long as planned.
fn duration(work: &Work<'_>, track: &Joined, picture: Option<&Picture>) -> Result<(), Failure> {
    let plan = work.plan;
    match plan.timing {
        Timing::Exact { start, end, .. } => {
            let planned = end - start + plan.lead();
            if track.end() != planned {
                return Err(wrong(format!("the picture ends at tick {} instead of {planned}", track.end())));
            }
            let expected: u64 = plan
                .chunks
                .iter()
                .flat_map(|chunk| &chunk.expected)
                .filter(|expected| picture.is_some_and(|picture| picture.keep_every == expected.keep_every))
                .map(|expected| expected.frames)
                .sum();
            if track.samples.len() as u64 != expected {
                return Err(wrong(format!("it has {} frames instead of {expected}", track.samples.len())));
            }
        }
        Timing::Grid { .. } | Timing::SoundOnly => {}
    }
    Ok(())
}

/// All tracks together last about as long as the source declares: a source that was cut off decodes without a complaint.
pub(super) fn complete(work: &Work<'_>, joined: &[(TreePath, Joined)]) -> Result<(), Failure> {
    let declared = work.plan.facts.duration_millis.unwrap_or(0);
    let millis = |track: &Joined| {
        let ticks = u64::try_from(track.end().max(0)).unwrap_or(0);
        ticks.saturating_mul(1000) / u64::from(track.head.timescale.max(1))
    };
    let made = joined.iter().map(|(_, track)| millis(track)).max().unwrap_or(0);
    if made + 1000 + declared / 20 < declared {
        let why = format!(
            "failed to validate the output: the source declares {declared} ms and holds {made} ms; it is cut off, fetch it again"
        );
        return Err(Failure::new(FailureClass::BadInput, reason::CORRUPT_MEDIA, why));
    }
    Ok(())
}
