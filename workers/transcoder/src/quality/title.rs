//! The rate factor of each title: sample scenes are encoded with several, and the cheapest that reaches the wanted VMAF is taken.
//!
//! Easy films need fewer bits than hard ones for the same look (the idea of Av1an's target quality and of per-title encoding).
//! Scenes are chunks of their own, encoded as the real ones will be, several factors in one process.

use std::path::Path;

use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::rendition::VideoCodec;

use super::borders::milli;
use super::vmaf::{self, Comparison, Stretch};
use crate::disk::fault;
use crate::encode::{Driver, LocalSource, video};
use crate::plan::ladder::{RenditionPlan, Tuned};
use crate::plan::{ChunkPlan, Plan, Timing};

/// Scenes that are looked at.
const SCENES: usize = 3;
/// Seconds of each, at least.
const SCENE_SECONDS: u32 = 4;
/// Distance of the first tries, and how far from the profile's factor the search may go.
const STEP: u8 = 6;
const FARTHEST: u8 = 14;

/// Chooses a factor for each rendition of `plan` that names a target.
///
/// # Errors
/// The [`Failure`] of an encode or a measurement; `BadSpec` when there is no ffmpeg with libvmaf.
pub async fn tune(driver: &Driver, source: &LocalSource, plan: &mut Plan, scratch: &Path) -> Result<(), Failure> {
    let scenes = scenes(plan);
    for index in 0..plan.renditions.len() {
        let Some(target) = plan.renditions[index].settings.rate.target_vmaf else { continue };
        if plan.renditions[index].picture.is_none() {
            continue;
        }
        if scenes.is_empty() {
            tracing::warn!("the source's times are not dependable: its rate factor is the profile's");
            continue;
        }
        let mut search = Search::new(plan.renditions[index].settings.rate.crf, limit(&plan.renditions[index]));
        let target = f64::from(target);
        while let Some(candidates) = search.next(target) {
            let scores = trial(driver, source, plan, index, &scenes, &candidates, scratch).await?;
            search.seen.extend(candidates.into_iter().zip(scores));
        }
        let (crf, vmaf) = search.best(target).ok_or_else(|| {
            Failure::new(FailureClass::Transient, reason::INTERNAL, "failed to choose a rate factor: nothing was tried")
        })?;
        tracing::info!(rendition = plan.renditions[index].settings.name, crf, vmaf, target, "rate factor chosen");
        plan.renditions[index].tuned = Some(Tuned { crf, vmaf_milli: milli(vmaf) });
    }
    Ok(())
}

fn limit(rendition: &RenditionPlan) -> u8 {
    match rendition.settings.video {
        VideoCodec::H264 | VideoCodec::H264Baseline | VideoCodec::Hevc => 51,
        VideoCodec::Av1 | VideoCodec::Vp9 => 63,
    }
}

/// Stretches between planned keyframes, a sixth, a half and five sixths into the video; one if it is short.
fn scenes(plan: &Plan) -> Vec<ChunkPlan> {
    let Timing::Exact { end, .. } = plan.timing else { return Vec::new() };
    let mut keys: Vec<i64> =
        plan.chunks.iter().flat_map(|chunk| chunk.keys.iter().map(|key| chunk.start + key)).collect();
    keys.push(end);
    let groups = keys.len() - 1;
    let length = (SCENE_SECONDS.div_ceil(plan.keyframe_seconds.max(1)) as usize).min(groups);
    let count = if groups < 2 * SCENES * length { 1.min(groups) } else { SCENES };
    (0..count)
        .filter_map(|n| {
            let first = ((2 * n + 1) * groups / (2 * count)).saturating_sub(length / 2).min(groups - length);
            let (start, end) = (*keys.get(first)?, *keys.get(first + length)?);
            Some(ChunkPlan {
                index: u32::try_from(n).unwrap_or(0),
                start,
                end,
                // Well before it, so that no leading picture is missed.
                seek_micros: (first > 0).then(|| plan.clock.micros_up(start - plan.clock.seconds(2))),
                keys: keys[first..first + length].iter().map(|key| key - start).collect(),
                expected: Vec::new(),
                ahead: None,
                reads: Vec::new(),
            })
        })
        .collect()
}

/// Mean VMAF over all frames of all scenes for each of the factors.
async fn trial(
    driver: &Driver,
    source: &LocalSource,
    plan: &Plan,
    index: usize,
    scenes: &[ChunkPlan],
    candidates: &[u8],
    scratch: &Path,
) -> Result<Vec<f64>, Failure> {
    let tried =
        |crf: &u8| RenditionPlan { tuned: Some(Tuned { crf: *crf, vmaf_milli: 0 }), ..plan.renditions[index].clone() };
    let trial = Plan { renditions: candidates.iter().map(tried).collect(), ..plan.clone() };
    let folder = scratch.join("trial");
    std::fs::create_dir_all(&folder).map_err(|error| fault("create", &folder, &error))?;
    let mut sums = vec![(0.0, 0usize); candidates.len()];
    for scene in scenes {
        let args = video::args(&trial, scene, source, driver.threads, true);
        let driver = driver.reading(plan.facts.video.as_ref());
        driver.run(args, &folder, &source.path, "encode a sample scene", |_| {}).await?;
        for (number, (rendition, sum)) in trial.renditions.iter().zip(&mut sums).enumerate() {
            let made = folder.join(video::piece_name(number));
            let of_source = Stretch { start: scene.start, end: scene.end };
            let comparison = Comparison { plan: &trial, rendition, source, of_source, made: &made, of_made: None };
            let scores = vmaf::measure(&driver, &comparison, false, &folder).await?;
            sum.0 += scores.aligned.iter().sum::<f64>();
            sum.1 += scores.aligned.len();
        }
    }
    std::fs::remove_dir_all(&folder).map_err(|error| fault("remove", &folder, &error))?;
    Ok(sums.into_iter().map(|(sum, frames)| sum / frames.max(1) as f64).collect())
}

/// Which factors to try next, by what the tries before gave.
#[derive(Debug, Default)]
struct Search {
    lowest: u8,
    begin: u8,
    highest: u8,
    /// Factors with their scores.
    seen: Vec<(u8, f64)>,
    rounds: u8,
}

impl Search {
    fn new(begin: u8, limit: u8) -> Self {
        let (lowest, highest) = (begin.saturating_sub(FARTHEST).max(1), begin.saturating_add(FARTHEST).min(limit));
        Self { lowest, begin: begin.clamp(lowest, highest), highest, ..Self::default() }
    }

    /// Three around the profile's, then twice the two whole ones about where the line through what was seen meets `target`.
    fn next(&mut self, target: f64) -> Option<Vec<u8>> {
        self.rounds += 1;
        let wanted = match self.rounds {
            1 => vec![self.begin.saturating_sub(STEP), self.begin, self.begin.saturating_add(STEP)],
            2 | 3 => {
                let crf = self.estimate(target).floor() as u8;
                vec![crf, crf.saturating_add(1)]
            }
            _ => return None,
        };
        let mut new: Vec<u8> = wanted.into_iter().map(|crf| crf.clamp(self.lowest, self.highest)).collect();
        new.dedup();
        new.retain(|crf| self.seen.iter().all(|(seen, _)| seen != crf));
        (!new.is_empty()).then_some(new)
    }

    /// The factor at which the straight line between (or through) the nearest tries meets `target`.
    fn estimate(&self, target: f64) -> f64 {
        let mut seen = self.seen.clone();
        seen.sort_by_key(|(crf, _)| *crf);
        let pair = seen.windows(2).find(|pair| pair[1].1 <= target).or_else(|| seen.windows(2).last());
        let Some([(low, better), (high, worse)]) = pair else { return f64::from(self.begin) };
        let slope = (better - worse).max(0.05) / f64::from(high - low);
        (f64::from(*low) + (better - target) / slope).clamp(f64::from(self.lowest), f64::from(self.highest))
    }

    /// The highest factor that reaches `target`, else the best there is.
    fn best(&self, target: f64) -> Option<(u8, f64)> {
        let reaching = self.seen.iter().filter(|(_, score)| *score >= target).max_by_key(|(crf, _)| *crf);
        reaching.or_else(|| self.seen.iter().max_by(|a, b| a.1.total_cmp(&b.1))).copied()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn search(begin: u8, target: f64, quality: impl Fn(u8) -> f64) -> (u8, f64, usize) {
        let mut search = Search::new(begin, 51);
        while let Some(candidates) = search.next(target) {
            search.seen.extend(candidates.into_iter().map(|crf| (crf, quality(crf))));
        }
        let (crf, score) = search.best(target).unwrap();
        (crf, score, search.seen.len())
    }

    #[test]
    fn the_cheapest_factor_that_reaches_the_target() {
        let curve = |crf: u8| 100.0 - (f64::from(crf) / 10.0).powi(3);
        let (crf, score, tries) = search(23, 93.0, curve);
        assert_eq!(crf, 19, "{score}");
        assert!(tries <= 7);
        // Beyond what may be tried: as near as allowed.
        assert_eq!(search(23, 99.9, curve).0, 9);
        assert_eq!(search(23, 30.0, curve).0, 37);
    }

    proptest! {
        #[test]
        fn a_falling_curve_is_met_within_a_step(begin in 15u8..40, steep in 0.5f64..3.0, target in 60f64..98.0) {
            let curve = |crf: u8| 100.0 - steep * f64::from(crf).powf(1.2) / 2.0;
            let (crf, score, _) = search(begin, target, curve);
            let (lowest, highest) = (begin.saturating_sub(FARTHEST).max(1), (begin + FARTHEST).min(51));
            prop_assert!((lowest..=highest).contains(&crf));
            prop_assert!(score >= target || crf == lowest, "{crf} {score}");
            prop_assert!(crf + 2 >= highest || curve(crf + 2) < target, "{crf} is too cheap");
        }
    }
}
