//! The same answers from object storage.

use reqwest::StatusCode;
use videocloud_protocol::publication::Access;
use videocloud_store::{S3Keys, Store};

use crate::support::{Tracker, client, clip, header, moto::Moto, process::Process, publication};

#[tokio::test]
async fn originals_ranges_and_segments_come_from_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let moto = Moto::shared();
    let url = format!("s3://{}/videos?endpoint={}&region=us-east-1", moto.new_bucket(), moto.endpoint());
    let keys = S3Keys { access_key_id: "test".into(), secret_access_key: "test".into() };
    let store = Store::open_with_keys(&url.parse().unwrap(), folder.path(), Some(&keys)).unwrap();
    let clip = clip::publish(&store).await;
    let tracker = Tracker::start(folder.path()).await;
    tracker.operator().publish("team", "holiday", &publication(&clip, Access::Public)).await.unwrap();
    let uploader = Process::on(&url, folder.path(), Some(&tracker.url()), &[]);
    let get = async |path: &str, range: &str| {
        let request = client().get(format!("http://{}/v/team/holiday/{path}", uploader.http)).header("range", range);
        request.send().await.unwrap()
    };
    let original = std::fs::read(&clip.original).unwrap();
    assert!(get("file", "bytes=0-").await.bytes().await.unwrap() == original);
    let tail = get("file", "bytes=-1000").await;
    assert_eq!(tail.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(tail.bytes().await.unwrap(), original[original.len() - 1000..]);
    let parts = get("file", "bytes=1-2,10-20,5-6").await;
    let length: usize = header(&parts, "content-length").parse().unwrap();
    assert_eq!(parts.bytes().await.unwrap().len(), length);
    let track = &clip.renditions[0].1.tracks[0];
    let segment = get("high/video/2.m4s", "bytes=0-").await.bytes().await.unwrap();
    let file = clip::file("high-video.mp4");
    let (start, size) = (track.segments[1].offset as usize, track.segments[1].size as usize);
    assert!(segment == file[start..start + size], "{} of {size} bytes", segment.len());
    // Gone from the bucket, though its manifest is known: one uploader has kept what was asked for, the other keeps nothing.
    let forgetful = Process::on(&url, folder.path(), Some(&tracker.url()), &["--cache-mib", "0"]);
    let ask = |from: &Process| {
        client().get(format!("http://{}/v/team/holiday/file", from.http)).header("range", "bytes=7-16").send()
    };
    assert_eq!(ask(&forgetful).await.unwrap().bytes().await.unwrap(), original[7..17]);
    store.delete(&clip.content).await.unwrap();
    let kept = ask(&uploader).await.unwrap();
    assert_eq!(kept.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(kept.bytes().await.unwrap(), original[7..17]);
    let gone = ask(&forgetful).await.unwrap();
    assert_eq!(gone.status(), StatusCode::GONE);
    assert!(gone.text().await.unwrap().contains("no longer kept"));
}
