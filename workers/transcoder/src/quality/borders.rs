//! A look at the frames on both sides of chunk borders. Ticks prove that each frame is at its time; this proves that it is the
//! right one, and says what the border costs.

use std::path::Path;

use serde::Serialize;
use videocloud_protocol::failure::{Failure, FailureClass, reason};

use super::vmaf::{self, Comparison, Scores, Stretch};
use crate::encode::{Driver, LocalSource};
use crate::package::join::Joined;
use crate::plan::{Plan, Timing, ladder::RenditionPlan};

/// Borders of a rendition that are looked at, evenly spread.
const MOST: usize = 5;
/// Frames on each side.
const SIDE: usize = 6;
/// By how much the frames beside must resemble more before the picture counts as shifted.
const CLEARLY: f64 = 6.0;

/// What was seen at one border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Border {
    /// Tick of the first frame after it, on the output's clock.
    pub tick: i64,
    /// Mean VMAF of the frames around it, times 1,000.
    pub mean_vmaf_milli: u32,
    /// VMAF of the worst of them, times 1,000.
    pub worst_vmaf_milli: u32,
}

/// Looks at borders of `track`, whose file is `made`. Nothing without libvmaf or without borders.
///
/// # Errors
/// `ValidationFailed` when the picture is shifted, else the [`Failure`] of ffmpeg.
pub async fn measure(
    driver: &Driver,
    plan: &Plan,
    rendition: &RenditionPlan,
    source: &LocalSource,
    track: &Joined,
    made: &Path,
    folder: &Path,
) -> Result<Vec<Border>, Failure> {
    let mut borders = Vec::new();
    let Timing::Exact { start, .. } = plan.timing else { return Ok(borders) };
    if driver.tools.vmaf.is_none() {
        return Ok(borders);
    }
    let to_output = |tick: i64| tick - start + plan.lead();
    let inner: Vec<i64> = plan.chunks.iter().skip(1).map(|chunk| to_output(chunk.start)).collect();
    for tick in spread(&inner) {
        let after = track.samples.partition_point(|sample| sample.decode < tick);
        let first = after.saturating_sub(SIDE);
        let time = |index: usize| track.samples.get(index).map_or(track.end(), |sample| sample.decode);
        let of_made = Stretch { start: time(first), end: time(after + SIDE) };
        let to_source = |tick: i64| tick - plan.lead() + start;
        let of_source = Stretch { start: to_source(of_made.start), end: to_source(of_made.end) };
        let comparison = Comparison { plan, rendition, source, of_source, made, of_made: Some(of_made) };
        let scores = vmaf::measure(driver, &comparison, true, folder).await?;
        borders.push(judge(tick, &scores, after - first)?);
    }
    Ok(borders)
}

/// At most [`MOST`] of `borders`, from the first to the last.
fn spread(borders: &[i64]) -> Vec<i64> {
    let count = borders.len().min(MOST);
    let index = |n: usize| if count > 1 { n * (borders.len() - 1) / (count - 1) } else { 0 };
    (0..count).filter_map(|n| borders.get(index(n)).copied()).collect()
}

/// Judges the scores around `tick`, of which the first `before` are of frames before it: one chunk may be right and the other not.
fn judge(tick: i64, scores: &Scores, before: usize) -> Result<Border, Failure> {
    let wrong = |why: String| {
        let message = format!("failed to validate the output: around tick {tick} {why}");
        Failure::new(FailureClass::BadInput, reason::VALIDATION_FAILED, message)
    };
    let worst = scores.aligned.iter().copied().min_by(f64::total_cmp);
    let worst = worst.ok_or_else(|| wrong("there are no frames to compare".to_owned()))?;
    // Of the second row of neighbours, the first is of the frame after the first.
    let [next, previous] = &scores.beside;
    for side in [0..before, before..scores.aligned.len()] {
        let of = |scores: &[f64], skip: usize| {
            let range = side.start.saturating_sub(skip)..side.end.saturating_sub(skip).min(scores.len());
            median(scores.get(range).unwrap_or_default())
        };
        let here = of(&scores.aligned, 0);
        if let Some(better) = [of(next, 0), of(previous, 1)].into_iter().find(|beside| *beside > here + CLEARLY) {
            return Err(wrong(format!(
                "frames resemble their neighbours (VMAF {better:.1}) more than themselves ({here:.1}): the picture is shifted"
            )));
        }
    }
    let mean = scores.aligned.iter().sum::<f64>() / scores.aligned.len() as f64;
    Ok(Border { tick, mean_vmaf_milli: milli(mean), worst_vmaf_milli: milli(worst) })
}

fn median(scores: &[f64]) -> f64 {
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Thousandths of a score.
pub(super) fn milli(score: f64) -> u32 {
    (score.clamp(0.0, 100.0) * 1000.0).round() as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn borders_are_spread_over_the_whole() {
        assert!(spread(&[]).is_empty());
        assert_eq!(spread(&[7]), [7]);
        assert_eq!(spread(&[1, 2, 3]), [1, 2, 3]);
        let many: Vec<i64> = (0..101).collect();
        assert_eq!(spread(&many), [0, 25, 50, 75, 100]);
    }

    #[test]
    fn a_shift_is_told_from_a_poor_encode() {
        let of =
            |here: f64, before: f64| Scores { aligned: vec![here; 12], beside: [vec![before; 11], vec![20.0; 11]] };
        assert_eq!(judge(9, &of(62.5, 50.0), 6).unwrap().worst_vmaf_milli, 62_500);
        // A still picture: all are alike.
        assert!(judge(9, &of(95.0, 95.0), 6).is_ok());
        let mut half = of(97.0, 60.0);
        half.aligned[6..].fill(44.0);
        half.beside[1][5..].fill(95.0);
        let shifted = judge(9, &half, 6).unwrap_err();
        assert_eq!(shifted.reason, reason::VALIDATION_FAILED);
        assert!(judge(9, &Scores { aligned: vec![], beside: [vec![], vec![]] }, 0).is_err());
    }
}
