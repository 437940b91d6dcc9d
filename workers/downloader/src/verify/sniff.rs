//! What kind of file the first bytes show.
//!
//! This keeps pages, playlists and archives out of the store; whether a video can be decoded is for the transcoder to find out, so
//! binary data of no known kind passes.

/// What was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Video or audio, with its media type.
    Media(&'static str),
    /// Something that is certainly no video or audio, in words.
    Other(String),
    /// Binary data of no known kind.
    Unknown,
}

impl Kind {
    /// The media type to serve it with.
    #[must_use]
    pub fn mime(&self) -> &'static str {
        match self {
            Self::Media(mime) => mime,
            Self::Other(_) | Self::Unknown => "application/octet-stream",
        }
    }
}

/// Packets of an MPEG transport stream, bytes.
const TS_PACKET: usize = 188;

/// Looks at the first bytes of a file (some thousand are plenty).
#[must_use]
pub fn sniff(head: &[u8]) -> Kind {
    if let Some(mime) = unlisted(head) {
        return Kind::Media(mime);
    }
    if let Some(found) = infer::get(head) {
        return match found.matcher_type() {
            infer::MatcherType::Video | infer::MatcherType::Audio => Kind::Media(found.mime_type()),
            _ => Kind::Other(format!("a file of type {}", found.mime_type())),
        };
    }
    match text(head) {
        Some(start) if start.starts_with("#EXTM3U") => Kind::Other("a playlist".into()),
        Some(start) if start.starts_with('<') => Kind::Other("a web page or another XML text".into()),
        Some(_) => Kind::Other("a text".into()),
        None => Kind::Unknown,
    }
}

/// Kinds the library does not know.
fn unlisted(head: &[u8]) -> Option<&'static str> {
    let synced = |offset: usize| head.get(offset).is_none_or(|byte| *byte == 0x47);
    if head.len() > TS_PACKET && (0..8).all(|packet| synced(packet * TS_PACKET)) {
        return Some("video/mp2t");
    }
    if head.starts_with(b"\x1a\x45\xdf\xa3") {
        let webm = head[..head.len().min(64)].windows(4).any(|word| word == b"webm");
        return Some(if webm { "video/webm" } else { "video/x-matroska" });
    }
    match (head.get(4..8), head.get(8..12)) {
        (Some(b"ftyp"), Some(b"qt  ")) => Some("video/quicktime"),
        (Some(b"ftyp"), Some(brand)) if brand.starts_with(b"3g") => Some("video/3gpp"),
        (Some(b"ftyp"), Some(brand)) if !matches!(brand, b"avif" | b"avis" | b"heic" | b"heix" | b"mif1" | b"crx ") => {
            Some("video/mp4")
        }
        (Some(b"moov" | b"mdat" | b"wide"), _) => Some("video/quicktime"),
        _ => None,
    }
}

/// The text, without what may stand before it, when there is nothing but text.
fn text(head: &[u8]) -> Option<&str> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The head may end inside a character.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&head[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    (!valid.is_empty() && valid.chars().all(plain)).then(|| valid.trim_start())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn media_passes_and_pages_do_not() {
        assert_eq!(sniff(b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41"), Kind::Media("video/mp4"));
        assert_eq!(
            sniff(b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82\x84webm").mime(),
            "video/webm"
        );
        let packet = [&[0x47_u8, 0x40, 0, 0x10][..], &[0xff; 184]].concat();
        assert_eq!(sniff(&packet.repeat(3)), Kind::Media("video/mp2t"));
        assert_eq!(sniff(&[0x81, 0x82, 0x83, 0, 1, 2]), Kind::Unknown);
        for other in [
            &b"<!DOCTYPE html>\n<html>"[..],
            b"  \n<?xml version='1.0'?><a/>",
            b"#EXTM3U\nfile:///etc/passwd\n",
            b"\xef\xbb\xbf{\"error\": \"no\"}",
            b"PK\x03\x04aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            b"\x89PNG\r\n\x1a\n",
            "page not found, \u{e9}".as_bytes(),
        ] {
            assert!(matches!(sniff(other), Kind::Other(_)), "{other:?}: {:?}", sniff(other));
        }
    }

    proptest! {
        #[test]
        fn never_panics(head in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = sniff(&head);
        }
    }
}
