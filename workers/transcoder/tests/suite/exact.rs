//! Every frame once, at its own time, whatever the source and wherever it is cut.

use std::path::{Path, PathBuf};

use videocloud_transcoder::run::{self, Report};

use super::clips::{driver, ffmpeg, greys, options, small, tone};
use super::seen;

/// A source, how it is made, and how many chunks it must become.
struct Case {
    name: &'static str,
    /// Arguments of ffmpeg after the picture and the tone, without the output.
    encode: &'static str,
    size: &'static str,
    rate: &'static str,
    file: &'static str,
    chunks: usize,
}

const fn case(name: &'static str, encode: &'static str, file: &'static str, chunks: usize) -> Case {
    Case { name, encode, size: "128x72", rate: "25", file, chunks }
}

const H264: &str = "-c:v libx264 -preset veryfast -qp 8 -threads 1";

async fn transcode(folder: &Path, input: PathBuf, seconds: u32) -> Report {
    let options = options(input, folder, seconds, vec![small("small")]);
    run::run(&driver(), &options).await.unwrap()
}

/// Makes the source of `case` and checks what comes out of it, cut every two seconds.
async fn check(case: &Case) {
    let folder = tempfile::tempdir().unwrap();
    let (picture, tone) = (greys(case.size, case.rate, 7), tone(7));
    let encode = case.encode.replace("H264", H264);
    let sound = if case.file.ends_with("webm") { "libopus" } else { "aac" };
    ffmpeg(folder.path(), &format!("{picture} {tone} {encode} -c:a {sound} {}", case.file));
    let source = folder.path().join(case.file);
    let report = transcode(folder.path(), source.clone(), 2).await;
    let made = folder.path().join("out/small.mp4");
    assert_eq!(report.chunks.len(), case.chunks, "{}: chunks", case.name);
    seen::assert_same_frames(&seen::greys(&source), &seen::greys(&made), case.name);
    for playlist in ["out/small/video.mp4", "out/hls/master.m3u8"] {
        let shown = seen::greys(&folder.path().join(playlist));
        assert_eq!(shown, seen::greys(&made), "{}: {playlist} shows other frames than the file", case.name);
    }
}

/// As [`check`], and the times are those of the source tick by tick (the container keeps its clock).
async fn check_ticks(case: &Case) {
    let folder = tempfile::tempdir().unwrap();
    let encode = case.encode.replace("H264", H264);
    ffmpeg(folder.path(), &format!("{} {encode} {}", greys(case.size, case.rate, 7), case.file));
    let source = folder.path().join(case.file);
    let report = transcode(folder.path(), source.clone(), 2).await;
    assert_eq!(report.chunks.len(), case.chunks, "{}: chunks", case.name);
    let made = folder.path().join("out/small.mp4");
    assert_eq!(seen::ticks(&source), seen::ticks(&made), "{}: times", case.name);
    seen::assert_same_frames(&seen::greys(&source), &seen::greys(&made), case.name);
}

#[tokio::test]
async fn constant_rates_and_containers() {
    for case in [
        case("25 in MP4", "H264 -g 40", "source.mp4", 4),
        case("B-frames", "H264 -g 50 -bf 3 -x264-params b-pyramid=normal", "source.mp4", 4),
        case(
            "open GOP",
            "H264 -g 30 -bf 3 -x264-params open-gop=1:keyint=30:min-keyint=30:scenecut=0",
            "source.mp4",
            4,
        ),
        case("open GOP in MKV", "H264 -bf 3 -x264-params open-gop=1:keyint=30:scenecut=0", "source.mkv", 4),
        case(
            "open GOP HEVC",
            "-c:v libx265 -preset ultrafast -x265-params open-gop=1:keyint=30:log-level=none:pools=1",
            "source.mp4",
            4,
        ),
        case("one keyframe", "H264 -g 9999 -sc_threshold 0", "source.mp4", 4),
        case("VP9 in WebM", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 1M", "source.webm", 4),
        case("MPEG-2 in TS", "-c:v mpeg2video -q:v 2 -bf 2 -g 15", "source.ts", 4),
        case("H.264 in TS", "H264 -g 40 -bf 2", "source.ts", 4),
        case("H.264 in FLV", "H264 -g 40", "source.flv", 4),
        case("motion JPEG", "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p", "source.mov", 4),
    ] {
        check(&case).await;
    }
}

#[tokio::test]
async fn odd_rates_sizes_and_variable_frames_keep_their_ticks() {
    for case in [
        Case { rate: "30000/1001", ..case("29.97", "H264 -g 48", "source.mp4", 4) },
        Case { rate: "24000/1001", ..case("23.976 in MKV", "H264 -g 48", "source.mkv", 4) },
        Case { size: "131x75", ..case("odd size", "H264 -pix_fmt yuv444p", "source.mp4", 4) },
        case(
            "variable",
            "-vf setpts='(N+0.45*mod(N,3))/25/TB' -fps_mode vfr -enc_time_base 1/12800 H264 -g 40 -bf 2",
            "source.mp4",
            4,
        ),
        case("gap of two seconds", "-vf setpts='(N+50*gt(N,60))/25/TB' -fps_mode vfr H264 -g 40", "source.mp4", 5),
        case("late start", "H264 -g 40 -output_ts_offset 3600", "source.mkv", 4),
    ] {
        check_ticks(&case).await;
    }
}

#[tokio::test]
async fn avi_is_laid_on_a_grid_in_one_chunk() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, tone) = (greys("128x72", "25", 7), tone(7));
    for encode in ["mpeg4 -q:v 2 -g 30", "mpeg4 -q:v 2 -g 30 -bf 2", "libx264 -qp 8 -g 40 -bf 3 -threads 1"] {
        ffmpeg(folder.path(), &format!("{picture} {tone} -c:v {encode} -c:a ac3 source.avi"));
        on_a_grid(folder.path(), encode).await;
    }
}

async fn on_a_grid(folder: &Path, encode: &str) {
    let source = folder.join("source.avi");
    let report = transcode(folder, source.clone(), 2).await;
    assert_eq!(report.chunks.len(), 1);
    let made = folder.join("out/small.mp4");
    assert!(seen::ticks(&made).windows(2).all(|pair| pair[1] - pair[0] == i64::from(report.timescale) / 25));
    // AVI counts packets: reordered pictures come late by as many, and the first belongs to 0 all the same.
    let mut shown = seen::greys(&made);
    assert!(shown.len() <= 176, "{encode}: {} frames", shown.len());
    // The last may stand for a place of the grid more.
    shown.dedup_by(|a, b| a.abs_diff(*b) <= 8);
    seen::assert_same_frames(&seen::greys(&source), &shown, encode);
}

#[tokio::test]
async fn edit_lists_cut_the_same_frames() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{} {} {H264} -g 50 -bf 2 -c:a aac whole.mp4", greys("128x72", "25", 9), tone(9)));
    // A copy from the middle of a GOP: the pictures before 1.3 s are decoded and hidden by the edit list.
    ffmpeg(folder.path(), "-ss 1.3 -i whole.mp4 -c copy source.mp4");
    let source = folder.path().join("source.mp4");
    transcode(folder.path(), source.clone(), 2).await;
    let made = folder.path().join("out/small.mp4");
    seen::assert_same_frames(&seen::greys(&source), &seen::greys(&made), "edit list");
}

#[tokio::test]
async fn woven_fields_are_unwoven_without_a_seam() {
    let folder = tempfile::tempdir().unwrap();
    // A moving bar: its edge is a comb until the fields are taken apart.
    let picture = "-f lavfi -i testsrc2=s=320x192:r=50:d=7,tinterlace=interleave_top,fieldorder=tff,format=yuv420p";
    let encode = "-c:v mpeg2video -q:v 2 -g 30 -bf 2 -flags +ilme+ildct";
    ffmpeg(folder.path(), &format!("{picture} {encode} source.ts"));
    let source = folder.path().join("source.ts");
    let made = folder.path().join("out/small.mp4");
    let mut shown = Vec::new();
    for (seconds, chunks) in [(0, 1), (2, 4)] {
        let report = transcode(folder.path(), source.clone(), seconds).await;
        assert_eq!(report.chunks.len(), chunks);
        shown.push((seen::ticks(&made), seen::greys(&made)));
    }
    let [(ticks, greys), (cut_ticks, cut_greys)] = shown.as_slice() else { panic!("two runs") };
    assert_eq!((ticks.len(), ticks), (175, cut_ticks));
    seen::assert_same_frames(greys, cut_greys, "interlaced");
}

#[tokio::test]
async fn sound_and_picture_start_as_far_apart_as_in_the_source() {
    for (picture_late, sound_late) in [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5)] {
        let folder = tempfile::tempdir().unwrap();
        let inputs =
            format!("-itsoffset {picture_late} {} -itsoffset {sound_late} {}", greys("128x72", "25", 5), tone(5));
        ffmpeg(folder.path(), &format!("{inputs} -map 0:v -map 1:a {H264} -g 40 -c:a aac source.mkv"));
        transcode(folder.path(), folder.path().join("source.mkv"), 2).await;
        for file in ["out/small.mp4", "out/hls/master.m3u8"] {
            let made = folder.path().join(file);
            let (picture, sound) = (seen::first_picture(&made), seen::first_sound(&made));
            let apart = sound - picture - (sound_late - picture_late);
            assert!(apart.abs() < 0.04, "{file} ({picture_late}, {sound_late}): picture {picture}, sound {sound}");
        }
    }
}

#[tokio::test]
async fn what_is_missing_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{} {H264} silent.mp4", greys("128x72", "25", 4)));
    transcode(folder.path(), folder.path().join("silent.mp4"), 2).await;
    assert!(!folder.path().join("out/small/audio-1.mp4").exists());
    assert!(folder.path().join("out/poster.jpg").exists());

    ffmpeg(folder.path(), &format!("{} -c:a aac sound.m4a", tone(5)));
    let report = transcode(folder.path(), folder.path().join("sound.m4a"), 2).await;
    assert_eq!((report.frames, report.chunks.len()), (0, 0));
    assert!(seen::first_sound(&folder.path().join("out/small.mp4")) < 0.04);

    ffmpeg(folder.path(), &format!("{} {H264} -frames:v 1 one.mp4", greys("128x72", "25", 1)));
    let report = transcode(folder.path(), folder.path().join("one.mp4"), 2).await;
    assert_eq!(report.frames, 1);
}

#[tokio::test]
async fn a_ladder_is_never_enlarged_and_turns_with_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{} {H264} flat.mp4", greys("320x180", "50", 4)));
    ffmpeg(folder.path(), "-display_rotation 90 -i flat.mp4 -c copy turned.mp4");
    let mut half = small("half");
    half.max_frame_rate_milli = Some(25_000);
    let mut large = small("large");
    large.frame = videocloud_protocol::rendition::Frame { width: 1920, height: 1080 };
    let options = options(folder.path().join("turned.mp4"), folder.path(), 2, vec![large, half]);
    let report = run::run(&driver(), &options).await.unwrap();
    let sizes: Vec<_> = report.renditions.iter().map(|r| (r.width.unwrap(), r.height.unwrap(), r.frames)).collect();
    assert_eq!(sizes, [(180, 320, 200), (72, 128, 100)]);
    let (whole, half) =
        (seen::greys(&folder.path().join("out/large.mp4")), seen::greys(&folder.path().join("out/half.mp4")));
    let every_other: Vec<u8> = whole.iter().copied().step_by(2).collect();
    seen::assert_same_frames(&every_other, &half, "half the frames");
}
