//! Clips whose frames can be told apart: every frame is one grey, 37 steps from the one before.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use videocloud_protocol::rendition::{AudioSettings, Frame, Packaging, RateControl, RenditionSettings};
use videocloud_protocol::task::Chunking;
use videocloud_transcoder::encode::Driver;
use videocloud_transcoder::profile;
use videocloud_transcoder::run::Options;
use videocloud_transcoder::tools::Tools;

/// ffmpeg and ffprobe, or a message that says how to get them.
pub fn tools() -> Tools {
    Tools::find(None, None, None).expect("ffmpeg and ffprobe are needed: run workers/transcoder/tools.sh --vmaf")
}

pub fn driver() -> Driver {
    Driver { tools: tools(), threads: 2, stall: Duration::from_secs(120), stop: CancellationToken::new() }
}

/// Runs ffmpeg with arguments separated by blanks.
pub fn ffmpeg(folder: &Path, args: &str) {
    let mut command = Command::new(tools().ffmpeg);
    command.args(["-v", "error", "-nostdin", "-y"]).args(args.split_whitespace()).current_dir(folder);
    let done = command.output().unwrap();
    assert!(done.status.success(), "ffmpeg {args}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Runs ffprobe and answers what it prints.
pub fn ffprobe(file: &Path, args: &str) -> String {
    let mut command = Command::new(tools().ffprobe);
    let done = command.args(["-v", "error"]).args(args.split_whitespace()).arg(file).output().unwrap();
    assert!(done.status.success(), "ffprobe {args}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The picture of a clip as an input of ffmpeg: `seconds` of greys at `rate`.
pub fn greys(size: &str, rate: &str, seconds: u32) -> String {
    format!("-f lavfi -i color=s={size}:r={rate}:d={seconds},format=yuv420p,geq=lum='mod(N*37,200)+24':cb=128:cr=128")
}

/// A tone as an input of ffmpeg.
pub fn tone(seconds: u32) -> String {
    format!("-f lavfi -i sine=f=440:r=48000:d={seconds}")
}

/// A small fast rendition.
pub fn small(name: &str) -> RenditionSettings {
    let settings = profile::builtin("360p").unwrap().remove(0);
    RenditionSettings {
        name: name.to_owned(),
        frame: Frame { width: 128, height: 72 },
        rate: RateControl { crf: 18, max_bits_per_second: 2_000_000, buffer_bits: 4_000_000, target_vmaf: None },
        preset: 8,
        encoder_threads: 1,
        audio: settings.audio.map(|audio| AudioSettings { bits_per_second: 64_000, ..audio }),
        packaging: Packaging { sprite: None, ..settings.packaging },
        keyframe_seconds: 1,
        segment_seconds: 2,
        ..settings
    }
}

/// A run of `input` into `folder/out`, cut every `seconds` (0: whole).
pub fn options(input: PathBuf, folder: &Path, seconds: u32, settings: Vec<RenditionSettings>) -> Options {
    let chunking = Chunking { seconds, min_cpu_seconds: 0 };
    Options { input, settings, out: folder.join("out"), workers: 2, chunking }
}
