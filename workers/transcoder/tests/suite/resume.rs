//! Killed and told to stop: what was finished stays, what was not is done again, and the bytes are the same.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use videocloud_protocol::task::TranscodeWork;
use videocloud_transcoder::run;

use super::clips::{driver, ffmpeg, greys, options, small, tone};
use super::stage::Stage;

#[tokio::test]
async fn killed_steps_leave_nothing_half_done_and_the_same_bytes_in_the_end() {
    let stage = Stage::new().await;
    // Larger than elsewhere, so that there is something to interrupt.
    let (picture, tone) = (greys("320x180", "25", 9), tone(9));
    let encode = "-c:v libx264 -preset ultrafast -g 40 -threads 1 -c:a aac";
    ffmpeg(stage.folder.path(), &format!("{picture} {tone} {encode} source.mp4"));
    let source = stage.content(&stage.folder.path().join("source.mp4")).await;
    let order = stage.order(source, &[small("small")], 4);

    let steps =
        [(TranscodeWork::Plan, 0), (TranscodeWork::Chunk, 0), (TranscodeWork::Chunk, 1), (TranscodeWork::Finish, 0)];
    for (work, index) in steps {
        // The stage is the event to strike at: every step logs at least these two.
        for (stage_name, signal) in
            [("Probing", Signal::SIGKILL), ("Publishing", Signal::SIGKILL), ("Probing", Signal::SIGTERM)]
        {
            let mut child = stage.start(&order, work, index);
            let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap());
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            let mut struck = false;
            while let Some(line) = lines.next_line().await.unwrap() {
                if !struck && line.contains(stage_name) {
                    kill(pid, signal).unwrap();
                    struck = true;
                }
            }
            let status = child.wait().await.unwrap();
            if signal == Signal::SIGTERM && struck && status.code() != Some(0) {
                assert_eq!(status.code(), Some(143), "{work:?}");
            }
        }
        assert_eq!(stage.run(&order, work, index).await, 0, "{work:?} {index}");
    }

    let folder = tempfile::tempdir().unwrap();
    let input = stage.folder.path().join("source.mp4");
    let report = run::run(&driver(), &options(input, folder.path(), 4, vec![small("small")])).await.unwrap();
    let manifest = stage.store.rendition(&order.renditions[0].key).await.unwrap();
    let made: Vec<_> = manifest.files.iter().map(|file| &file.sha256).collect();
    let undisturbed: Vec<_> = report.renditions[0].files.iter().map(|file| &file.sha256).collect();
    assert_eq!(made, undisturbed);
}

#[test]
fn a_full_scratch_volume_is_a_matter_of_resources() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{} -c:v libx264 -preset ultrafast source.mp4", greys("128x72", "25", 20)));
    std::fs::create_dir(folder.path().join("out")).unwrap();
    // A volume of 40 KiB, in a mount namespace of its own that ends with the program.
    let script = "mount -t tmpfs -o size=40k none out && exec \"$0\" run source.mp4 --profile 360p --out out";
    let done = std::process::Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_videocloud-transcoder")])
        .current_dir(folder.path())
        .output()
        .expect("unshare is needed: install util-linux");
    let log = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(31), "{log}");
    assert!(log.contains("ScratchFull"), "{log}");
}

#[tokio::test]
async fn a_run_goes_on_where_it_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let encode = "-c:v libx264 -preset ultrafast -g 40 -threads 1";
    ffmpeg(folder.path(), &format!("{} {encode} source.mp4", greys("128x72", "25", 7)));
    let input = folder.path().join("source.mp4");
    let whole = run::run(&driver(), &options(input.clone(), folder.path(), 2, vec![small("small")])).await.unwrap();

    // Stopped after the second chunk: the marker of a chunk is the event.
    let other = tempfile::tempdir().unwrap();
    let mut options = options(input, other.path(), 2, vec![small("small")]);
    options.workers = 1;
    let stopped = driver();
    let marker = other.path().join("out/.work/chunk-1/done.json");
    let watch = tokio::spawn({
        let (stop, marker) = (stopped.stop.clone(), marker.clone());
        async move {
            while !marker.exists() {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            stop.cancel();
        }
    });
    let first = run::run(&stopped, &options).await;
    watch.await.unwrap();
    if let Err(failure) = first {
        assert_eq!(failure.class.exit_code(), 143, "{failure}");
        assert!(marker.exists());
    }
    let again = run::run(&driver(), &options).await.unwrap();
    assert_eq!(again.renditions[0].files, whole.renditions[0].files);
}
