//! The frames around a chunk that only the encoder sees ([`crate::plan::rolls`]): how they are shown to it, and cut off again
//! packet by packet before anything is written.

use crate::plan::ladder::RenditionPlan;
use crate::plan::rolls::{self, Warm};
use crate::plan::{ChunkPlan, Plan};

/// The frames around one rendition of a chunk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rolls {
    warm: Warm,
    /// Frames that are kept.
    frames: u64,
    /// Frames after those, at most; 0 for none.
    ahead: u64,
    /// Ticks of the chunk, where frames after it are decoded for others and this rendition is to have none.
    end: Option<i64>,
}

impl Rolls {
    /// Those of `rendition` in `chunk`.
    pub(super) fn of(plan: &Plan, chunk: &ChunkPlan, rendition: &RenditionPlan) -> Self {
        let keep_every = rendition.picture.map_or(1, |picture| picture.keep_every);
        let expected = chunk.expected.iter().find(|expected| expected.keep_every == keep_every);
        let (Some(expected), true) = (expected, rolls::help(rendition.settings.video)) else {
            return Self { end: chunk.ahead.map(|_| chunk.end - chunk.start), ..Self::default() };
        };
        let step = u64::from(plan.stride / keep_every.max(1)).max(1);
        let ahead = if chunk.ahead.is_some() { rolls::AHEAD as u64 * step } else { 0 };
        Self { warm: expected.warm, frames: expected.frames, ahead, end: None }
    }

    /// Filters for the whole frames of the chunk, before any are left out; with a comma at the end.
    pub(super) fn before(&self) -> String {
        self.end.map_or_else(String::new, |ticks| format!("trim=end_pts={ticks},"))
    }

    /// Filters for the rendition's frames as they are encoded; with a comma at the beginning. The loop shifts what follows by some
    /// time that is not that of the frames: what it is, is seen at the first frame after it.
    pub(super) fn after(&self) -> String {
        let Warm { frames, ticks } = self.warm;
        if frames == 0 {
            return String::new();
        }
        let shifted = format!("PTS-st(0\\,if(eq(N\\,{frames})\\,PTS\\,ld(0)))+{ticks}");
        format!(",loop=loop=1:size={frames}:start=0,setpts=if(lt(N\\,{frames})\\,PTS\\,{shifted})")
    }

    /// The condition for a keyframe: the first frame, and where the number of the cell that `grid` makes of a time grows.
    pub(super) fn keyframes(&self, grid: impl Fn(&str) -> String) -> String {
        let Warm { frames, .. } = self.warm;
        let begins = format!("gt({},{})", grid("t"), grid("prev_forced_t"));
        if frames == 0 {
            return format!("isnan(prev_forced_t)+{begins}");
        }
        format!("isnan(prev_forced_t)+eq(n,{frames})+gt(n,{frames})*{begins}")
    }

    /// Ticks by which the encoder sees the chunk's own frames late.
    pub(super) fn late(&self) -> i64 {
        self.warm.ticks
    }

    /// The bitstream filter that leaves only the chunk's own packets. Coding order is enough: a keyframe closes each group.
    pub(super) fn cut(&self) -> Option<String> {
        let (first, after) = (u64::from(self.warm.frames), u64::from(self.warm.frames) + self.frames);
        (first > 0 || self.ahead > 0).then(|| format!("noise=drop=lt(n\\,{first})+gte(n\\,{after})"))
    }

    /// Parameters for x264 that spend little on what is thrown away; with a colon at the beginning.
    pub(super) fn x264_zones(&self) -> String {
        const QUICK: &str = "subme=1,me=dia,ref=1,trellis=0,8x8dct=0";
        let (first, after) = (u64::from(self.warm.frames), u64::from(self.warm.frames) + self.frames);
        let before = (first > 0).then(|| format!("0,{},{QUICK}", first.saturating_sub(1)));
        let behind = (self.ahead > 0).then(|| format!("{after},{},{QUICK}", after + self.ahead));
        let zones: Vec<String> = before.into_iter().chain(behind).collect();
        if zones.is_empty() { String::new() } else { format!(":zones={}", zones.join("/")) }
    }
}
