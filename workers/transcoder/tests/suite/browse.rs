//! What a player needs to show where a seek would land: thumbnails on sheets, and keyframes alone.

use std::path::Path;

use videocloud_protocol::rendition::{RenditionSettings, Sprite, VideoCodec};
use videocloud_transcoder::run;

use super::clips::{driver, ffmpeg, ffprobe, greys, options, small};
use super::seen;

const RATE: usize = 25;

fn with_sprite(settings: RenditionSettings, sprite: Sprite) -> RenditionSettings {
    let packaging = videocloud_protocol::rendition::Packaging { sprite: Some(sprite), ..settings.packaging };
    RenditionSettings { packaging, ..settings }
}

/// Start and end in milliseconds, and what a cue names: sheet, x, y, width, height.
type Cue = (u64, u64, String, [u32; 4]);

fn cues(index: &Path) -> Vec<Cue> {
    let text = std::fs::read_to_string(index).unwrap();
    assert!(text.starts_with("WEBVTT\n\n"), "{text}");
    let millis = |text: &str| {
        let parts: Vec<u64> = text.split([':', '.']).map(|part| part.parse().unwrap()).collect();
        ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000 + parts[3]
    };
    text.split("\n\n")
        .skip(1)
        .map(|cue| {
            let (times, place) = cue.trim().split_once('\n').unwrap();
            let (start, end) = times.split_once(" --> ").unwrap();
            let (sheet, region) = place.split_once("#xywh=").unwrap();
            let region: Vec<u32> = region.split(',').map(|number| number.parse().unwrap()).collect();
            (millis(start), millis(end), sheet.to_owned(), region.try_into().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn thumbnails_are_the_keyframes_of_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let encode = "-c:v libx264 -preset veryfast -qp 8 -g 40 -bf 2 -threads 1";
    ffmpeg(folder.path(), &format!("{} {encode} source.mp4", greys("128x72", "25", 7)));
    let sprite = Sprite { interval_seconds: 1, tile_width: 64, columns: 3 };
    // Keyframes every second; and every two, so that some are shown twice.
    for (every, codec) in [(1, VideoCodec::H264), (2, VideoCodec::Hevc), (1, VideoCodec::Vp9), (1, VideoCodec::Av1)] {
        let settings = with_sprite(small("small"), sprite);
        let settings = RenditionSettings { keyframe_seconds: every, video: codec, preset: 9, ..settings };
        let source = folder.path().join("source.mp4");
        run::run(&driver(), &options(source, folder.path(), 2, vec![settings])).await.unwrap();
        let out = folder.path().join("out");
        let cues = cues(&out.join("thumbnails.vtt"));
        let times: Vec<_> = cues.iter().map(|cue| (cue.0, cue.1)).collect();
        assert_eq!(times, (0..7).map(|n| (n * 1000, n * 1000 + 1000)).collect::<Vec<_>>());
        // Seven pictures three abreast: three rows on one sheet.
        let sheet = out.join("thumbnails-1.jpg");
        let size = ffprobe(&sheet, "-show_entries stream=width,height -of csv=p=0");
        assert_eq!(size.trim(), "192,108");
        assert!(!out.join("thumbnails-2.jpg").exists());
        for (n, (_, _, name, [x, y, width, height])) in cues.iter().enumerate() {
            assert_eq!((name.as_str(), *width, *height), ("thumbnails-1.jpg", 64, 36));
            assert_eq!((*x, *y), (n as u32 % 3 * 64, n as u32 / 3 * 36));
            let shown = seen::grey_at(&sheet, x + 32, y + 18);
            let keyframe = n - n % usize::from(every);
            let expected = (keyframe * RATE * 37 % 200 + 24) as u8;
            assert!(expected.abs_diff(shown) <= 6, "{codec:?}, picture {n}: {shown} instead of {expected}");
        }
    }
}

#[tokio::test]
async fn many_thumbnails_take_several_sheets() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{} -c:v libx264 -preset ultrafast source.mp4", greys("64x64", "5", 23)));
    let settings = with_sprite(small("small"), Sprite { interval_seconds: 1, tile_width: 32, columns: 1 });
    let source = folder.path().join("source.mp4");
    run::run(&driver(), &options(source, folder.path(), 0, vec![settings])).await.unwrap();
    let cues = cues(&folder.path().join("out/thumbnails.vtt"));
    // Ten rows at most: ten, ten and three pictures.
    assert_eq!(cues.len(), 23);
    assert_eq!((cues[22].2.as_str(), cues[22].3), ("thumbnails-3.jpg", [0, 64, 32, 32]));
    for (n, cue) in cues.iter().enumerate() {
        let shown = seen::grey_at(&folder.path().join("out").join(&cue.2), cue.3[0] + 16, cue.3[1] + 16);
        assert!(((n * 5 * 37 % 200 + 24) as u8).abs_diff(shown) <= 6, "{n}: {shown}");
    }
}

#[tokio::test]
async fn keyframes_alone_are_whole_and_play() {
    let folder = tempfile::tempdir().unwrap();
    let encode = "-c:v libx264 -preset veryfast -qp 8 -g 40 -bf 2 -threads 1";
    ffmpeg(folder.path(), &format!("{} {encode} source.mp4", greys("128x72", "25", 7)));
    let settings = vec![small("small"), RenditionSettings { video: VideoCodec::Hevc, preset: 9, ..small("hevc") }];
    let source = folder.path().join("source.mp4");
    run::run(&driver(), &options(source, folder.path(), 2, settings)).await.unwrap();
    let out = folder.path().join("out");
    let master = std::fs::read_to_string(out.join("hls/master.m3u8")).unwrap();
    for name in ["small", "hevc"] {
        let line = master.lines().find(|line| line.contains(&format!("URI=\"{name}/video.iframes.m3u8\""))).unwrap();
        assert!(line.starts_with("#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=") && line.contains("RESOLUTION=128x72"));
        let playlist = out.join(format!("hls/{name}/video.iframes.m3u8"));
        let text = std::fs::read_to_string(&playlist).unwrap();
        let ranges = text.lines().filter_map(|line| line.strip_prefix("#EXT-X-BYTERANGE:")?.split_once('@'));
        let ranges: Vec<(usize, usize)> = ranges.map(|(s, o)| (s.parse().unwrap(), o.parse().unwrap())).collect();
        assert_eq!(ranges.len(), 7, "{text}");
        let track = std::fs::read(out.join(name).join("video.mp4")).unwrap();
        let (_, init) = text.split_once("BYTERANGE=\"").unwrap();
        let init: usize = init.split('@').next().unwrap().parse().unwrap();
        for (second, (size, offset)) in ranges.into_iter().enumerate() {
            // The initialisation segment and the range, and nothing else: one frame, a keyframe, the right one.
            let alone = folder.path().join("alone.mp4");
            std::fs::write(&alone, [&track[..init], &track[offset..offset + size]].concat()).unwrap();
            let frames = ffprobe(&alone, "-show_frames -show_entries frame=key_frame,pict_type -of csv=p=0");
            assert!(frames.starts_with("1,I") && frames.trim().lines().count() == 1, "{frames}");
            let expected = (second * RATE * 37 % 200 + 24) as u8;
            assert!(seen::greys(&alone)[0].abs_diff(expected) <= 8, "{name}: second {second}");
        }
        let shown = seen::greys(&playlist);
        let expected: Vec<u8> = (0..7).map(|second| (second * RATE * 37 % 200 + 24) as u8).collect();
        seen::assert_same_frames(&expected, &shown, name);
    }
}
