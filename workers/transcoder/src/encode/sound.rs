//! Sound, whole per track: encoders carry state from block to block, so cut sound drifts 25 to 30 ms a join and clicks.

use std::ffi::OsString;

use videocloud_protocol::rendition::{AudioCodec, AudioSettings};

use super::video::seconds;
use super::{Args, LocalSource};
use crate::plan::{Plan, Timing};
use crate::probe::facts::AudioFacts;
use crate::probe::{Access, access_args};

/// Samples per second of every output.
pub const SAMPLE_RATE: u32 = 48_000;

/// Channels of the output: never more than the source has.
#[must_use]
pub fn channels(track: &AudioFacts, settings: &AudioSettings) -> u32 {
    track.channels.min(u32::from(settings.channels.clamp(1, 2)))
}

/// Arguments of ffmpeg for one track, written to `output` in the working folder.
#[must_use]
pub fn args(
    plan: &Plan,
    track: &AudioFacts,
    settings: &AudioSettings,
    source: &LocalSource,
    output: &str,
) -> Vec<OsString> {
    let mut args = Args::default();
    args.add(access_args(Access::Source(source.container)));
    let mut filter = String::new();
    if let Timing::Exact { start, lead, .. } = plan.timing {
        // The presentation's zero on the source's clock, so that a late start becomes silence and nothing more.
        args.add(["-copyts"]);
        filter = format!("asetpts=PTS-({})/TB,", seconds(plan.clock.micros_up(start - lead)));
    }
    filter.push_str("aresample=async=1:first_pts=0");
    if let Some(loudness) = settings.loudness_decilufs {
        filter.push_str(&format!(",loudnorm=I={:.1}:TP=-1.5:LRA=11", f64::from(loudness.clamp(-700, -50)) / 10.0));
    }
    filter.push_str(&format!(",aresample={SAMPLE_RATE}"));
    args.set("-i", source.path.as_os_str()).set("-map", format!("0:{}", track.stream)).set("-af", filter);
    args.set("-ac", channels(track, settings).to_string()).set("-ar", SAMPLE_RATE.to_string());
    args.set(
        "-c:a",
        match settings.codec {
            AudioCodec::Aac => "aac",
            AudioCodec::Opus => "libopus",
        },
    );
    args.set("-b:a", settings.bits_per_second.to_string());
    args.set("-map_metadata", "-1").set("-map_chapters", "-1").add(["-bitexact"]);
    // delay_moov: the edit list that says how much priming to skip is known with the first packet only.
    args.set("-movflags", "+frag_keyframe+delay_moov+skip_trailer").set("-frag_duration", "4000000");
    args.set("-f", "mp4").add([output]);
    args.0
}
