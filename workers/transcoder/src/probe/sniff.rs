//! Containers by magic bytes. Names and MIME types are what a stranger says; the first bytes decide what a file may be.

/// Bytes of a file's head that are looked at.
pub const HEAD: usize = 4096;

/// Containers that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Container {
    /// MP4, MOV, 3GP: read as it is.
    Mov,
    /// Matroska and WebM: read as it is.
    Matroska,
    /// MPEG transport stream: copied into MOV first.
    MpegTs,
    /// MPEG program stream: copied into MOV first.
    MpegPs,
    /// Flash video: copied into Matroska first.
    Flv,
    /// AVI: has no presentation times, so it is one chunk on a fixed grid.
    Avi,
    /// Sound alone: MPEG audio.
    Mp3,
    /// Sound alone: RIFF WAVE.
    Wav,
    /// Sound alone: FLAC.
    Flac,
    /// Ogg, with Vorbis, Opus or FLAC.
    Ogg,
}

impl Container {
    /// The name of ffmpeg's demuxer, for its format allow list.
    #[must_use]
    pub fn demuxer(self) -> &'static str {
        match self {
            Self::Mov => "mov",
            Self::Matroska => "matroska",
            Self::MpegTs => "mpegts",
            Self::MpegPs => "mpeg",
            Self::Flv => "flv",
            Self::Avi => "avi",
            Self::Mp3 => "mp3",
            Self::Wav => "wav",
            Self::Flac => "flac",
            Self::Ogg => "ogg",
        }
    }
}

/// Why a file is refused by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is nothing.
    #[error("failed to accept the source: it has no bytes")]
    Empty,
    /// A list of other places, which a player would follow and we never do.
    #[error("failed to accept the source: it is a playlist ({0}), not a video; link to the video itself")]
    Playlist(&'static str),
    /// A page, a picture or a text.
    #[error("failed to accept the source: it is {0}, not a video; check that the link needs no login")]
    Document(&'static str),
    /// Nothing we know.
    #[error(
        "failed to accept the source: its first bytes are of no known container of video or sound (MP4, MOV, MKV, WebM, MPEG-TS, \
         MPEG-PS, FLV, AVI, MP3, WAV, FLAC, Ogg)"
    )]
    Unknown,
}

/// The container that begins with `head`.
///
/// # Errors
/// [`Refusal`] for anything off the list.
pub fn container(head: &[u8]) -> Result<Container, Refusal> {
    if head.is_empty() {
        return Err(Refusal::Empty);
    }
    if let Some(refusal) = text(head) {
        return Err(refusal);
    }
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    // A box of an MP4 or MOV: its size, then its type. Old QuickTime files start with other boxes than ftyp.
    let boxes: [&[u8]; 6] = [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"];
    if boxes.iter().any(|name| at(4, name)) {
        return Ok(Container::Mov);
    }
    if at(0, &[0x1A, 0x45, 0xDF, 0xA3]) {
        return Ok(Container::Matroska);
    }
    if at(0, b"RIFF") && at(8, b"AVI ") {
        return Ok(Container::Avi);
    }
    let sounds: [(&[u8], Container); 3] =
        [(b"fLaC", Container::Flac), (b"OggS", Container::Ogg), (b"ID3", Container::Mp3)];
    if let Some((_, sound)) = sounds.iter().find(|(magic, _)| at(0, magic)) {
        return Ok(*sound);
    }
    if at(0, b"RIFF") && at(8, b"WAVE") {
        return Ok(Container::Wav);
    }
    if at(0, b"FLV\x01") {
        return Ok(Container::Flv);
    }
    if at(0, &[0, 0, 1, 0xBA]) {
        return Ok(Container::MpegPs);
    }
    if transport_stream(head, 188, 0) || transport_stream(head, 192, 4) {
        return Ok(Container::MpegTs);
    }
    let pictures: [(&[u8], &str); 6] = [
        (b"\x89PNG", "a PNG picture"),
        (b"\xFF\xD8\xFF", "a JPEG picture"),
        (b"GIF8", "a GIF picture"),
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1F\x8B", "a gzip archive"),
    ];
    if mpeg_audio(head) {
        return Ok(Container::Mp3);
    }
    match pictures.iter().find(|(magic, _)| at(0, magic)) {
        Some((_, name)) => Err(Refusal::Document(name)),
        None => Err(Refusal::Unknown),
    }
}

/// Begins with the header of an MPEG audio frame (ISO/IEC 11172-3, 2.4.1.3): of a known version, layer, bit rate and sample rate.
fn mpeg_audio(head: &[u8]) -> bool {
    let [0xFF, second, third, _, ..] = head else { return false };
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    let (rate, sampling) = (third >> 4, third >> 2 & 3);
    second & 0xE0 == 0xE0 && version != 1 && layer != 0 && (1..15).contains(&rate) && sampling != 3
}

/// At least five packets of `size` bytes with the sync byte at `first`, or as many as a short file has.
fn transport_stream(head: &[u8], size: usize, first: usize) -> bool {
    let wanted = (head.len() / size).min(5);
    wanted >= 2 && (0..wanted).all(|n| head.get(first + n * size) == Some(&0x47))
}

/// Refuses what begins like text.
fn text(head: &[u8]) -> Option<Refusal> {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let start = head.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(head.len());
    let lower: Vec<u8> = head[start..].iter().take(1024).map(u8::to_ascii_lowercase).collect();
    let begins = |word: &str| lower.starts_with(word.as_bytes());
    let holds = |word: &str| lower.windows(word.len()).any(|window| window == word.as_bytes());
    if begins("#extm3u") {
        return Some(Refusal::Playlist("HLS"));
    }
    if begins("ffconcat") {
        return Some(Refusal::Playlist("ffconcat"));
    }
    if begins("v=0") {
        return Some(Refusal::Playlist("SDP"));
    }
    if begins("[playlist]") {
        return Some(Refusal::Playlist("PLS"));
    }
    if begins("<") {
        return Some(match () {
            () if holds("<mpd") => Refusal::Playlist("DASH"),
            () if holds("<svg") => Refusal::Document("an SVG drawing"),
            () if holds("<html") || holds("<!doctype html") => Refusal::Document("an HTML page"),
            () => Refusal::Document("an XML document"),
        });
    }
    let plain = !head.is_empty() && head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    plain.then_some(Refusal::Document("a text"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_poses_as_video_is_refused_by_name() {
        for (head, refusal) in [
            (&b""[..], Refusal::Empty),
            (b"#EXTM3U\n#EXT-X-VERSION:3", Refusal::Playlist("HLS")),
            (b"\xEF\xBB\xBF\n #extm3u", Refusal::Playlist("HLS")),
            (b"ffconcat version 1.0\nfile /etc/passwd", Refusal::Playlist("ffconcat")),
            (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1", Refusal::Playlist("SDP")),
            (b"<?xml version='1.0'?><MPD>", Refusal::Playlist("DASH")),
            (b"<svg xmlns='http://www.w3.org/2000/svg'>", Refusal::Document("an SVG drawing")),
            (b"<!DOCTYPE html><title>Sign in", Refusal::Document("an HTML page")),
            (b"file '/etc/passwd'", Refusal::Document("a text")),
            (b"\x89PNG\r\n\x1a\n", Refusal::Document("a PNG picture")),
            (&[0u8; 64], Refusal::Unknown),
        ] {
            assert_eq!(container(head), Err(refusal));
        }
    }

    #[test]
    fn containers_are_known_by_their_first_bytes() {
        let mut stream = vec![0u8; 188 * 6];
        stream.iter_mut().step_by(188).for_each(|byte| *byte = 0x47);
        assert_eq!(container(&stream), Ok(Container::MpegTs));
        assert_eq!(container(b"\0\0\0\x20ftypisom"), Ok(Container::Mov));
        assert_eq!(container(b"\x1A\x45\xDF\xA3...."), Ok(Container::Matroska));
        assert_eq!(container(b"RIFF\x10\0\0\0AVI LIST"), Ok(Container::Avi));
        assert_eq!(container(b"RIFF\x10\0\0\0WAVEfmt "), Ok(Container::Wav));
        assert_eq!(container(b"ID3\x04\0\0"), Ok(Container::Mp3));
        assert_eq!(container(b"\xFF\xFB\x90\x64\0\0"), Ok(Container::Mp3));
        assert_eq!(container(b"\xFF\xFF\xFF\xFF\0\0"), Err(Refusal::Unknown));
        assert_eq!(container(b"fLaC\0\0\0\x22"), Ok(Container::Flac));
        assert_eq!(container(b"OggS\0\x02"), Ok(Container::Ogg));
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(head in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = container(&head);
        }
    }
}
