//! Playlists of small made-up manifests, read back piece by piece.
#![allow(clippy::unwrap_used)]

use super::{Addressing, Presentation, Resource, Variant, dash, hls, thumbnails};
use crate::{
    content::MediaFacts,
    ids::{ContentId, RenditionKey},
    rendition::{
        Frame, Packaging, RateControl, RenditionManifest, RenditionSettings, Segment, Sprites, Track, TrackKind,
        TreeFile, VideoCodec,
    },
};

fn track(name: &str, kind: TrackKind, codec: &str, ticks: &[u64]) -> Track {
    let mut offset = 700;
    let segments = ticks
        .iter()
        .map(|&ticks| {
            let segment = Segment { offset, size: 1000 + ticks / 100, ticks };
            offset += segment.size;
            segment
        })
        .collect();
    Track {
        name: name.parse().unwrap(),
        kind,
        codec: codec.into(),
        file: format!("{name}.mp4").parse().unwrap(),
        init_size: 700,
        timescale: 30_000,
        start_ticks: 0,
        segments,
        keyframes: Vec::new(),
        bits_per_second: 1_000_000,
        peak_bits_per_second: 1_500_000,
    }
}

fn video(ticks: &[u64]) -> Track {
    let kind = TrackKind::Video { width: 1280, height: 720, frame_rate_milli: 29_970 };
    track("video", kind, "avc1.64001f", ticks)
}

fn audio(name: &str, language: &str) -> Track {
    let kind = TrackKind::Audio { language: language.into(), channels: 2, sample_rate: 48_000 };
    track(name, kind, "mp4a.40.2", &[120_000, 60_000])
}

fn manifest(tracks: Vec<Track>, sound: &str) -> RenditionManifest {
    let files = tracks
        .iter()
        .map(|track| TreeFile {
            path: track.file.clone(),
            size: 9,
            mime: "video/mp4".into(),
            sha256: if matches!(track.kind, TrackKind::Audio { .. }) { sound.into() } else { track.codec.clone() },
        })
        .collect();
    RenditionManifest {
        key: RenditionKey::from_bytes([1; 32]),
        source: ContentId::from_bytes([2; 32]),
        settings: RenditionSettings {
            name: "720p".into(),
            video: VideoCodec::H264,
            frame: Frame { width: 1280, height: 720 },
            rate: RateControl { crf: 23, max_bits_per_second: 3_000_000, buffer_bits: 6_000_000, target_vmaf: None },
            preset: 5,
            encoder_threads: 2,
            max_frame_rate_milli: None,
            tone_map: false,
            audio: None,
            captions: false,
            packaging: Packaging {
                hls: true,
                dash: true,
                file: None,
                poster: false,
                poster_at_percent: 10,
                sprite: None,
            },
            keyframe_seconds: 2,
            segment_seconds: 4,
        },
        media: MediaFacts::default(),
        attempt: "a".into(),
        files,
        tracks,
        progressive: None,
        poster: None,
        sprites: None,
        quality: None,
        duration_millis: 6006,
        frames: 180,
        created: 0,
    }
}

fn lines_with<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(start)).collect()
}

#[test]
fn equal_sound_is_one_group_and_other_sound_another() {
    let rich = manifest(vec![video(&[120_120, 60_060]), audio("audio-1", "en"), audio("audio-2", "de")], "same");
    let twin = rich.clone();
    let poor = manifest(vec![video(&[120_120, 60_060]), audio("audio-1", "en")], "other");
    let presentation = Presentation::new(vec![
        Variant { name: "1080p", manifest: &rich },
        Variant { name: "720p", manifest: &twin },
        Variant { name: "360p", manifest: &poor },
    ]);
    let text = hls::master(&presentation, Addressing::PLAIN);
    let media = lines_with(&text, "#EXT-X-MEDIA:");
    assert_eq!(media.len(), 3, "{text}");
    assert!(media[0].contains("GROUP-ID=\"audio-1080p\",LANGUAGE=\"en\"") && media[0].contains("DEFAULT=YES"));
    assert!(media[1].contains("LANGUAGE=\"de\"") && media[1].contains("DEFAULT=NO"));
    assert!(media[2].contains("GROUP-ID=\"audio-360p\""));
    let streams = lines_with(&text, "#EXT-X-STREAM-INF:");
    assert_eq!(
        streams[1],
        "#EXT-X-STREAM-INF:BANDWIDTH=3000000,AVERAGE-BANDWIDTH=2000000,CODECS=\"avc1.64001f,mp4a.40.2\",\
         RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"audio-1080p\",CLOSED-CAPTIONS=NONE"
    );
    assert!(streams[2].contains("AUDIO=\"audio-360p\""));
    let mpd = dash::manifest(&presentation, Addressing::PLAIN);
    assert_eq!(mpd.matches("contentType=\"video\"").count(), 1);
    assert_eq!(mpd.matches("contentType=\"audio\"").count(), 2);
    assert_eq!(mpd.matches("<Representation ").count(), 3 + 3);
}

#[test]
fn durations_do_not_drift_and_fit_the_target() {
    // 1001 ticks of 30,000: no duration is a whole number of microseconds.
    let long = video(&[120_121; 1000]);
    let text = hls::media("720p", &long, Addressing::PLAIN);
    let micros: u64 = lines_with(&text, "#EXTINF:")
        .iter()
        .map(|line| line["#EXTINF:".len()..].trim_end_matches(',').replace('.', "").parse::<u64>().unwrap())
        .sum();
    assert_eq!(micros, (120_121_u64 * 1000 * 1_000_000 + 15_000) / 30_000);
    assert!(text.contains("#EXT-X-TARGETDURATION:4\n") && text.ends_with("#EXT-X-ENDLIST\n"));
}

#[test]
fn every_uri_is_answered_by_a_range_and_signed() {
    let manifest = manifest(vec![video(&[120_120, 120_120, 60_060])], "");
    let variant = Variant { name: "720p", manifest: &manifest };
    let signed = Addressing::Segments { query: "expires=1&signature=ab" };
    let text = hls::media("720p", &manifest.tracks[0], signed);
    let uris = text.lines().filter(|line| !line.starts_with('#')).map(|uri| uri.strip_prefix("../../").unwrap());
    for (uri, segment) in uris.zip(&manifest.tracks[0].segments) {
        let (path, query) = uri.split_once('?').unwrap();
        assert_eq!(query, "expires=1&signature=ab");
        let resource: Resource = path.parse().unwrap();
        assert_eq!(resource.range(&manifest.tracks[0]), Some((segment.offset, segment.size)));
    }
    let beyond: Resource = "720p/video/4.m4s".parse().unwrap();
    assert_eq!(beyond.range(&manifest.tracks[0]), None);
    let mpd = dash::manifest(&Presentation::new(vec![variant]), signed);
    assert!(mpd.contains("media=\"../720p/video/$Number$.m4s?expires=1&amp;signature=ab\""), "{mpd}");
    assert!(mpd.contains("<S t=\"0\" d=\"120120\" r=\"1\"/>") && mpd.contains("<S t=\"240240\" d=\"60060\"/>"));
}

#[test]
fn names_from_strangers_cannot_break_out() {
    let nasty = "en\"\n#EXT-X-ENDLIST<x a='&";
    let manifest = manifest(vec![video(&[60_000]), audio("audio-1", nasty)], "s");
    let presentation = Presentation::new(vec![Variant { name: "720p", manifest: &manifest }]);
    let master = hls::master(&presentation, Addressing::PLAIN);
    assert!(lines_with(&master, "#EXT-X-ENDLIST").is_empty() && master.contains("LANGUAGE=\"en#EXT"));
    let mpd = dash::manifest(&presentation, Addressing::PLAIN);
    assert!(mpd.contains("lang=\"en&quot;#EXT-X-ENDLIST&lt;x a=&apos;&amp;\""), "{mpd}");
}

#[test]
fn sound_alone_is_a_stream_of_its_own() {
    let manifest = manifest(vec![audio("audio-1", "und")], "s");
    let presentation = Presentation::new(vec![Variant { name: "audio", manifest: &manifest }]);
    let master = hls::master(&presentation, Addressing::PLAIN);
    assert!(lines_with(&master, "#EXT-X-MEDIA:").is_empty());
    assert!(master.ends_with("CODECS=\"mp4a.40.2\"\naudio/audio-1.m3u8\n"), "{master}");
}

#[test]
fn on_disk_playlists_use_byte_ranges_of_one_file() {
    let manifest = manifest(vec![video(&[120_120, 60_060])], "");
    let text = hls::media("720p", &manifest.tracks[0], Addressing::ByteRanges);
    assert!(text.contains("#EXT-X-MAP:URI=\"../../720p/video.mp4\",BYTERANGE=\"700@0\""));
    assert!(text.contains("#EXT-X-BYTERANGE:2201@700\n../../720p/video.mp4\n"), "{text}");
    let mpd =
        dash::manifest(&Presentation::new(vec![Variant { name: "720p", manifest: &manifest }]), Addressing::ByteRanges);
    assert!(mpd.contains("<Initialization range=\"0-699\"/>") && mpd.contains("mediaRange=\"700-2900\""), "{mpd}");
}

#[test]
fn keyframes_are_ranges_of_segments_at_the_edge_and_of_the_file_on_disk() {
    let mut picture = video(&[120_120, 60_060]);
    let second = picture.segments[1].offset;
    let frame = |offset, ticks| Segment { offset, size: 300, ticks };
    picture.keyframes = vec![frame(700, 60_060), frame(1500, 60_060), frame(second, 60_060)];
    let manifest = manifest(vec![picture], "");
    let presentation = Presentation::new(vec![Variant { name: "720p", manifest: &manifest }]);
    let master = hls::master(&presentation, Addressing::PLAIN);
    let stream = lines_with(&master, "#EXT-X-I-FRAME-STREAM-INF:").remove(0).to_owned();
    assert!(stream.starts_with("#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1198,AVERAGE-BANDWIDTH=1198,CODECS="), "{stream}");
    assert!(stream.ends_with("RESOLUTION=1280x720,URI=\"720p/video.iframes.m3u8\""), "{stream}");
    let edge = hls::keyframes("720p", &manifest.tracks[0], Addressing::PLAIN);
    let lines: Vec<&str> = edge.lines().skip_while(|line| !line.starts_with("#EXTINF")).collect();
    let expected = [
        ["#EXTINF:2.002000,", "#EXT-X-BYTERANGE:300@0", "../../720p/video/1.m4s"],
        ["#EXTINF:2.002000,", "#EXT-X-BYTERANGE:300@800", "../../720p/video/1.m4s"],
        ["#EXTINF:2.002000,", "#EXT-X-BYTERANGE:300@0", "../../720p/video/2.m4s"],
    ];
    assert_eq!(lines[..9], expected.concat(), "{edge}");
    assert!(edge.contains("#EXT-X-I-FRAMES-ONLY\n") && edge.contains("#EXT-X-MAP:URI=\"../../720p/video/init.mp4\""));
    let disk = hls::keyframes("720p", &manifest.tracks[0], Addressing::ByteRanges);
    assert!(disk.contains("#EXT-X-BYTERANGE:300@1500\n../../720p/video.mp4\n"), "{disk}");
}

#[test]
fn a_playlist_only_grows_until_it_ends() {
    let whole = video(&[120_120, 120_120, 60_060]);
    let target = hls::target_seconds(whole.segments.iter().map(|segment| segment.ticks), whole.timescale);
    let last = hls::media("720p", &whole, Addressing::ByteRanges);
    for count in 1..=3 {
        let track = Track { segments: whole.segments[..count].to_vec(), ..whole.clone() };
        let text = hls::growing("720p", &track, Addressing::ByteRanges, target);
        assert!(text.contains("#EXT-X-PLAYLIST-TYPE:EVENT\n") && !text.contains("ENDLIST"));
        assert!(last.starts_with(&text.replace("EVENT", "VOD")), "{text}{last}");
    }
}

#[test]
fn thumbnails_are_found_by_time_and_place() {
    let mut manifest = manifest(vec![video(&[120_120, 60_060])], "");
    assert_eq!(thumbnails::index(&manifest, Addressing::PLAIN), None);
    manifest.sprites = Some(Sprites {
        sheets: vec!["thumbnails-1.jpg".parse().unwrap(), "thumbnails-2.jpg".parse().unwrap()],
        tile_width: 160,
        tile_height: 90,
        columns: 2,
        rows: 1,
        interval_millis: 2500,
        count: 3,
    });
    let index = thumbnails::index(&manifest, Addressing::Segments { query: "v=1" }).unwrap();
    assert_eq!(
        index,
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nthumbnails-1.jpg?v=1#xywh=0,0,160,90\n\n\
         00:00:02.500 --> 00:00:05.000\nthumbnails-1.jpg?v=1#xywh=160,0,160,90\n\n\
         00:00:05.000 --> 00:00:06.006\nthumbnails-2.jpg?v=1#xywh=0,0,160,90\n"
    );
    for (name, number) in [("thumbnails-7.jpg", Some(7)), ("thumbnails-07.jpg", None), ("thumbnails-.jpg", None)] {
        assert_eq!(thumbnails::sheet_number(name), number, "{name}");
    }
    let mpd =
        dash::manifest(&Presentation::new(vec![Variant { name: "720p", manifest: &manifest }]), Addressing::PLAIN);
    assert!(mpd.contains("duration=\"5000\" startNumber=\"1\" media=\"../thumbnails-$Number$.jpg\""), "{mpd}");
    assert!(mpd.contains("width=\"320\" height=\"90\"") && mpd.contains("value=\"2x1\""), "{mpd}");
}
