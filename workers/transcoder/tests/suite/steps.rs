//! Plan, chunks and finish through a store and a tracker.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::TryStreamExt;
use videocloud_protocol::failure::{FailureClass, reason};
use videocloud_protocol::ids::{ContentId, TaskId};
use videocloud_protocol::playlist::{Addressing, hls};
use videocloud_protocol::rendition::growing::{GrowingHead, GrowingPart, Growth, file_path, head_path, part_paths};
use videocloud_protocol::rendition::{RenditionSettings, TreePath, VideoCodec};
use videocloud_protocol::task::{Outcome, PlanOutcome, TaskResult, TaskState, TranscodeTask, TranscodeWork};
use videocloud_transcoder::run;

use super::clips::{driver, ffmpeg, greys, options, small, tone};
use super::moto::Moto;
use super::stage::{Stage, counting};

const WORK: [TranscodeWork; 3] = [TranscodeWork::Plan, TranscodeWork::Chunk, TranscodeWork::Finish];

/// Makes a clip of `seconds` and puts it into the store.
async fn clip(stage: &Stage, seconds: u32) -> ContentId {
    let (picture, tone) = (greys("128x72", "25", seconds), tone(seconds));
    let encode = "-c:v libx264 -preset veryfast -g 40 -bf 2 -threads 1 -c:a aac";
    ffmpeg(stage.folder.path(), &format!("{picture} {tone} {encode} source.mp4"));
    stage.content(&stage.folder.path().join("source.mp4")).await
}

/// Plans and encodes, leaving the finish to do; answers the number of chunks.
async fn up_to_finish(stage: &Stage, order: &TranscodeTask) -> u32 {
    assert_eq!(stage.run(order, TranscodeWork::Plan, 0).await, 0);
    let planned = stage.result(&order.task).await;
    let TaskResult::Succeeded(Outcome::Plan(PlanOutcome::Chunks { chunks, media })) = planned else {
        panic!("not cut: {planned:?}")
    };
    assert_eq!((media.width, media.height, media.audio_tracks), (128, 72, 1));
    for index in 0..chunks {
        assert_eq!(stage.run(order, TranscodeWork::Chunk, index).await, 0);
        let done = stage.result(&TaskId::chunk(&order.run, index)).await;
        assert!(matches!(done, TaskResult::Succeeded(Outcome::Chunk(ref done)) if done.index == index), "{done:?}");
    }
    chunks
}

/// Digests of every file of the first rendition of `order`.
async fn digests(stage: &Stage, order: &TranscodeTask) -> Vec<String> {
    let manifest = stage.store.rendition(&order.renditions[0].key).await.unwrap();
    manifest.files.into_iter().map(|file| file.sha256).collect()
}

#[tokio::test]
async fn a_short_video_is_finished_by_its_plan() {
    let stage = Stage::new().await;
    let source = clip(&stage, 3).await;
    let order = stage.order(source, &[small("a"), small("b")], 0);
    for again in [false, true] {
        assert_eq!(stage.run(&order, TranscodeWork::Plan, 0).await, 0, "again: {again}");
        let result = stage.result(&order.task).await;
        let TaskResult::Succeeded(Outcome::Plan(PlanOutcome::Done(done))) = result else { panic!("{result:?}") };
        assert_eq!(done.renditions.len(), 2);
        assert_eq!((done.renditions[0].width, done.renditions[0].height), (128, 72));
    }
    let manifest = stage.store.rendition(&order.renditions[1].key).await.unwrap();
    assert_eq!((manifest.frames, manifest.tracks.len(), manifest.tracks[0].segments.len()), (75, 2, 2));
    assert_eq!(stage.left_over(), 0);
}

#[tokio::test]
async fn chunks_through_the_store_give_the_bytes_of_a_run_on_one_machine() {
    let stage = Stage::new().await;
    let source = clip(&stage, 7).await;
    let order = stage.order(source, &[small("small")], 2);
    assert_eq!(up_to_finish(&stage, &order).await, 4);
    assert_eq!(stage.run(&order, TranscodeWork::Finish, 0).await, 0);
    let result = stage.result(&TaskId::finish(&order.run)).await;
    let TaskResult::Succeeded(Outcome::Finish(done)) = result else { panic!("{result:?}") };
    assert_eq!(done.chunks, 4);
    assert!(done.cpu_millis > 0);
    assert!(stage.store.run(&order.run).list().await.unwrap().is_empty(), "the workspace is still there");
    assert_eq!(stage.left_over(), 0);

    let folder = tempfile::tempdir().unwrap();
    let input = stage.folder.path().join("source.mp4");
    let report = run::run(&driver(), &options(input, folder.path(), 2, vec![small("small")])).await.unwrap();
    let standalone: Vec<_> = report.renditions[0].files.iter().map(|file| file.sha256.clone()).collect();
    assert_eq!(digests(&stage, &order).await, standalone);
}

#[tokio::test]
async fn what_can_be_played_before_the_finish_is_the_front_of_what_it_makes() {
    let stage = Stage::new().await;
    let source = clip(&stage, 7).await;
    let other = RenditionSettings { video: VideoCodec::Hevc, preset: 9, ..small("other") };
    let order = stage.order(source, &[small("small"), other], 2);
    let chunks = up_to_finish(&stage, &order).await;
    let run = stage.store.run(&order.run);
    let get = async |path: &TreePath| run.get(path).await.unwrap().unwrap_or_else(|| panic!("no {path}")).to_vec();
    let mut grown = Vec::new();
    for rendition in &order.renditions {
        let head: GrowingHead = serde_json::from_slice(&get(&head_path(&rendition.key)).await).unwrap();
        assert_eq!(head.chunks, chunks);
        let (mut parts, mut bytes) = (Vec::new(), Vec::new());
        for index in 0..chunks {
            let (path, marker) = part_paths(&rendition.key, index);
            let part: GrowingPart = serde_json::from_slice(&get(&marker).await).unwrap();
            bytes.extend(get(&path).await);
            parts.push(Arc::new(part));
        }
        let sound = get(&file_path(&rendition.key, &"audio-1.mp4".parse().unwrap())).await;
        grown.push((Growth { head: Arc::new(head), parts }, bytes, sound));
    }
    assert_eq!(stage.run(&order, TranscodeWork::Finish, 0).await, 0);
    assert!(run.list().await.unwrap().is_empty(), "the workspace is still there");
    for (rendition, (growth, bytes, sound)) in order.renditions.iter().zip(grown) {
        let manifest = stage.store.rendition(&rendition.key).await.unwrap();
        let file = async |name: &str| {
            let path: TreePath = name.parse().unwrap();
            let size = manifest.files.iter().find(|file| file.path == path).unwrap().size;
            let parts = stage.store.read_tree_file(&manifest, &path, 0..size).await.unwrap();
            parts.try_collect::<Vec<_>>().await.unwrap().concat()
        };
        assert!(file("video.mp4").await == bytes && file("audio-1.mp4").await == sound, "{}", rendition.settings.name);
        let so_far = growth.manifest().unwrap();
        let (made, grown) = (&manifest.tracks[0], &so_far.tracks[0]);
        assert_eq!(
            (&grown.name, &grown.kind, &grown.codec, grown.init_size, grown.start_ticks),
            (&made.name, &made.kind, &made.codec, made.init_size, made.start_ticks)
        );
        assert_eq!(so_far.tracks[1], manifest.tracks[1]);
        assert!(!growth.grows(grown));
        let target = format!("#EXT-X-TARGETDURATION:{}\n", growth.head.target_seconds);
        assert!(hls::media("small", made, Addressing::ByteRanges).contains(&target));
        for (number, segment) in (1..).zip(&made.segments) {
            let resource = format!("small/video/{number}.m4s").parse().unwrap();
            let piece = growth.piece(&resource).unwrap();
            assert_eq!(piece.range.1, segment.size, "segment {number}");
            assert_eq!(grown.segments[number as usize - 1].ticks, segment.ticks, "segment {number}");
        }
        let past = format!("small/video/{}.m4s", made.segments.len() + 1).parse().unwrap();
        assert_eq!(growth.piece(&past), None);
    }
}

#[tokio::test]
async fn another_way_of_cutting_takes_nothing_from_the_one_before() {
    let stage = Stage::new().await;
    let source = clip(&stage, 7).await;
    assert_eq!(up_to_finish(&stage, &stage.order(source, &[small("small")], 2)).await, 4);
    // The same run, since its renditions are the same, tried again in other chunks.
    let order = stage.order(source, &[small("small")], 4);
    assert_eq!(stage.run(&order, TranscodeWork::Plan, 0).await, 0);
    for index in 0..2 {
        assert_eq!(stage.run(&order, TranscodeWork::Chunk, index).await, 0);
    }
    assert_eq!(stage.run(&order, TranscodeWork::Finish, 0).await, 0);
    assert_eq!(stage.store.rendition(&order.renditions[0].key).await.unwrap().frames, 175);
}

/// Bytes of the source that a step fetched, off its log.
fn fetched(log: &str) -> u64 {
    let lines = log.lines().filter(|line| line.contains("source fetched"));
    lines.filter_map(|line| line.split_once("bytes=")?.1.split(' ').next()?.parse::<u64>().ok()).sum()
}

#[tokio::test]
async fn chunks_read_their_own_bytes_and_encode_the_same_from_them() {
    for (name, encode) in [
        ("front", "-g 50 -bf 2 -movflags +faststart"),
        ("back", "-g 50 -bf 3 -x264-params open-gop=1:keyint=50:scenecut=0"),
    ] {
        let stage = Stage::new().await;
        // Noise, so that there are bytes to save.
        let picture = "-f lavfi -i testsrc2=s=128x72:r=25:d=28,noise=alls=40:allf=t,format=yuv420p";
        let encode = format!("-c:v libx264 -preset ultrafast {encode} -threads 1 -c:a aac source.mp4");
        ffmpeg(stage.folder.path(), &format!("{picture} {} {encode}", tone(28)));
        let input = stage.folder.path().join("source.mp4");
        let size = std::fs::metadata(&input).unwrap().len();
        let source = stage.content(&input).await;
        let order = stage.order(source, &[small("small")], 7);
        assert_eq!(stage.run(&order, TranscodeWork::Plan, 0).await, 0);
        for index in 0..4 {
            let done = stage.start(&order, TranscodeWork::Chunk, index).wait_with_output().await.unwrap();
            let log = String::from_utf8(done.stderr).unwrap();
            assert!(done.status.success() && !log.contains("whole source"), "{name} {index}: {log}");
            let fetched = fetched(&log);
            assert!(fetched > 0 && fetched < size * 2 / 3, "{name} {index}: {fetched} of {size}");
        }
        assert_eq!(stage.run(&order, TranscodeWork::Finish, 0).await, 0);
        let folder = tempfile::tempdir().unwrap();
        let report = run::run(&driver(), &options(input, folder.path(), 7, vec![small("small")])).await.unwrap();
        let whole: Vec<_> = report.renditions[0].files.iter().map(|file| file.sha256.clone()).collect();
        assert_eq!(digests(&stage, &order).await, whole, "{name}");
    }
}

#[tokio::test]
async fn object_storage_does_what_a_volume_does() {
    let server = Moto::shared();
    let stage = Stage::on_s3(&server).await;
    let source = clip(&stage, 7).await;
    let order = stage.order(source, &[small("small")], 2);
    assert_eq!(up_to_finish(&stage, &order).await, 4);
    assert_eq!(stage.run(&order, TranscodeWork::Finish, 0).await, 0);

    let folder = tempfile::tempdir().unwrap();
    let input = stage.folder.path().join("source.mp4");
    let report = run::run(&driver(), &options(input, folder.path(), 2, vec![small("small")])).await.unwrap();
    let standalone: Vec<_> = report.renditions[0].files.iter().map(|file| file.sha256.clone()).collect();
    assert_eq!(digests(&stage, &order).await, standalone);
    assert_eq!(stage.left_over(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunk_pods_read_little_more_than_the_source_from_s3() {
    let server = Moto::shared();
    let (endpoint, count) = counting(server.endpoint()).await;
    let stage = Stage::on_s3_at(&server, &endpoint).await;
    // Noise, so that there are bytes; chunks of half a minute, the order of what is used.
    let picture = "-f lavfi -i testsrc2=s=96x64:r=25:d=120,noise=alls=60:allf=t,format=yuv420p";
    let encode = "-c:v libx264 -preset ultrafast -qp 12 -g 50 -bf 2 -threads 1 -c:a aac";
    ffmpeg(stage.folder.path(), &format!("{picture} {} {encode} source.mp4", tone(120)));
    let input = stage.folder.path().join("source.mp4");
    let size = std::fs::metadata(&input).unwrap().len();
    let source = stage.content(&input).await;
    let settings = RenditionSettings { preset: 9, ..small("small") };
    let order = stage.order(source, &[settings], 30);
    assert_eq!(stage.run(&order, TranscodeWork::Plan, 0).await, 0);
    let before = count.load(Ordering::Relaxed);
    for index in 0..4 {
        assert_eq!(stage.run(&order, TranscodeWork::Chunk, index).await, 0);
    }
    // Heads of answers, the plan and the markers are in it.
    let read = count.load(Ordering::Relaxed) - before;
    let percent = read * 100 / size;
    println!("{read} bytes of {size}: {percent} %");
    assert!((95..=115).contains(&percent), "{read} bytes of {size}: {percent} %");
}

#[tokio::test]
async fn failures_have_their_class_as_exit_code_and_reason() {
    let stage = Stage::new().await;
    let page = stage.folder.path().join("page.mp4");
    std::fs::write(&page, "<!DOCTYPE html><title>Sign in</title>").unwrap();
    let page = stage.content(&page).await;
    let order = stage.order(page, &[small("small")], 0);
    assert_eq!(stage.run(&order, TranscodeWork::Plan, 0).await, 20);
    let result = stage.result(&order.task).await;
    let TaskResult::Failed { failure, .. } = result else { panic!("{result:?}") };
    assert_eq!((failure.class, failure.reason.as_str()), (FailureClass::BadInput, reason::NOT_MEDIA));
    assert!(failure.message.contains("HTML"), "{failure}");

    let gone = stage.order(ContentId::from_bytes([7; 32]), &[small("small")], 0);
    assert_eq!(stage.run(&gone, TranscodeWork::Plan, 0).await, 22);

    // Chunk and finish before their plan: another try may come after it.
    for work in &WORK[1..] {
        assert_eq!(stage.run(&order, *work, 0).await, 30);
    }
    let record = stage.record(&TaskId::finish(&order.run)).await;
    assert!(matches!(record.state, TaskState::Running(_)), "{record:?}");
}
