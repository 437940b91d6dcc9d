//! The command as people use it: into which folder, from which file, with which profiles; and sources that are found in the wild.

use std::path::Path;

use videocloud_protocol::failure::FailureClass;
use videocloud_protocol::rendition::{Packaging, RenditionSettings, Sprite};
use videocloud_transcoder::profile;
use videocloud_transcoder::run::{self, Options, Report};

use super::clips::{driver, ffmpeg, ffprobe, greys, options, small, tone};
use super::seen;

const H264: &str = "-c:v libx264 -preset veryfast -qp 8 -threads 1";

async fn transcode(folder: &Path, name: &str, seconds: u32) -> Report {
    run::run(&driver(), &options(folder.join(name), folder, seconds, vec![small("small")])).await.unwrap()
}

async fn refused(options: &Options) -> String {
    let failure = run::run(&driver(), options).await.unwrap_err();
    assert!(matches!(failure.class, FailureClass::BadSpec | FailureClass::BadInput), "{failure}");
    failure.message
}

#[tokio::test]
async fn what_a_run_would_replace_is_not_its_source() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{} {H264} small.mp4", greys("128x72", "25", 2)));
    let before = std::fs::read(folder.path().join("small.mp4")).unwrap();
    let mut here = options(folder.path().join("small.mp4"), folder.path(), 0, vec![small("small")]);
    here.out = folder.path().to_path_buf();
    assert!(refused(&here).await.contains("would be replaced"));
    assert_eq!(std::fs::read(folder.path().join("small.mp4")).unwrap(), before);
    // Beside other files, a run is welcome.
    std::fs::rename(folder.path().join("small.mp4"), folder.path().join("film.mp4")).unwrap();
    here.input = folder.path().join("film.mp4");
    run::run(&driver(), &here).await.unwrap();
    assert_eq!(std::fs::read(folder.path().join("film.mp4")).unwrap(), before);
    assert!(folder.path().join("small.mp4").exists() && !folder.path().join(".work").exists());
}

#[tokio::test]
async fn one_name_is_one_profile() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{} {H264} film.mp4", greys("128x72", "25", 2)));
    let with = |settings| options(folder.path().join("film.mp4"), folder.path(), 0, settings);
    let report = run::run(&driver(), &with(vec![small("a"), small("a")])).await.unwrap();
    assert_eq!(report.renditions.len(), 1);
    let other = RenditionSettings { preset: 9, ..small("a") };
    assert!(refused(&with(vec![small("a"), other])).await.contains("same name"));
    for name in ["hls", "poster.jpg", "thumbnails-1.jpg"] {
        assert!(refused(&with(vec![small(name)])).await.contains(name));
    }
    assert!(refused(&options(folder.path().into(), folder.path(), 0, vec![small("a")])).await.contains("no file"));
}

#[tokio::test]
async fn nothing_is_left_of_what_cannot_be_made() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("page.mp4"), "<html>Sign in</html>").unwrap();
    let options = options(folder.path().join("page.mp4"), folder.path(), 2, vec![small("small")]);
    refused(&options).await;
    assert!(!options.out.exists());
    // What was there before is somebody's.
    std::fs::create_dir_all(options.out.join("mine")).unwrap();
    refused(&options).await;
    let left: Vec<_> = std::fs::read_dir(&options.out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["mine"]);
}

#[tokio::test]
async fn a_clock_that_jumps_is_made_one() {
    let folder = tempfile::tempdir().unwrap();
    let encode = format!("{H264} -g 40 -bf 2 -c:a aac");
    ffmpeg(folder.path(), &format!("{} {} {encode} first.ts", greys("128x72", "25", 5), tone(5)));
    ffmpeg(folder.path(), "-i first.ts -c copy -output_ts_offset 9000 later.ts");
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let once = seen::greys(&folder.path().join("first.ts"));
    for (name, parts) in [("leap", ["first.ts", "later.ts"]), ("back", ["later.ts", "first.ts"])] {
        let source = folder.path().join(format!("{name}.ts"));
        std::fs::write(&source, [read(parts[0]), read(parts[1])].concat()).unwrap();
        let report = transcode(folder.path(), &format!("{name}.ts"), 2).await;
        assert_eq!((report.frames, report.chunks.len()), (250, 5), "{name}");
        let made = folder.path().join("out/small.mp4");
        seen::assert_same_frames(&[once.clone(), once.clone()].concat(), &seen::greys(&made), name);
        let ticks = seen::ticks(&made);
        let step = i64::from(report.timescale) / 25;
        assert!(ticks.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() <= 1), "{name}: {ticks:?}");
    }
    // 33 bits of 90 kHz run over after 26.5 hours.
    ffmpeg(folder.path(), "-i first.ts -c copy -output_ts_offset 95441 over.ts");
    assert_eq!(transcode(folder.path(), "over.ts", 2).await.frames, 125);
    seen::assert_same_frames(&once, &seen::greys(&folder.path().join("out/small.mp4")), "runs over");
}

#[tokio::test]
async fn a_film_has_more_than_one_sheet_of_thumbnails() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{} {H264} source.mp4", greys("64x64", "1/5", 710)));
    // As the built-in profiles have it: ten by ten, five seconds apart.
    let sprite = Some(Sprite { interval_seconds: 5, tile_width: 32, columns: 10 });
    let settings = RenditionSettings { packaging: Packaging { sprite, ..small("small").packaging }, ..small("small") };
    let options = options(folder.path().join("source.mp4"), folder.path(), 0, vec![settings]);
    run::run(&driver(), &options).await.unwrap();
    let last = options.out.join("thumbnails-2.jpg");
    assert!(!options.out.join("thumbnails-3.jpg").exists());
    // Number 141, at 705 s, is the second of the fifth row.
    let (number, place) = (141, 41);
    let shown = seen::grey_at(&last, place % 10 * 32 + 16, place / 10 * 32 + 16);
    assert!(((number * 37 % 200 + 24) as u8).abs_diff(shown) <= 6, "{shown}");
}

#[tokio::test]
async fn sound_alone_comes_in_many_files() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["sound.mp3", "sound.wav", "sound.flac", "sound.ogg"] {
        let codec = if name.ends_with("ogg") { "-c:a libopus" } else { "" };
        ffmpeg(folder.path(), &format!("{} {codec} {name}", tone(5)));
        let report = transcode(folder.path(), name, 2).await;
        assert_eq!((report.frames, report.chunks.len()), (0, 0), "{name}");
        let made = folder.path().join("out/small.mp4");
        assert!(seen::first_sound(&made) < 0.06, "{name}");
        let duration: f64 = ffprobe(&made, "-show_entries format=duration -of csv=p=0").trim().parse().unwrap();
        assert!((duration - 5.0).abs() < 0.1, "{name}: {duration}");
    }
}

#[tokio::test]
async fn a_picture_beside_a_film_is_its_cover() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), "-f lavfi -i color=red:s=400x400 -frames:v 1 cover.jpg");
    ffmpeg(folder.path(), &format!("{} {H264} film.mp4", greys("128x72", "25", 3)));
    // First, and not called a cover.
    ffmpeg(folder.path(), "-i cover.jpg -i film.mp4 -map 0 -map 1 -c copy source.mkv");
    let report = transcode(folder.path(), "source.mkv", 0).await;
    assert_eq!((report.frames, report.renditions[0].width), (75, Some(128)));
}

#[test]
fn built_in_profiles_carry_words() {
    for name in profile::NAMES {
        assert!(profile::builtin(name).unwrap().iter().all(|settings| settings.captions), "{name}");
    }
}
