//! Playing while later chunks are encoded: what was listed once stays, and a real player follows to the end.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use videocloud_transcoder::run;

use super::clips::{driver, ffmpeg, greys, options, small, tone, tools};
use super::seen;

/// Waits until `path` is there.
async fn appears(path: &Path) {
    while !path.exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn clip(folder: &Path, seconds: u32) {
    let encode = "-c:v libx264 -preset veryfast -qp 8 -g 40 -bf 2 -threads 1 -c:a aac";
    ffmpeg(folder, &format!("{} {} {encode} source.mp4", greys("128x72", "25", seconds), tone(seconds)));
}

#[tokio::test]
async fn what_was_listed_once_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    // Many chunks, so that a busy machine has time to stop before the last.
    clip(folder.path(), 41);
    let source = folder.path().join("source.mp4");
    let mut options = options(source.clone(), folder.path(), 2, vec![small("a"), small("b")]);
    options.workers = 1;
    let out = options.out.clone();
    // Stopped as soon as there is something to play.
    let stopped = driver();
    let watch = tokio::spawn({
        let (stop, master) = (stopped.stop.clone(), out.join("hls/master.m3u8"));
        async move {
            appears(&master).await;
            stop.cancel();
        }
    });
    let failure = run::run(&stopped, &options).await.unwrap_err();
    watch.await.unwrap();
    assert_eq!(failure.class.exit_code(), 143, "{failure}");

    let frames = seen::greys(&source);
    let mut before = Vec::new();
    for name in ["a", "b"] {
        let playlist = out.join(format!("hls/{name}/video.m3u8"));
        let text = std::fs::read_to_string(&playlist).unwrap();
        assert!(text.contains("#EXT-X-PLAYLIST-TYPE:EVENT\n") && !text.contains("ENDLIST"), "{text}");
        let listed = text.matches("#EXTINF").count();
        assert!((1..21).contains(&listed), "{text}");
        // With an end it is a video of its own: the first frames, each at its place.
        std::fs::write(&playlist, format!("{text}#EXT-X-ENDLIST\n")).unwrap();
        let shown = seen::greys(&playlist);
        std::fs::write(&playlist, &text).unwrap();
        assert_eq!(shown.len(), listed * 50);
        seen::assert_same_frames(&frames[..shown.len()], &shown, name);
        let sound = std::fs::read(out.join(name).join("audio-1.mp4")).unwrap();
        before.push((name, text, std::fs::read(out.join(name).join("video.mp4")).unwrap(), sound));
    }

    run::run(&driver(), &options).await.unwrap();
    for (name, text, video, sound) in before {
        let whole = std::fs::read_to_string(out.join(format!("hls/{name}/video.m3u8"))).unwrap();
        assert!(whole.starts_with(&text.replace("EVENT", "VOD")), "{text}{whole}");
        assert!(whole.ends_with("#EXT-X-ENDLIST\n"));
        let made = std::fs::read(out.join(name).join("video.mp4")).unwrap();
        assert!(made.starts_with(&video), "{name}: the finished file begins with other bytes");
        assert_eq!(std::fs::read(out.join(name).join("audio-1.mp4")).unwrap(), sound);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_follows_a_growing_playlist_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    clip(folder.path(), 16);
    let source = folder.path().join("source.mp4");
    let mut options = options(source.clone(), folder.path(), 2, vec![small("small")]);
    options.workers = 1;
    let master = options.out.join("hls/master.m3u8");
    let watching = tokio::spawn(async move {
        appears(&master).await;
        let mut player = tokio::process::Command::new(tools().ffmpeg);
        player.args(["-v", "error", "-nostdin", "-live_start_index", "0", "-i"]).arg(&master);
        player.args(
            "-map 0:v:0 -fps_mode passthrough -vf format=yuv420p,extractplanes=y,crop=1:1:8:8 -f rawvideo -".split(' '),
        );
        let done = player.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).output().await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    });
    run::run(&driver(), &options).await.unwrap();
    let shown = watching.await.unwrap();
    seen::assert_same_frames(&seen::greys(&source), &shown, "followed");
}
