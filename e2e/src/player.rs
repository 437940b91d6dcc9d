//! A real player: ffmpeg reads the playlist from the edge and decodes it, as a viewer would, and says what it saw.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::{process::Command, time::timeout};

const LIMIT: Duration = Duration::from_secs(120);

/// What a player saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// One line per stream, for example `h264 1280x720` or `aac 44100 Hz`.
    pub streams: Vec<String>,
    /// Video frames decoded.
    pub frames: u64,
    /// Milliseconds of playing time decoded.
    pub millis: u64,
}

/// Decodes `url` (a playlist or a file) up to `seconds` of it and counts.
///
/// # Errors
/// ffmpeg is missing, or cannot open or decode what the edge serves: the message carries its words.
pub async fn play(tools: &Path, url: &str, seconds: u32) -> anyhow::Result<Seen> {
    let probe = run(Command::new(tools.join("ffprobe"))
        .args(["-v", "error", "-of", "json", "-show_entries", "stream=codec_name,codec_type,width,height,sample_rate"])
        .arg(url))
    .await
    .with_context(|| format!("failed to open {url}"))?;
    let probe: Value = serde_json::from_slice(&probe)?;
    let streams = probe["streams"].as_array().map(|streams| streams.iter().map(describe).collect()).unwrap_or_default();
    let progress = run(Command::new(tools.join("ffmpeg"))
        .args(["-nostdin", "-v", "error", "-xerror", "-progress", "pipe:1", "-nostats", "-i", url])
        .args(["-map", "0:v:0?", "-map", "0:a:0?", "-t", &seconds.to_string(), "-f", "null", "-"]))
    .await
    .with_context(|| format!("failed to play {url}"))?;
    let progress = String::from_utf8_lossy(&progress);
    let last = |key: &str| progress.lines().rev().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok());
    Ok(Seen {
        streams,
        frames: last("frame=").unwrap_or(0),
        // `out_time_ms` is in microseconds, whatever its name says.
        millis: last("out_time_ms=").unwrap_or(0) / 1000,
    })
}

/// The text at `url`, by curl.
///
/// # Errors
/// Any answer but success.
pub async fn fetch(url: &str) -> anyhow::Result<String> {
    let body = run(Command::new("curl").args(["--silent", "--show-error", "--fail", "--max-time", "30", url])).await?;
    Ok(String::from_utf8(body)?)
}

/// Fetches what is at `url` into the file `to`, by curl.
///
/// # Errors
/// Any answer but success.
pub async fn download(url: &str, to: &str) -> anyhow::Result<()> {
    run(Command::new("curl").args(["--silent", "--show-error", "--fail", "--max-time", "30", "--output", to, url]))
        .await?;
    Ok(())
}

fn describe(stream: &Value) -> String {
    let codec = stream["codec_name"].as_str().unwrap_or("?");
    match (stream["width"].as_u64(), stream["height"].as_u64(), stream["sample_rate"].as_str()) {
        (Some(width), Some(height), _) => format!("{codec} {width}x{height}"),
        (_, _, Some(rate)) => format!("{codec} {rate} Hz"),
        _ => codec.to_owned(),
    }
}

async fn run(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let program = command.as_std().get_program().to_owned();
    let run = command.kill_on_drop(true).output();
    let Ok(output) = timeout(LIMIT, run).await else { bail!("{} took longer than {LIMIT:?}", program.display()) };
    let output = output.with_context(|| format!("failed to run {}; `make tools` fetches it", program.display()))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(output.stdout)
}
