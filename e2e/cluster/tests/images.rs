//! Images are built from finished programs, only what changed is built again, and they run without root in a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]

mod support;

use std::fs::{self, File};
use std::io::Write;

use support::TestCluster;
use videocloud_cluster::Progress;
use videocloud_cluster::images::build::{Image, Inputs, build};
use videocloud_cluster::images::part::Part;

#[tokio::test]
async fn a_changed_program_changes_one_image_and_all_run() {
    // This crate's own program stands for each part's: linked the same way, and it can tell its version.
    let folder = tempfile::tempdir().unwrap();
    for part in Part::ALL {
        fs::copy(env!("CARGO_BIN_EXE_videocloud-cluster"), folder.path().join(part.program())).unwrap();
    }
    let inputs = Inputs { programs: folder.path().to_owned(), tools: None, tag: None };
    let first = build(&inputs, Progress::Silent).await.unwrap();
    let mut tracker = File::options().append(true).open(folder.path().join(Part::Tracker.program())).unwrap();
    tracker.write_all(folder.path().as_os_str().as_encoded_bytes()).unwrap();
    drop(tracker);
    let second = build(&inputs, Progress::Silent).await.unwrap();
    let changed = |image: &&Image| first.iter().all(|before| before.content != image.content);
    let changed: Vec<_> = second.iter().filter(changed).map(|image| image.part).collect();
    assert_eq!(changed, [Part::Tracker]);
    let tags: Vec<_> = second.iter().map(|image| image.reference.rsplit(':').next().unwrap()).collect();
    assert!(tags.iter().all(|tag| *tag == tags[0]) && !first[0].reference.ends_with(tags[0]), "{tags:?}");

    let cluster = TestCluster::up("image").await;
    cluster.load_images(&second).await.unwrap();
    let absent = second.iter().map(|image| Image { archive: "/nonexistent".into(), ..image.clone() });
    cluster.load_images(&absent.collect::<Vec<_>>()).await.expect("what the node has is not loaded again");
    for image in &second {
        let program = format!("/usr/bin/{}", image.part.program());
        cluster.apply(&support::job_running(image.part.name(), &image.reference, &[&program, "--version"])).await;
    }
    let transcoder = second.iter().find(|image| image.part == Part::Transcoder).unwrap();
    for tool in ["ffmpeg", "ffprobe"] {
        let command = [&format!("/usr/bin/{tool}"), "-version"];
        cluster.apply(&support::job_running(tool, &transcoder.reference, &command)).await;
    }
    // The second ffmpeg is linked to the base's C library, and is there for this filter.
    let command = ["/usr/bin/ffmpeg-vmaf", "-hide_banner", "-v", "error", "-h", "filter=libvmaf"];
    cluster.apply(&support::job_running("ffmpeg-vmaf", &transcoder.reference, &command)).await;
    for image in &second {
        let said = cluster.finish_job(image.part.name()).await;
        assert_eq!(said, format!("videocloud-cluster {}\n", env!("CARGO_PKG_VERSION")), "{}", image.part);
    }
    for tool in ["ffmpeg", "ffprobe"] {
        let said = cluster.finish_job(tool).await;
        assert!(said.starts_with(&format!("{tool} version n8.1.2 ")), "{said}");
    }
    let said = cluster.finish_job("ffmpeg-vmaf").await;
    assert!(said.contains("Filter libvmaf"), "{said}");
}
