//! Times, places and flags of the video packets, streamed from ffprobe one line at a time.

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::{Failure, FailureClass, reason};

use super::allowed::{Access, access_args};
use super::limits::MAX_FRAMES;
use super::sniff::Container;
use crate::child::{self, Heard, Invocation, verdict};
use crate::tools::Tools;

/// Longest silence of ffprobe while it reads through the file.
const PATIENCE: Duration = Duration::from_secs(300);

/// One packet of the video stream, in coding order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Presentation time in ticks of the stream, if the container has one.
    pub pts: Option<i64>,
    /// Decoding time in ticks of the stream, if the container has one.
    pub dts: Option<i64>,
    /// Duration in ticks, 0 when unknown.
    pub duration: i64,
    /// Bytes.
    pub size: u64,
    /// Position in the file, if known.
    pub position: Option<u64>,
    /// A keyframe.
    pub key: bool,
    /// Decoded but never shown (before the start of an edit list).
    pub discard: bool,
}

/// Reads all packets of stream number `stream`.
///
/// # Errors
/// A [`Failure`] when ffprobe fails, or when there are more than [`MAX_FRAMES`].
pub async fn packets(
    tools: &Tools,
    path: &Path,
    container: Container,
    stream: u32,
    folder: &Path,
    stop: &CancellationToken,
) -> Result<Vec<Packet>, Failure> {
    let mut args = vec!["-v".into(), "error".into()];
    args.extend(access_args(Access::Source(container)));
    args.extend(["-select_streams", &stream.to_string()].map(Into::into));
    args.extend(["-show_entries", "packet=pts,dts,duration,size,pos,flags", "-of", "csv=p=0"].map(Into::into));
    args.push(path.into());
    let invocation = Invocation {
        program: tools.ffprobe.clone(),
        args,
        folder: folder.to_path_buf(),
        readable: vec![path.to_path_buf()],
        stall: PATIENCE,
    };
    let mut packets = Vec::new();
    let ended = child::run(&invocation, stop, |line| {
        packets.extend(parse(line));
        if packets.len() > MAX_FRAMES { Heard::Enough } else { Heard::Progress }
    })
    .await
    .map_err(|error| Failure::new(FailureClass::Transient, reason::INTERNAL, error.to_string()))?;
    match verdict::judge(&ended, verdict::Stage::Probe, "read the times of the source's frames") {
        Some(failure) => Err(failure),
        None => Ok(packets),
    }
}

/// One line `pts,dts,duration,size,pos,flags` of ffprobe; `None` for lines that are no packet.
#[must_use]
pub fn parse(line: &str) -> Option<Packet> {
    let mut fields = line.split(',');
    let mut next = || fields.next().map(str::trim);
    let pts = next()?.parse().ok();
    let dts = next()?.parse().ok();
    let duration = next()?.parse().unwrap_or(0);
    let size = next()?.parse().ok()?;
    let position = next()?.parse().ok();
    let flags = next()?;
    Some(Packet { pts, dts, duration, size, position, key: flags.contains('K'), discard: flags.contains('D') })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_ffprobe() {
        let packet = Packet {
            pts: Some(-1001),
            dts: Some(-2002),
            duration: 1001,
            size: 77,
            position: Some(48),
            key: true,
            discard: false,
        };
        assert_eq!(parse("-1001,-2002,1001,77,48,K__"), Some(packet));
        let lost = Packet { pts: None, dts: None, duration: 0, position: None, key: false, discard: true, ..packet };
        assert_eq!(parse("N/A,N/A,N/A,77,N/A,_D_,"), Some(lost));
        assert_eq!(parse("nonsense"), None);
    }
}
