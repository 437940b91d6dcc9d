//! HLS (RFC 8216 and its second edition draft): a multivariant playlist over fMP4 media playlists, sound in groups of its own.

use std::fmt::Write as _;

use super::{Addressing, Presentation, Resource, Variant, micros, path, seconds};
use crate::rendition::{Track, TrackKind};

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
    text
}

/// The media playlist of `track` of `rendition`, to be served as [`Resource::Media`].
#[must_use]
pub fn media(rendition: &str, track: &Track, addressing: Addressing<'_>) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n");
    // Durations are differences of rounded running times, so that the rounding does not add up over a long film.
    let mut ticks = 0;
    let mut edges = vec![0];
    for segment in &track.segments {
        ticks += segment.ticks;
        edges.push(micros(ticks, track.timescale));
    }
    let durations = || edges.windows(2).map(|pair| pair[1] - pair[0]);
    let target = durations().max().unwrap_or(0).saturating_add(500_000) / 1_000_000;
    let _ = writeln!(text, "#EXT-X-TARGETDURATION:{}", target.max(1));
    text.push_str("#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let folder = format!("../../{rendition}/{}", track.name);
    // On disk the media playlist and the track's file lie at the same depth as at the edge.
    let file = format!("../../{rendition}/{}", track.file);
    if track.init_size > 0 {
        let _ = match addressing {
            Addressing::Segments { .. } => {
                writeln!(text, "#EXT-X-MAP:URI=\"{}\"", addressing.sign(&format!("{folder}/init.mp4")))
            }
            Addressing::ByteRanges => writeln!(text, "#EXT-X-MAP:URI=\"{file}\",BYTERANGE=\"{}@0\"", track.init_size),
        };
    }
    for (index, (segment, duration)) in track.segments.iter().zip(durations()).enumerate() {
        let _ = writeln!(text, "#EXTINF:{},", seconds(duration));
        let _ = match addressing {
            Addressing::Segments { .. } => {
                let uri = format!("{folder}/{}.{}", index + 1, path::ending(track));
                writeln!(text, "{}", addressing.sign(&uri))
            }
            Addressing::ByteRanges if track.init_size > 0 => {
                writeln!(text, "#EXT-X-BYTERANGE:{}@{}\n{file}", segment.size, segment.offset)
            }
            Addressing::ByteRanges => writeln!(text, "{file}"),
        };
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
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
