//! The command of one chunk: one process decodes it once and encodes every rendition (20 to 32 % less CPU than one process
//! each, and the same bytes).

use std::ffi::OsString;
use std::fmt::Write as _;

use super::rolls::Rolls;
use super::{Args, LocalSource, codec, shape};
use crate::plan::{ChunkPlan, Plan, Timing};
use crate::probe::facts::VideoFacts;
use crate::probe::{Access, Container, access_args};

/// File name of a rendition's piece in the chunk's folder.
#[must_use]
pub fn piece_name(rendition: usize) -> String {
    format!("r{rendition}.mp4")
}

/// Arguments of ffmpeg for `chunk`; the pieces are written to its working folder. `seek` is false for the careful second try
/// that reads from the beginning.
#[must_use]
pub fn args(plan: &Plan, chunk: &ChunkPlan, source: &LocalSource, threads: usize, seek: bool) -> Vec<OsString> {
    let Some(video) = &plan.facts.video else { return Vec::new() };
    let mut args = Args::default();
    args.set("-threads", threads.to_string()).add(access_args(Access::Source(source.container)));
    if let Timing::Exact { .. } = plan.timing {
        args.add(["-copyts"]);
        if let Some(micros) = chunk.seek_micros.filter(|_| seek) {
            args.add(["-noaccurate_seek", "-seek_timestamp", "1"]).set("-ss", seconds(micros));
        }
    }
    args.set("-i", source.path.as_os_str());
    args.set("-filter_complex", graph(plan, chunk, video));
    for (index, rendition) in plan.renditions.iter().enumerate() {
        let Some(picture) = &rendition.picture else { continue };
        args.set("-map", format!("[r{index}]"));
        args.set("-fps_mode", "passthrough").set("-enc_time_base", format!("1:{}", plan.clock.timescale));
        let rolls = Rolls::of(plan, chunk, rendition);
        codec::options(&mut args, &rendition.settings, rendition.crf(), picture, plan.longest_gop, &rolls);
        args.set("-force_key_frames", keyframes(plan, chunk, plan.stride / picture.keep_every.max(1), &rolls));
        if let Some(cut) = rolls.cut() {
            args.set("-bsf:v", cut);
        }
        args.set("-video_track_timescale", plan.clock.timescale.to_string());
        args.set("-map_metadata", "-1").set("-map_chapters", "-1").add(["-bitexact"]);
        args.set("-movflags", "+cmaf+frag_keyframe+skip_trailer").set("-f", "mp4").add([piece_name(index)]);
    }
    args.0
}

/// Decode once, cut exactly, then one branch per rendition.
fn graph(plan: &Plan, chunk: &ChunkPlan, video: &VideoFacts) -> String {
    let mut graph = format!("[0:{}]", video.stream);
    if video.interlaced {
        // Looks at neighbouring frames, so it comes before the cut. It also halves the time base: settb below repairs that.
        graph.push_str("bwdif=mode=send_frame:deint=interlaced,");
    }
    let timescale = plan.clock.timescale;
    let _ = match plan.timing {
        Timing::Exact { .. } => write!(
            graph,
            "settb=1/{timescale},trim=start_pts={}:end_pts={},setpts=PTS-({})",
            chunk.start,
            chunk.ahead.unwrap_or(chunk.end),
            chunk.start
        ),
        Timing::Grid { rate } => {
            // AVI numbers packets, not pictures: its first picture is late by as many as are reordered, and belongs to 0.
            let shift = if plan.facts.container == Container::Avi.demuxer() { "setpts=PTS-STARTPTS," } else { "" };
            write!(graph, "{shift}fps={}/{}:start_time=0,settb=1/{timescale}", rate.num, rate.den)
        }
        Timing::SoundOnly => Ok(()),
    };
    let branches = plan.renditions.iter().enumerate().filter_map(|(index, r)| Some((index, r.picture?)));
    let branches: Vec<_> = branches.collect();
    let _ = write!(graph, ",split={}", branches.len());
    for (index, _) in &branches {
        let _ = write!(graph, "[s{index}]");
    }
    for (index, picture) in &branches {
        let rolls = Rolls::of(plan, chunk, &plan.renditions[*index]);
        let _ = write!(graph, ";[s{index}]{}", rolls.before());
        if picture.keep_every > 1 {
            let _ = write!(graph, "select=not(mod(n\\,{})),", picture.keep_every);
        }
        let settings = &plan.renditions[*index].settings;
        let _ = write!(graph, "{}{}[r{index}]", shape::filters(video, settings, picture), rolls.after());
    }
    graph
}

/// Forces a keyframe at the first frame of each cell of the grid ([`crate::plan::grid`]) among those all renditions keep. The
/// half tick keeps rounding away from the cells' edges.
fn keyframes(plan: &Plan, chunk: &ChunkPlan, every: u32, rolls: &Rolls) -> String {
    let scale = f64::from(plan.clock.timescale);
    let origin = match plan.timing {
        Timing::Exact { start, .. } => start,
        Timing::Grid { .. } | Timing::SoundOnly => 0,
    };
    let offset = ((chunk.start - origin - rolls.late()) as f64 + 0.5) / scale;
    let begins = rolls.keyframes(|time| format!("floor(({time}+{offset:.9})/{})", plan.keyframe_seconds));
    if every > 1 { format!("expr:({begins})*not(mod(n,{every}))") } else { format!("expr:{begins}") }
}

/// Microseconds as ffmpeg reads them, sign included.
pub(crate) fn seconds(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
