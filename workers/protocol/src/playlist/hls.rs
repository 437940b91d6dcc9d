//! HLS (RFC 8216 and its second edition draft): a multivariant playlist over fMP4 media playlists, sound in groups of its own.

use std::fmt::Write as _;

use super::{Addressing, Presentation, Resource, Variant, micros, path, seconds};
use crate::rendition::{Segment, Track, TrackKind};

/// The multivariant playlist, to be served as [`Resource::Master`].
#[must_use]
pub fn master(presentation: &Presentation<'_>, addressing: Addressing<'_>) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let with_picture = presentation.variants.iter().any(|variant| variant.video().is_some());
    if with_picture {
        for group in presentation.audio_groups() {
            audio_group(&mut text, &group.of, &group.id(), addressing);
        }
    }
    let captions = presentation.captions().filter(|_| with_picture);
    if let Some(variant) = captions {
        caption_group(&mut text, &variant, addressing);
    }
    for variant in &presentation.variants {
        match variant.video() {
            Some(video) => stream(&mut text, presentation, variant, video, captions.is_some(), addressing),
            None => sound_only(&mut text, variant, addressing),
        }
    }
    for variant in &presentation.variants {
        if let Some(video) = variant.video().filter(|video| !video.keyframes.is_empty()) {
            keyframe_stream(&mut text, variant, video, addressing);
        }
    }
    text
}

/// The media playlist of `track` of `rendition`, to be served as [`Resource::Media`].
#[must_use]
pub fn media(rendition: &str, track: &Track, addressing: Addressing<'_>) -> String {
    let target = target_seconds(track.segments.iter().map(|segment| segment.ticks), track.timescale);
    let mut text = segments(rendition, track, addressing, target, "VOD");
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

/// The media playlist of a track that still grows: what there is of it, without an end. `target` is the
/// [`target_seconds`] of the whole track, since a player that reloads must find the same.
#[must_use]
pub fn growing(rendition: &str, track: &Track, addressing: Addressing<'_>, target: u64) -> String {
    segments(rendition, track, addressing, target, "EVENT")
}

/// Whole seconds that no segment of these durations exceeds by half a second (RFC 8216, 4.3.3.1).
#[must_use]
pub fn target_seconds(ticks: impl IntoIterator<Item = u64>, timescale: u32) -> u64 {
    // Durations are differences of rounded running times, which may be a microsecond longer than each by itself.
    let longest = ticks.into_iter().max().unwrap_or(0);
    ((micros(longest, timescale) + 500_001) / 1_000_000).max(1)
}

/// The keyframes of `track` of `rendition` (RFC 8216, 4.3.3.6), to be served as [`Resource::Keyframes`].
#[must_use]
pub fn keyframes(rendition: &str, track: &Track, addressing: Addressing<'_>) -> String {
    let target = target_seconds(track.keyframes.iter().map(|frame| frame.ticks), track.timescale);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXT-X-I-FRAMES-ONLY\n"
    );
    let place = Place { rendition, track, addressing };
    place.map(&mut text);
    let mut segments = track.segments.iter().enumerate().peekable();
    for (frame, duration) in track.keyframes.iter().zip(durations(&track.keyframes, track.timescale)) {
        while segments.next_if(|(_, segment)| segment.offset + segment.size <= frame.offset).is_some() {}
        let Some((index, segment)) = segments.peek() else { break };
        let (uri, from) = match addressing {
            Addressing::Segments { .. } => (place.segment(*index), segment.offset),
            Addressing::ByteRanges => (place.file(), 0),
        };
        let _ = writeln!(
            text,
            "#EXTINF:{},\n#EXT-X-BYTERANGE:{}@{}\n{uri}",
            seconds(duration),
            frame.size,
            frame.offset.saturating_sub(from)
        );
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

fn segments(rendition: &str, track: &Track, addressing: Addressing<'_>, target: u64, kind: &str) -> String {
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:{kind}\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n"
    );
    let place = Place { rendition, track, addressing };
    place.map(&mut text);
    let each = track.segments.iter().zip(durations(&track.segments, track.timescale));
    for (index, (segment, duration)) in each.enumerate() {
        let _ = writeln!(text, "#EXTINF:{},", seconds(duration));
        let _ = match addressing {
            Addressing::Segments { .. } => writeln!(text, "{}", place.segment(index)),
            Addressing::ByteRanges if track.init_size > 0 => {
                writeln!(text, "#EXT-X-BYTERANGE:{}@{}\n{}", segment.size, segment.offset, place.file())
            }
            Addressing::ByteRanges => writeln!(text, "{}", place.file()),
        };
    }
    text
}

/// Microseconds each lasts, as differences of rounded running times: the rounding does not add up over a long film.
fn durations(segments: &[Segment], timescale: u32) -> Vec<u64> {
    let mut ticks = 0;
    let mut before = 0;
    let each = |segment: &Segment| {
        ticks += segment.ticks;
        let now = micros(ticks, timescale);
        now - std::mem::replace(&mut before, now)
    };
    segments.iter().map(each).collect()
}

/// Where a track's bytes are for its playlists, which lie two folders below the root, on disk as at the edge.
struct Place<'a> {
    rendition: &'a str,
    track: &'a Track,
    addressing: Addressing<'a>,
}

impl Place<'_> {
    fn file(&self) -> String {
        format!("../../{}/{}", self.rendition, self.track.file)
    }

    fn segment(&self, index: usize) -> String {
        let ending = path::ending(self.track);
        self.addressing.sign(&format!("../../{}/{}/{}.{ending}", self.rendition, self.track.name, index + 1))
    }

    /// Names the initialisation segment, if there is one.
    fn map(&self, text: &mut String) {
        let size = self.track.init_size;
        if size == 0 {
            return;
        }
        let _ = match self.addressing {
            Addressing::Segments { .. } => {
                let uri = format!("../../{}/{}/init.mp4", self.rendition, self.track.name);
                writeln!(text, "#EXT-X-MAP:URI=\"{}\"", self.addressing.sign(&uri))
            }
            Addressing::ByteRanges => writeln!(text, "#EXT-X-MAP:URI=\"{}\",BYTERANGE=\"{size}@0\"", self.file()),
        };
    }
}

/// URI of a media playlist as the multivariant playlist, its neighbour, writes it.
fn media_uri(rendition: &str, track: &Track, addressing: Addressing<'_>) -> String {
    let path = Resource::Media { rendition: rendition.to_owned(), track: track.name.clone() }.to_string();
    addressing.sign(path.strip_prefix("hls/").unwrap_or(&path))
}

fn audio_group(text: &mut String, variant: &Variant<'_>, id: &str, addressing: Addressing<'_>) {
    for (index, track) in variant.audio().enumerate() {
        let TrackKind::Audio { language, channels, .. } = &track.kind else { continue };
        let language = quotable(language);
        let first = if index == 0 { "YES" } else { "NO" };
        let _ = write!(text, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{}\"", quotable(id));
        if language != "und" {
            let _ = write!(text, ",LANGUAGE=\"{language}\"");
        }
        // Names must be unique in a group; two tracks may have one language.
        let name = if language == "und" { format!("Track {}", index + 1) } else { format!("{language} {}", index + 1) };
        let uri = media_uri(variant.name, track, addressing);
        let _ = writeln!(text, ",NAME=\"{name}\",DEFAULT={first},AUTOSELECT=YES,CHANNELS=\"{channels}\",URI=\"{uri}\"");
    }
}

fn caption_group(text: &mut String, variant: &Variant<'_>, addressing: Addressing<'_>) {
    for (index, track) in variant.captions().enumerate() {
        let TrackKind::Captions { language } = &track.kind else { continue };
        let language = quotable(language);
        let uri = media_uri(variant.name, track, addressing);
        let _ = writeln!(
            text,
            "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"captions\",LANGUAGE=\"{language}\",NAME=\"{language} {}\",\
             DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI=\"{uri}\"",
            index + 1
        );
    }
}

fn stream(
    text: &mut String,
    presentation: &Presentation<'_>,
    variant: &Variant<'_>,
    video: &Track,
    captions: bool,
    addressing: Addressing<'_>,
) {
    let TrackKind::Video { width, height, frame_rate_milli } = video.kind else { return };
    let group = presentation.audio_group(variant);
    let (mean, peak) = group.map(|group| group.bits_per_second()).unwrap_or_default();
    let mut codecs = vec![video.codec.as_str()];
    for track in group.iter().flat_map(|group| group.of.audio()) {
        if !codecs.contains(&track.codec.as_str()) {
            codecs.push(&track.codec);
        }
    }
    let _ = write!(
        text,
        "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\",RESOLUTION={width}x{height}",
        video.peak_bits_per_second + peak,
        video.bits_per_second + mean,
        quotable(&codecs.join(",")),
    );
    if frame_rate_milli > 0 {
        let _ = write!(text, ",FRAME-RATE={}.{:03}", frame_rate_milli / 1000, frame_rate_milli % 1000);
    }
    if let Some(group) = group {
        let _ = write!(text, ",AUDIO=\"{}\"", quotable(&group.id()));
    }
    if captions {
        text.push_str(",SUBTITLES=\"captions\"");
    }
    let _ = writeln!(text, ",CLOSED-CAPTIONS=NONE\n{}", media_uri(variant.name, video, addressing));
}

/// The keyframes of a variant's picture, for fast forward and back.
fn keyframe_stream(text: &mut String, variant: &Variant<'_>, video: &Track, addressing: Addressing<'_>) {
    let TrackKind::Video { width, height, .. } = video.kind else { return };
    let rate = |bytes: u64, ticks: u64| {
        let bits = u128::from(bytes) * 8 * u128::from(video.timescale) / u128::from(ticks.max(1));
        u64::try_from(bits).unwrap_or(u64::MAX)
    };
    let frames = &video.keyframes;
    let (bytes, ticks) = frames.iter().fold((0, 0), |(bytes, ticks), f| (bytes + f.size, ticks + f.ticks));
    // The last one may stand for a moment only, and no player fetches it at that rate.
    let longest = frames.iter().map(|frame| frame.ticks).max().unwrap_or(0);
    let peak = frames.iter().filter(|f| f.ticks * 2 >= longest).map(|f| rate(f.size, f.ticks)).max();
    let mean = rate(bytes, ticks);
    let path = Resource::Keyframes { rendition: variant.name.to_owned(), track: video.name.clone() }.to_string();
    let _ = writeln!(
        text,
        "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={mean},CODECS=\"{}\",RESOLUTION={width}x{height},URI=\"{}\"",
        peak.unwrap_or(0).max(mean),
        quotable(&video.codec),
        addressing.sign(path.strip_prefix("hls/").unwrap_or(&path)),
    );
}

/// A variant without picture: its first audio track is the stream.
fn sound_only(text: &mut String, variant: &Variant<'_>, addressing: Addressing<'_>) {
    let Some(track) = variant.audio().next() else { return };
    let _ = writeln!(
        text,
        "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"\n{}",
        track.peak_bits_per_second,
        track.bits_per_second,
        quotable(&track.codec),
        media_uri(variant.name, track, addressing),
    );
}

/// `text` without the characters that end a quoted attribute or a line: languages come from strangers' files.
fn quotable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && *c != '"').collect()
}
