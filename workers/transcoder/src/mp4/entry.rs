//! The sample entry: the decoder's configuration, kept as the encoder wrote it, and its RFC 6381 codec string.

use std::fmt::Write as _;

use super::boxes::{boxes, find, u32_at};
use super::write::boxed;

/// A sample entry box (`avc1`, `hvc1`, `mp4a` …) without what varies between equal encodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleEntry {
    kind: [u8; 4],
    /// The fixed fields before the child boxes.
    fields: Vec<u8>,
    /// The child boxes, whole, without bit rate hints.
    children: Vec<u8>,
}

impl SampleEntry {
    /// Reads the only entry of an `stsd` box's content.
    pub(super) fn read(table: &[u8]) -> Option<Self> {
        if u32_at(table, 4)? != 1 {
            return None;
        }
        let entry = boxes(table.get(8..)?).next()?;
        let fixed = match &entry.kind {
            b"mp4a" | b"Opus" => 28,
            b"avc1" | b"hvc1" | b"av01" | b"vp09" => 78,
            _ => return None,
        };
        let fields = entry.body.get(..fixed)?.to_vec();
        // Bit rates are measured per file and would make equal configurations differ.
        let children = boxes(&entry.body[fixed..])
            .filter(|child| &child.kind != b"btrt")
            .flat_map(|child| boxed(&child.kind, child.body))
            .collect();
        Some(Self { kind: entry.kind, fields, children })
    }

    /// The box as it goes into a file.
    pub(super) fn to_box(&self) -> Vec<u8> {
        boxed(&self.kind, &[self.fields.as_slice(), &self.children].concat())
    }

    /// Whether it is of a video track.
    #[must_use]
    pub fn is_video(&self) -> bool {
        self.fields.len() == 78
    }

    /// Width and height in pixels; zeros for sound.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        let both = u32_at(&self.fields, 24).filter(|_| self.is_video()).unwrap_or(0);
        ((both >> 16) as u16, (both & 0xFFFF) as u16)
    }

    /// Channels and samples per second; zeros for video.
    #[must_use]
    pub fn sound(&self) -> (u16, u32) {
        if self.is_video() {
            return (0, 0);
        }
        let channels = self.fields.get(16..18).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
        (channels, u32_at(&self.fields, 24).unwrap_or(0) >> 16)
    }

    /// The configuration that must be equal over all chunks of a track: the whole box.
    #[must_use]
    pub fn identity(&self) -> Vec<u8> {
        self.to_box()
    }

    /// The RFC 6381 codec string, for example `avc1.64001f`; `None` when the configuration is malformed.
    #[must_use]
    pub fn codec(&self) -> Option<String> {
        match &self.kind {
            b"avc1" => {
                let config = find(&self.children, b"avcC")?;
                Some(format!("avc1.{}", hex::encode(config.get(1..4)?)))
            }
            b"hvc1" => hevc(find(&self.children, b"hvcC")?),
            b"av01" => av1(find(&self.children, b"av1C")?),
            b"vp09" => {
                let config = find(&self.children, b"vpcC")?;
                let depth = config.get(6)? >> 4;
                Some(format!("vp09.{:02}.{:02}.{depth:02}", config.get(4)?, config.get(5)?))
            }
            // AAC-LC is all we encode; the descriptor could say nothing else.
            b"mp4a" => Some("mp4a.40.2".to_owned()),
            b"Opus" => Some("opus".to_owned()),
            _ => None,
        }
    }
}

/// ISO/IEC 14496-15, annex E.
fn hevc(config: &[u8]) -> Option<String> {
    let first = config.get(1)?;
    let space = ["", "A", "B", "C"][usize::from(first >> 6)];
    let tier = if first & 0x20 == 0 { 'L' } else { 'H' };
    let compatibility = u32_at(config, 2)?.reverse_bits();
    let mut text = format!("hvc1.{space}{}.{compatibility:X}.{tier}{}", first & 0x1F, config.get(12)?);
    let constraints = config.get(6..12)?;
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..used] {
        let _ = write!(text, ".{byte:X}");
    }
    Some(text)
}

/// AV1 codec ISO media file format binding, section 5.
fn av1(config: &[u8]) -> Option<String> {
    let (second, third) = (config.get(1)?, config.get(2)?);
    let tier = if third & 0x80 == 0 { 'M' } else { 'H' };
    let depth = match (third & 0x40 != 0, third & 0x20 != 0) {
        (true, true) => 12,
        (true, false) => 10,
        _ => 8,
    };
    Some(format!("av01.{}.{:02}{tier}.{depth:02}", second >> 5, second & 0x1F))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn codec_strings_of_known_configurations() {
        // Main profile, level 3.1, progressive: the example of Apple's authoring guide.
        let mut config = vec![1, 0x01, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93];
        config.resize(23, 0);
        assert_eq!(hevc(&config).unwrap(), "hvc1.1.6.L93.90");
        assert_eq!(av1(&[0x81, 0x08, 0x0C, 0]).unwrap(), "av01.0.08M.08");
    }
}
