//! MPEG-DASH (ISO/IEC 23009-1): a static manifest with one exact segment timeline per representation.

use std::fmt::Write as _;

use super::{Addressing, Presentation, Variant, micros, seconds};
use crate::rendition::{Track, TrackKind, TreePath};

/// The manifest, to be served as [`super::Resource::Mpd`].
#[must_use]
pub fn manifest(presentation: &Presentation<'_>, addressing: Addressing<'_>) -> String {
    let profile = match addressing {
        Addressing::Segments { .. } => "urn:mpeg:dash:profile:isoff-live:2011",
        Addressing::ByteRanges => "urn:mpeg:dash:profile:isoff-main:2011",
    };
    let longest = tracks(presentation)
        .flat_map(|(_, track)| track.segments.iter().map(|s| micros(s.ticks, track.timescale)))
        .max();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"{profile}\" \
         type=\"static\" mediaPresentationDuration=\"PT{}S\" minBufferTime=\"PT{}S\">\n  <Period id=\"0\" start=\"PT0S\">\n",
        seconds(presentation.duration_millis() * 1000),
        seconds(longest.unwrap_or(1_000_000)),
    );
    let mut id = 0..;
    for family in families(presentation) {
        let _ = writeln!(
            text,
            "    <AdaptationSet id=\"{}\" contentType=\"video\" mimeType=\"video/mp4\" segmentAlignment=\"true\" startWithSAP=\"1\">",
            id.next().unwrap_or(0)
        );
        for variant in &presentation.variants {
            if let Some(track) = variant.video().filter(|track| codec_family(track) == family) {
                representation(&mut text, variant, track, addressing);
            }
        }
        text.push_str("    </AdaptationSet>\n");
    }
    // The n-th audio track of every group is the same sound at another rate; players switch between those.
    let groups = presentation.audio_groups();
    let most = groups.iter().map(|group| group.of.audio().count()).max().unwrap_or(0);
    for index in 0..most {
        let same: Vec<(Variant<'_>, &Track)> =
            groups.iter().filter_map(|group| Some((group.of, group.of.audio().nth(index)?))).collect();
        let Some((_, Track { kind: TrackKind::Audio { language, .. }, .. })) = same.first() else { continue };
        let role = if index == 0 { "main" } else { "alternate" };
        let _ = writeln!(
            text,
            "    <AdaptationSet id=\"{}\" contentType=\"audio\" mimeType=\"audio/mp4\" lang=\"{}\" segmentAlignment=\"true\" \
             startWithSAP=\"1\">\n      <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"{role}\"/>",
            id.next().unwrap_or(0),
            escape(language),
        );
        for (variant, track) in &same {
            representation(&mut text, variant, track, addressing);
        }
        text.push_str("    </AdaptationSet>\n");
    }
    if let Some(variant) = presentation.captions() {
        for track in variant.captions() {
            captions(&mut text, id.next().unwrap_or(0), &variant, track, addressing);
        }
    }
    thumbnails(&mut text, id.next().unwrap_or(0), presentation, addressing);
    text.push_str("  </Period>\n</MPD>\n");
    text
}

/// Sprite sheets of the first rendition that has some, as DASH-IF's guidelines (section 6.2.6) have players find them.
fn thumbnails(text: &mut String, id: u32, presentation: &Presentation<'_>, addressing: Addressing<'_>) {
    let Some((manifest, sprites)) = presentation.sprites() else { return };
    let tiles = u64::from(sprites.columns.max(1)) * u64::from(sprites.rows.max(1));
    let bytes = |path: &TreePath| manifest.files.iter().find(|file| file.path == *path).map_or(0, |file| file.size);
    let largest = sprites.sheets.iter().map(bytes).max().unwrap_or(0);
    let sheet_millis = (sprites.interval_millis * tiles).max(1);
    let _ = writeln!(
        text,
        "    <AdaptationSet id=\"{id}\" contentType=\"image\" mimeType=\"image/jpeg\">\n      <SegmentTemplate timescale=\"1000\" \
         duration=\"{sheet_millis}\" startNumber=\"1\" media=\"{}\"/>\n      <Representation id=\"thumbnails\" bandwidth=\"{}\" \
         width=\"{}\" height=\"{}\">\n        <EssentialProperty schemeIdUri=\"http://dashif.org/guidelines/thumbnail_tile\" \
         value=\"{}x{}\"/>\n      </Representation>\n    </AdaptationSet>",
        escape(&addressing.sign("../thumbnails-$Number$.jpg")),
        (largest * 8 * 1000 / sheet_millis).max(1),
        sprites.tile_width * sprites.columns,
        sprites.tile_height * sprites.rows,
        sprites.columns,
        sprites.rows,
    );
}

fn tracks<'a>(presentation: &'a Presentation<'_>) -> impl Iterator<Item = (&'a str, &'a Track)> {
    presentation.variants.iter().flat_map(|variant| variant.manifest.tracks.iter().map(|track| (variant.name, track)))
}

/// The four characters before the codec string's first dot: players do not switch between those.
fn codec_family(track: &Track) -> &str {
    track.codec.split('.').next().unwrap_or_default()
}

/// Families of the video tracks in order of first use.
fn families<'a>(presentation: &Presentation<'a>) -> Vec<&'a str> {
    let mut families = Vec::new();
    for family in presentation.variants.iter().filter_map(Variant::video).map(codec_family) {
        if !families.contains(&family) {
            families.push(family);
        }
    }
    families
}

fn representation(text: &mut String, variant: &Variant<'_>, track: &Track, addressing: Addressing<'_>) {
    let _ = write!(
        text,
        "      <Representation id=\"{}-{}\" bandwidth=\"{}\" codecs=\"{}\"",
        escape(variant.name),
        track.name,
        track.peak_bits_per_second.max(1),
        escape(&track.codec),
    );
    match &track.kind {
        TrackKind::Video { width, height, frame_rate_milli } => {
            let _ = write!(text, " width=\"{width}\" height=\"{height}\" sar=\"1:1\"");
            if *frame_rate_milli > 0 {
                let _ = write!(text, " frameRate=\"{frame_rate_milli}/1000\"");
            }
            text.push_str(">\n");
        }
        TrackKind::Audio { channels, sample_rate, .. } => {
            let _ = writeln!(
                text,
                " audioSamplingRate=\"{sample_rate}\">\n        <AudioChannelConfiguration \
                 schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" value=\"{channels}\"/>"
            );
        }
        TrackKind::Captions { .. } => text.push_str(">\n"),
    }
    match addressing {
        Addressing::Segments { .. } => template(text, variant, track, addressing),
        Addressing::ByteRanges => list(text, variant, track),
    }
    text.push_str("      </Representation>\n");
}

/// Segments by number.
fn template(text: &mut String, variant: &Variant<'_>, track: &Track, addressing: Addressing<'_>) {
    let folder = format!("../{}/{}", variant.name, track.name);
    let _ = writeln!(
        text,
        "        <SegmentTemplate timescale=\"{}\" startNumber=\"1\" initialization=\"{}\" media=\"{}\">",
        track.timescale,
        escape(&addressing.sign(&format!("{folder}/init.mp4"))),
        escape(&addressing.sign(&format!("{folder}/$Number$.m4s"))),
    );
    timeline(text, track);
    text.push_str("        </SegmentTemplate>\n");
}

/// Segments by byte range of the one file.
fn list(text: &mut String, variant: &Variant<'_>, track: &Track) {
    let file = escape(&format!("../{}/{}", variant.name, track.file));
    let _ = writeln!(
        text,
        "        <BaseURL>{file}</BaseURL>\n        <SegmentList timescale=\"{}\">\n          \
         <Initialization range=\"0-{}\"/>",
        track.timescale,
        track.init_size.saturating_sub(1),
    );
    timeline(text, track);
    for segment in &track.segments {
        let last = segment.offset + segment.size.saturating_sub(1);
        let _ = writeln!(text, "          <SegmentURL mediaRange=\"{}-{last}\"/>", segment.offset);
    }
    text.push_str("        </SegmentList>\n");
}

/// Equal durations in a row share one element.
fn timeline(text: &mut String, track: &Track) {
    text.push_str("          <SegmentTimeline>\n");
    let mut time = track.start_ticks;
    for run in track.segments.chunk_by(|a, b| a.ticks == b.ticks) {
        let Some(first) = run.first() else { continue };
        let _ = write!(text, "            <S t=\"{time}\" d=\"{}\"", first.ticks);
        if run.len() > 1 {
            let _ = write!(text, " r=\"{}\"", run.len() - 1);
        }
        text.push_str("/>\n");
        time += first.ticks * run.len() as u64;
    }
    text.push_str("          </SegmentTimeline>\n");
}

/// WebVTT as one plain file.
fn captions(text: &mut String, id: u32, variant: &Variant<'_>, track: &Track, addressing: Addressing<'_>) {
    let TrackKind::Captions { language } = &track.kind else { return };
    let uri = match addressing {
        Addressing::Segments { .. } => addressing.sign(&format!("../{}/{}/1.vtt", variant.name, track.name)),
        Addressing::ByteRanges => format!("../{}/{}", variant.name, track.file),
    };
    let _ = writeln!(
        text,
        "    <AdaptationSet id=\"{id}\" contentType=\"text\" mimeType=\"text/vtt\" lang=\"{}\">\n      <Role \
         schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"subtitle\"/>\n      <Representation id=\"{}-{}\" bandwidth=\"{}\">\n        \
         <BaseURL>{}</BaseURL>\n      </Representation>\n    </AdaptationSet>",
        escape(language),
        escape(variant.name),
        track.name,
        track.peak_bits_per_second.max(1),
        escape(&uri),
    );
}

/// XML attribute and text escaping; control characters are dropped.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            other => out.push(other),
        }
    }
    out
}
