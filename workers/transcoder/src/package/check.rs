//! The last look at what will be published, by another reader than the writer: ffprobe on the finished files. What was seen goes
//! into the report.

use std::path::Path;
use std::sync::OnceLock;

use serde::Serialize;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::rendition::TreePath;

use super::Work;
use super::join::Joined;
use crate::plan::ladder::{Picture, RenditionPlan};
use crate::plan::{Timing, ticks_digest};
use crate::probe::{self, Container, Packet};
use crate::quality::borders::{self, Border};

/// What was checked of a rendition, and found right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checks {
    /// Its tracks, first in files of their own, then in the progressive file.
    pub tracks: Vec<TrackCheck>,
    /// Chunk borders whose quality was measured.
    pub borders: Vec<Border>,
}

/// A track as another reader sees it: its packets are the planned ones, decoding times increase and precede presentation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackCheck {
    /// The file.
    pub file: String,
    /// Stream number in it.
    pub stream: u32,
    /// Packets.
    pub packets: usize,
    /// Keyframes, of a picture: at the same times in every rendition.
    pub keyframes: Option<usize>,
    /// Milliseconds from the beginning of the presentation to the end of the last packet.
    pub end_millis: u64,
}

fn wrong(why: String) -> Failure {
    Failure::new(FailureClass::BadInput, reason::VALIDATION_FAILED, format!("failed to validate the output: {why}"))
}

/// Checks the tracks of one rendition: frames at exactly the planned times, the planned duration, keyframes equal to those of
/// the other renditions (`keyframes`, in seconds), borders between chunks that show the right frames.
pub(super) async fn tracks(
    work: &Work<'_>,
    folder: &Path,
    joined: &[(TreePath, Joined)],
    rendition: &RenditionPlan,
    keyframes: &OnceLock<Vec<f64>>,
) -> Result<Checks, Failure> {
    let mut checks = Checks { tracks: Vec::new(), borders: Vec::new() };
    for (name, track) in joined {
        let file = folder.join(format!("{name}.mp4"));
        let packets = one(work, &file, 0, track, &mut checks).await?;
        if !track.head.entry.is_video() {
            continue;
        }
        let scale = f64::from(track.head.timescale);
        let keys: Vec<f64> =
            packets.iter().filter(|p| p.key).filter_map(|p| p.pts).map(|pts| pts as f64 / scale).collect();
        if keyframes.get_or_init(|| keys.clone()) != &keys {
            return Err(wrong(format!("keyframes of {name} are not those of the other renditions")));
        }
        duration(work, track, rendition.picture.as_ref())?;
        let source = &work.ingested.source;
        checks.borders = borders::measure(work.driver, work.plan, rendition, source, track, &file, folder).await?;
    }
    Ok(checks)
}

/// Checks the streams of the progressive file, which are the tracks in order.
pub(super) async fn progressive(
    work: &Work<'_>,
    file: &Path,
    joined: &[(TreePath, Joined)],
    checks: &mut Checks,
) -> Result<(), Failure> {
    for (stream, (_, track)) in (0..).zip(joined) {
        one(work, file, stream, track, checks).await?;
    }
    Ok(())
}

/// Reads stream number `stream` of `file`, which must be `track`.
async fn one(
    work: &Work<'_>,
    file: &Path,
    stream: u32,
    track: &Joined,
    checks: &mut Checks,
) -> Result<Vec<Packet>, Failure> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = file.parent().unwrap_or(work.scratch);
    let packets = probe::packets(&work.driver.tools, file, Container::Mov, stream, folder, &work.driver.stop).await?;
    if packets.len() != track.samples.len() {
        return Err(wrong(format!("{name} reads as {} packets instead of {}", packets.len(), track.samples.len())));
    }
    let decoding: Option<Vec<i64>> = packets.iter().map(|packet| packet.dts).collect();
    if !decoding.is_some_and(|times| times.windows(2).all(|pair| pair[0] < pair[1])) {
        return Err(wrong(format!("decoding times of {name} do not increase")));
    }
    if packets.iter().any(|packet| packet.pts < packet.dts) {
        return Err(wrong(format!("{name} shows a frame before it is decoded")));
    }
    let picture = track.head.entry.is_video();
    if picture {
        let mut ticks: Vec<i64> = packets.iter().filter_map(|packet| packet.pts).collect();
        ticks.sort_unstable();
        let written = track.samples.iter().map(|sample| sample.decode);
        if ticks_digest(ticks.iter().copied()) != ticks_digest(written) {
            return Err(wrong(format!("{name} reads with other times than were written")));
        }
    }
    checks.tracks.push(TrackCheck {
        file: name,
        stream,
        packets: packets.len(),
        keyframes: picture.then(|| packets.iter().filter(|packet| packet.key).count()),
        end_millis: millis(track),
    });
    Ok(packets)
}

/// Milliseconds from the beginning of the presentation to the end of `track`.
pub(super) fn millis(track: &Joined) -> u64 {
    let ticks = u64::try_from((track.end() - i64::from(track.head.skip)).max(0)).unwrap_or(0);
    ticks.saturating_mul(1000) / u64::from(track.head.timescale.max(1))
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
    let made = joined.iter().map(|(_, track)| millis(track)).max().unwrap_or(0);
    if made + 1000 + declared / 20 < declared {
        let why = format!(
            "failed to validate the output: the source declares {declared} ms and holds {made} ms; it is cut off, fetch it again"
        );
        return Err(Failure::new(FailureClass::BadInput, reason::CORRUPT_MEDIA, why));
    }
    Ok(())
}
