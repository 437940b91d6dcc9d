//! The walls around the child, tried from inside: a shell in place of ffmpeg reaches for what it must not have.

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use videocloud_transcoder::child::{self, Ended, Heard, Invocation, Stopped, verdict};
use videocloud_transcoder::sandbox::FileConfinement;

/// Runs a program inside the walls; its working folder is `folder`.
async fn inside(program: &str, args: &[&str], folder: &Path, readable: &[&Path]) -> (Ended, String) {
    let invocation = Invocation {
        program: Path::new(program).canonicalize().unwrap(),
        args: args.iter().map(Into::into).collect(),
        folder: folder.canonicalize().unwrap(),
        readable: readable.iter().map(|path| path.canonicalize().unwrap()).collect(),
        stall: Duration::from_secs(60),
    };
    let mut heard = String::new();
    let stop = CancellationToken::new();
    let ended = child::run(&invocation, &stop, |line| {
        heard.push_str(line);
        heard.push('\n');
        Heard::Progress
    });
    let ended = ended.await.unwrap();
    (ended, heard)
}

#[tokio::test]
async fn the_child_cannot_open_a_socket() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    // /dev/tcp is bash's own: it calls socket() itself.
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo open");
    let (ended, heard) = inside("/bin/bash", &["-c", &script], folder.path(), &[]).await;
    assert_eq!(heard, "");
    assert!(ended.stderr.mentions("Permission denied"), "{:?}", ended.stderr);
    assert!(listener.accept().is_err(), "somebody connected");

    // ffmpeg itself, told to fetch, with no protocol list to stop it.
    let url = format!("http://127.0.0.1:{port}/x.mp4");
    let ffmpeg = super::clips::tools().ffmpeg;
    let (ended, _) = inside(ffmpeg.to_str().unwrap(), &["-i", &url, "-f", "null", "-"], folder.path(), &[]).await;
    assert!(!ended.status.success());
    assert!(listener.accept().is_err(), "ffmpeg connected");
}

#[tokio::test]
async fn the_child_reads_its_input_and_writes_its_folder_only() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (input, secret) = (outside.path().join("input"), outside.path().join("secret"));
    std::fs::write(&input, "input\n").unwrap();
    std::fs::write(&secret, "secret\n").unwrap();
    let script = format!(
        "while read -r line; do echo $line; done < {}; echo in > mine; echo out > {}/theirs; while read -r line; do echo $line; done < {}",
        input.display(),
        outside.path().display(),
        secret.display()
    );
    let (ended, heard) = inside("/bin/bash", &["-c", &script], folder.path(), &[&input]).await;
    assert_eq!(std::fs::read_to_string(folder.path().join("mine")).unwrap(), "in\n");
    if ended.confinement == FileConfinement::None {
        // Said by name, so that a log shows which kernel this was: without Landlock only user ids and mounts protect files.
        println!("this kernel has no Landlock; only the socket wall was tested");
        return;
    }
    assert_eq!(heard, "input\n");
    assert!(!outside.path().join("theirs").exists());
}

#[tokio::test]
async fn a_child_without_progress_is_ended_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let invocation = Invocation {
        program: Path::new("/bin/bash").canonicalize().unwrap(),
        // The second shell would hold the pipe open for a day if the signal went to the first alone.
        args: ["-c", "echo started; bash -c 'while :; do read -t 86400 < <(:); done'"].map(Into::into).to_vec(),
        folder: folder.path().canonicalize().unwrap(),
        readable: vec![],
        stall: Duration::from_millis(300),
    };
    let ended = child::run(&invocation, &CancellationToken::new(), |_| Heard::Nothing).await.unwrap();
    assert_eq!(ended.stopped, Some(Stopped::Stalled));
    let failure = verdict::judge(&ended, verdict::Stage::Encode, "encode").unwrap();
    assert_eq!(failure.class.exit_code(), 23, "{failure}");
}

#[tokio::test]
async fn the_child_is_limited_and_has_no_environment() {
    let folder = tempfile::tempdir().unwrap();
    // The limits are set a moment after the start.
    let script = "while [ $(ulimit -n) != 256 ]; do :; done; echo core $(ulimit -c) files $(ulimit -n) home ${HOME:-none} token ${VIDEOCLOUD_TASK_TOKEN:-none}";
    let (_, heard) = inside("/bin/bash", &["-c", script], folder.path(), &[]).await;
    assert_eq!(heard, "core 0 files 256 home none token none\n");
}
