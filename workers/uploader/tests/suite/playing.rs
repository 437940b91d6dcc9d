//! Real clients: players decode what the edge serves, download programs fetch it.

use std::process::Command;

use videocloud_protocol::publication::Access;

use crate::support::{Site, clip, signed, tools};

/// Frames of video and audio that ffmpeg decodes from an address.
pub fn decoded(url: &str) -> (u64, u64) {
    let count = |stream: &str| {
        let mut probe = tools::ffmpeg("ffprobe");
        probe.args(["-v", "error", "-select_streams", stream, "-count_frames", "-of", "csv=p=0"]);
        let output = tools::run(probe.args(["-show_entries", "stream=nb_read_frames", "-i", url]));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().next().unwrap().trim_matches(',').parse().unwrap()
    };
    (count("v:0"), count("a:0"))
}

#[tokio::test(flavor = "multi_thread")]
async fn hls_and_dash_play_from_a_signed_link() {
    let site = Site::open(Access::Signed).await;
    for path in ["hls/master.m3u8", "dash/manifest.mpd"] {
        let url = site.at(&format!("{path}?{}", signed()));
        let (video, audio) = tokio::task::spawn_blocking(move || decoded(&url)).await.unwrap();
        assert_eq!(video, 240, "{path}");
        // Ten seconds at 48 kHz in frames of 1,024 samples, and the encoder's priming.
        assert!((468..=472).contains(&audio), "{path}: {audio} frames of sound");
    }
}

#[tokio::test]
async fn head_and_segments_are_the_file() {
    let site = Site::open(Access::Public).await;
    let (_, manifest) = &site.clip.renditions[0];
    let file = clip::file("high-video.mp4");
    let mut got = site.get("high/video/init.mp4", &[]).await.bytes().await.unwrap().to_vec();
    for number in 1..=manifest.tracks[0].segments.len() {
        got.extend(site.get(&format!("high/video/{number}.m4s"), &[]).await.bytes().await.unwrap());
    }
    assert!(file.starts_with(&got) && got.len() > file.len() / 2, "{} of {} bytes", got.len(), file.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn download_programs_get_every_byte() {
    let site = Site::open(Access::Public).await;
    std::fs::write(site.folder.path().join("half"), &site.original()[..1000]).unwrap();
    let (url, folder) = (site.at("file"), site.folder.path().to_owned());
    let fetched = tokio::task::spawn_blocking(move || {
        let fetch = |command: &mut Command, name: &str| {
            tools::run(command);
            std::fs::read(folder.join(name)).unwrap()
        };
        let mut aria = tools::program("aria2c", "aria2");
        aria.args(["--no-conf", "-q", "-x4", "-s4", "-k1M", "--file-allocation=none", "-o", "aria"]);
        let mut curl = tools::program("curl", "curl");
        curl.args(["-sS", "--fail", "-o"]).arg(folder.join("curl"));
        let mut h2 = tools::program("curl", "curl");
        h2.args(["-sS", "--fail", "--http2-prior-knowledge", "-o"]).arg(folder.join("h2"));
        // Taken up again in the middle.
        let mut rest = tools::program("curl", "curl");
        rest.args(["-sS", "--fail", "-C", "-", "-o"]).arg(folder.join("half"));
        [
            fetch(aria.arg("-d").arg(&folder).arg(&url), "aria"),
            fetch(curl.arg(&url), "curl"),
            fetch(h2.arg(&url), "h2"),
            fetch(rest.arg(&url), "half"),
        ]
    });
    for bytes in fetched.await.unwrap() {
        assert!(bytes == site.original(), "{} bytes", bytes.len());
    }
}
