//! What strangers send instead of a video: each is refused for a reason that a person can act on, and nothing is made of it.

use std::path::{Path, PathBuf};

use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_transcoder::run;

use super::clips::{driver, ffmpeg, greys, options, small, tone};

const H264: &str = "-c:v libx264 -preset ultrafast -threads 1";

/// Transcodes `input`, which must be refused as bad input and leave nothing to play.
async fn refused(folder: &Path, input: PathBuf) -> Failure {
    let failure = match run::run(&driver(), &options(input, folder, 2, vec![small("small")])).await {
        Err(failure) => failure,
        Ok(report) => panic!("it was taken: {report:?}"),
    };
    assert_eq!(failure.class, FailureClass::BadInput, "{failure}");
    for made in ["out/small.mp4", "out/hls/master.m3u8", "out/report.json"] {
        assert!(!folder.join(made).exists(), "{made} was left");
    }
    assert!(!folder.join("out").exists(), "an empty folder was left");
    failure
}

#[tokio::test]
async fn lists_pages_and_pictures_posing_as_video() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret.ts");
    ffmpeg(folder.path(), &format!("{} {H264} secret.ts", greys("64x64", "25", 1)));
    let secret = secret.display();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let fetch = format!("http://127.0.0.1:{port}/x.ts");
    for (content, words) in [
        (format!("#EXTM3U\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n"), "HLS"),
        (format!("\u{feff}\n#EXTM3U\n#EXTINF:1,\n{fetch}\n"), "HLS"),
        (format!("ffconcat version 1.0\nfile {secret}\n"), "ffconcat"),
        (format!("file '{secret}'\n"), "a text"),
        ("v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n".to_owned(), "SDP"),
        (format!("<?xml version=\"1.0\"?><MPD><BaseURL>{fetch}</BaseURL></MPD>"), "DASH"),
        (format!("<svg xmlns=\"http://www.w3.org/2000/svg\"><image href=\"{fetch}\"/></svg>"), "SVG"),
        ("<html><body>Sign in</body></html>".to_owned(), "HTML"),
        ("\u{89}PNG".to_owned(), "first bytes"),
    ] {
        let input = folder.path().join("x.mp4");
        std::fs::write(&input, content).unwrap();
        let failure = refused(folder.path(), input).await;
        assert_eq!(failure.reason, reason::NOT_MEDIA, "{words}: {failure}");
        assert!(failure.message.contains(words), "{words}: {failure}");
    }
    assert!(listener.accept().is_err(), "a request was made");
    let empty = folder.path().join("empty.mp4");
    std::fs::write(&empty, "").unwrap();
    assert_eq!(refused(folder.path(), empty).await.reason, reason::EMPTY);
}

#[tokio::test]
async fn cut_off_and_damaged_files() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = format!("{} {} {H264} -g 25 -c:a aac", greys("128x72", "25", 6), tone(6));
    ffmpeg(folder.path(), &format!("{inputs} -movflags +faststart front.mp4"));
    ffmpeg(folder.path(), &format!("{inputs} back.mp4"));
    ffmpeg(folder.path(), &format!("{inputs} source.mkv"));
    for (name, keep) in [("front.mp4", 60), ("back.mp4", 60), ("source.mkv", 50)] {
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        let input = folder.path().join(format!("cut-{name}"));
        std::fs::write(&input, &bytes[..bytes.len() * keep / 100]).unwrap();
        let failure = refused(folder.path(), input).await;
        assert_eq!(failure.reason, reason::CORRUPT_MEDIA, "{name}: {failure}");
    }
    // Overwritten in the middle: every frame is still counted, but not every frame can be decoded.
    let mut bytes = std::fs::read(folder.path().join("back.mp4")).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle..middle + 3000].fill(0xA5);
    let input = folder.path().join("damaged.mp4");
    std::fs::write(&input, bytes).unwrap();
    assert_eq!(refused(folder.path(), input).await.reason, reason::CORRUPT_MEDIA);
}

#[tokio::test]
async fn bombs_and_what_is_not_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let make = |args: &str| ffmpeg(folder.path(), args);
    make("-f lavfi -i color=s=17000x64:d=0.04 -c:v ffv1 wide.mkv");
    make("-f lavfi -i color=s=64x64:d=1 -c:v ffvhuff odd.mkv");
    make(&format!(
        "{} {H264} -encryption_scheme cenc-aes-ctr -encryption_key {} -encryption_kid {} locked.mp4",
        greys("64x64", "25", 1),
        "76a6c65c5ea762046bd749a2e632ccbb",
        "a7e61c373e219033c21091fa607bf3b8"
    ));
    make(&format!("{} {} -c:a pcm_s16le many.mkv", tone(1), "-map 0 ".repeat(140)));
    make(&format!("{} -vf select=0 {H264} none.mp4", greys("64x64", "25", 1)));
    for (name, reasons, words) in [
        ("wide.mkv", &[reason::LIMITS_EXCEEDED][..], "17000x64"),
        ("odd.mkv", &[reason::UNSUPPORTED_MEDIA], "ffvhuff"),
        ("locked.mp4", &[reason::UNSUPPORTED_MEDIA], "encrypted"),
        ("many.mkv", &[reason::LIMITS_EXCEEDED], "streams"),
        ("none.mp4", &[reason::CORRUPT_MEDIA, reason::NOT_MEDIA], ""),
    ] {
        let failure = refused(folder.path(), folder.path().join(name)).await;
        println!("{name}: {failure}");
        assert!(reasons.contains(&failure.reason.as_str()), "{name}: {failure}");
        assert!(failure.message.contains(words), "{name}: {failure}");
    }
}

#[tokio::test]
async fn an_index_that_declares_a_billion_frames() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{} {H264} -bf 0 honest.mp4", greys("64x64", "25", 1)));
    let mut bytes = std::fs::read(folder.path().join("honest.mp4")).unwrap();
    let times = bytes.windows(4).position(|kind| kind == b"stts").unwrap();
    let sizes = bytes.windows(4).position(|kind| kind == b"stsz").unwrap();
    // One entry: a billion frames, each of one tick; and as many sizes, all of one byte.
    bytes[times + 12..times + 20].copy_from_slice(&[0x3B, 0x9A, 0xCA, 0, 0, 0, 0, 1]);
    bytes[sizes + 8..sizes + 16].copy_from_slice(&[0, 0, 0, 1, 0x3B, 0x9A, 0xCA, 0]);
    let input = folder.path().join("bomb.mp4");
    std::fs::write(&input, bytes).unwrap();
    println!("{}", refused(folder.path(), input).await);
}

#[tokio::test]
async fn names_and_endings_mean_nothing() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{} {H264} source.mkv", greys("128x72", "25", 2)));
    for name in ["source.mp4", "http:%2d.txt", "-i"] {
        std::fs::copy(folder.path().join("source.mkv"), folder.path().join(name)).unwrap();
        let options = options(folder.path().join(name), folder.path(), 2, vec![small("small")]);
        let report = run::run(&driver(), &options).await.unwrap();
        assert_eq!((report.frames, report.media.container.as_str()), (50, "matroska"), "{name}");
    }
}
