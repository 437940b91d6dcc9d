//! ffmpeg's `-progress` stream, of which only the frame counter is dependable: the time stands at zero under `-copyts`, and
//! `progress=end` is written after SIGTERM too.

use super::Heard;

/// Follows `frame=` lines.
#[derive(Debug, Default, Clone, Copy)]
pub struct Frames {
    seen: u64,
    size: u64,
}

impl Frames {
    /// Takes one line of the stream.
    pub fn hear(&mut self, line: &str) -> Heard {
        let Some((key, value)) = line.split_once('=') else { return Heard::Nothing };
        let Ok(value) = value.trim().parse::<u64>() else { return Heard::Nothing };
        let counter = match key {
            // Every output has the same frames, so the first counter stands for all.
            "frame" => &mut self.seen,
            // Audio has no frame counter; its output grows instead.
            "total_size" => &mut self.size,
            _ => return Heard::Nothing,
        };
        if value <= *counter {
            return Heard::Nothing;
        }
        *counter = value;
        Heard::Progress
    }

    /// Frames written so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_growth_is_progress() {
        let mut frames = Frames::default();
        assert_eq!(frames.hear("frame=  12"), Heard::Progress);
        assert_eq!(frames.hear("frame=12"), Heard::Nothing);
        assert_eq!(frames.hear("out_time_us=N/A"), Heard::Nothing);
        assert_eq!(frames.hear("progress=end"), Heard::Nothing);
        assert_eq!(frames.hear("total_size=100"), Heard::Progress);
        assert_eq!(frames.count(), 12);
    }
}
