//! One suite over both backends: what holds on a file system holds on S3.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use support::{Place, claim, collect, content, id_of, manifest_of};
use videocloud_protocol::ids::RunId;
use videocloud_store::{After, Published, Shown, StoreError};

const MIB: usize = 1 << 20;

/// Writes a whole content in pieces, last one first.
async fn write_all(staging: &videocloud_store::Staging, bytes: &Bytes) {
    let mut ends: Vec<usize> = (0..bytes.len()).step_by(3 * MIB).collect();
    ends.reverse();
    for start in ends {
        let piece = bytes.slice(start..(start + 3 * MIB).min(bytes.len()));
        let half = piece.len() / 2;
        let pieces = vec![piece.slice(..half), piece.slice(half..)];
        staging.write_pieces_at(start as u64, pieces, After::Rest).await.unwrap();
    }
}

async fn publish(store: &videocloud_store::Store, seed: u8, bytes: &Bytes) {
    let staging = store.stage(&claim(seed)).await.unwrap();
    staging.reserve(bytes.len() as u64).await.unwrap();
    write_all(&staging, bytes).await;
    assert_eq!(staging.publish(&manifest_of(bytes)).await.unwrap(), Published::New);
}

async fn staged_bytes_become_a_content(place: Place) {
    let store = place.open();
    for (seed, size) in [(1, 0), (2, 1), (3, 8 * MIB), (4, 19 * MIB + 7)] {
        let bytes = content(seed, size);
        let id = id_of(&bytes);
        assert!(store.manifest(&id).await.unwrap_err().is_not_found());
        publish(&store, seed as u8, &bytes).await;
        assert_eq!(store.manifest(&id).await.unwrap(), manifest_of(&bytes));
        assert_eq!(collect(store.read(&id, 0..size as u64).await.unwrap()).await, bytes);
        let (start, end) = (size / 3, size - size / 5);
        assert_eq!(collect(store.read(&id, start as u64..end as u64).await.unwrap()).await, bytes[start..end]);
        assert_eq!(store.open_file(&id).await.unwrap().is_some(), !place.is_s3());
    }
    let mut sizes: Vec<u64> = store.list().map_ok(|manifest| manifest.size).try_collect().await.unwrap();
    sizes.sort_unstable();
    assert_eq!(sizes, [0, 1, 8 * MIB as u64, 19 * MIB as u64 + 7]);
    let usage = store.usage().await.unwrap();
    assert_eq!((usage.contents, usage.staging), (27 * MIB as u64 + 8, 0), "nothing is left in staging");
}

async fn the_same_content_twice_is_one(place: Place) {
    let store = place.open();
    let bytes = content(1, MIB);
    publish(&store, 1, &bytes).await;
    let staging = store.stage(&claim(2)).await.unwrap();
    staging.write_at(0, bytes.clone()).await.unwrap();
    let published = staging.publish(&manifest_of(&bytes)).await.unwrap();
    assert_eq!(published, Published::AlreadyThere(manifest_of(&bytes)));
    drop(staging);
    assert_eq!(store.usage().await.unwrap().staging, 0);
    assert_eq!(store.stage(&claim(2)).await.unwrap().load_checkpoint(), None);
}

async fn a_restart_on_the_same_node_loses_nothing(place: Place) {
    let bytes = content(1, 20 * MIB);
    {
        let staging = place.open().stage(&claim(1)).await.unwrap();
        assert_eq!(staging.load_checkpoint(), None);
        staging.reserve(bytes.len() as u64).await.unwrap();
        staging.write_at(0, bytes.slice(..13 * MIB)).await.unwrap();
        staging.checkpoint(b"thirteen").await.unwrap();
    }
    let staging = place.open().stage(&claim(1)).await.unwrap();
    let found = staging.load_checkpoint().unwrap();
    assert_eq!((&found.state[..], found.size), (&b"thirteen"[..], Some(20 * MIB as u64)));
    assert!(found.kept.len() == 1 && found.kept[0].start == 0 && found.kept[0].end >= 13 * MIB as u64);
    assert_eq!(staging.read_at(0, 13 * MIB).await.unwrap(), bytes[..13 * MIB]);
    staging.write_at(13 * MIB as u64, bytes.slice(13 * MIB..)).await.unwrap();
    staging.publish(&manifest_of(&bytes)).await.unwrap();
    assert_eq!(collect(place.open().read(&id_of(&bytes), 0..20 * MIB as u64).await.unwrap()).await, bytes);
}

async fn another_node_goes_on_with_what_is_kept(place: Place) {
    let bytes = content(2, 20 * MIB);
    {
        let staging = place.open_on("a").stage(&claim(1)).await.unwrap();
        staging.reserve(bytes.len() as u64).await.unwrap();
        staging.write_at(0, bytes.slice(..5 * MIB)).await.unwrap();
        staging.write_at(7 * MIB as u64, bytes.slice(7 * MIB..)).await.unwrap();
        staging.checkpoint(b"almost all").await.unwrap();
    }
    let staging = place.open_on("b").stage(&claim(1)).await.unwrap();
    let found = staging.load_checkpoint().unwrap();
    assert_eq!(found.state, "almost all");
    let kept_from = if place.is_s3() { 8 * MIB } else { 0 };
    assert_eq!(found.kept.len(), 1);
    assert_eq!(found.kept[0], kept_from as u64..20 * MIB as u64);
    assert_eq!(staging.read_at(9 * MIB as u64, 9 * MIB).await.unwrap(), bytes[9 * MIB..18 * MIB]);
    staging.reserve(bytes.len() as u64).await.unwrap();
    staging.write_at(0, bytes.slice(..8 * MIB)).await.unwrap();
    staging.publish(&manifest_of(&bytes)).await.unwrap();
    assert_eq!(collect(place.open().read(&id_of(&bytes), 0..20 * MIB as u64).await.unwrap()).await, bytes);
}

async fn bytes_written_again_replace_those_of_a_checkpoint(place: Place) {
    let (wrong, right) = (content(3, 17 * MIB), content(4, 17 * MIB));
    {
        let staging = place.open_on("a").stage(&claim(1)).await.unwrap();
        staging.reserve(17 * MIB as u64).await.unwrap();
        staging.write_at(0, wrong.slice(..10 * MIB)).await.unwrap();
        staging.write_at(10 * MIB as u64, right.slice(10 * MIB..)).await.unwrap();
        staging.checkpoint(b"some of it is wrong").await.unwrap();
    }
    let staging = place.open_on("b").stage(&claim(1)).await.unwrap();
    // Part 0 is replaced whole, part 1 only in its head, so its tail has to come back from the store first.
    staging.write_at(0, right.slice(..10 * MIB)).await.unwrap();
    assert_eq!(staging.read_at(0, 17 * MIB).await.unwrap(), right);
    staging.checkpoint(b"right").await.unwrap();
    drop(staging);
    let staging = place.open_on("c").stage(&claim(1)).await.unwrap();
    assert_eq!(staging.read_at(0, 17 * MIB).await.unwrap(), right);
    staging.publish(&manifest_of(&right)).await.unwrap();
    assert_eq!(collect(place.open().read(&id_of(&right), 0..17 * MIB as u64).await.unwrap()).await, right);
}

async fn missing_or_surplus_bytes_are_not_published(place: Place) {
    let store = place.open();
    let bytes = content(5, 2 * MIB);
    for staged in [MIB, 2 * MIB + 1] {
        let staging = store.stage(&claim(1)).await.unwrap();
        let all = [&bytes[..], b"x"].concat();
        staging.write_at(0, Bytes::from(all[..staged].to_vec())).await.unwrap();
        let refused = staging.publish(&manifest_of(&bytes)).await.unwrap_err();
        assert!(matches!(refused, StoreError::SizeMismatch { .. }), "{refused}");
        assert!(store.manifest(&id_of(&bytes)).await.unwrap_err().is_not_found());
        staging.discard().await.unwrap();
    }
    assert_eq!(store.usage().await.unwrap(), videocloud_store::Usage::default());
}

async fn a_size_nobody_knows_can_grow(place: Place) {
    let store = place.open();
    let bytes = content(6, 70 * MIB);
    let staging = store.stage(&claim(1)).await.unwrap();
    write_all(&staging, &bytes).await;
    staging.checkpoint(b"").await.unwrap();
    staging.publish(&manifest_of(&bytes)).await.unwrap();
    let tail = collect(store.read(&id_of(&bytes), 60 * MIB as u64..70 * MIB as u64).await.unwrap()).await;
    assert_eq!(tail, bytes[60 * MIB..]);
}

async fn more_than_there_is_room_for_is_refused_at_once(place: Place) {
    let staging = place.open().stage(&claim(1)).await.unwrap();
    let refused = staging.reserve(1 << 60).await.unwrap_err();
    match refused {
        StoreError::ScratchFull { needed, free, .. } if place.is_s3() => assert!(needed == 1 << 60 && free < needed),
        StoreError::Full { needed, free, .. } if !place.is_s3() => assert!(needed == 1 << 60 && free < needed),
        other => panic!("{other}"),
    }
    staging.reserve(MIB as u64).await.unwrap();
}

async fn what_is_shown_can_be_read_before_all_is_there(place: Place) {
    let bytes = content(14, 20 * MIB);
    let (reader, size) = (place.open_on("b"), bytes.len() as u64);
    assert!(reader.arriving(&claim(1)).await.unwrap().is_none());
    let staging = place.open_on("a").stage(&claim(1)).await.unwrap();
    staging.reserve(size).await.unwrap();
    staging.write_at(0, bytes.slice(..11 * MIB)).await.unwrap();
    staging.checkpoint(b"nothing shown").await.unwrap();
    let there = reader.arriving(&claim(1)).await.unwrap().unwrap();
    assert_eq!((there.size(), there.bytes(), there.run_from(0)), (size, 0, None));
    let show = |end: usize| {
        let proven = vec![0..end as u64, (end + 1) as u64..(end + 2) as u64];
        Some(Shown { mime: "video/mp4".into(), proven })
    };
    staging.checkpoint_shown(b"some", show(10 * MIB)).await.unwrap();
    let there = reader.arriving(&claim(1)).await.unwrap().unwrap();
    // On S3 only whole parts, of 8 MiB, are where others can read them.
    let end = if place.is_s3() { 8 * MIB } else { 10 * MIB };
    assert_eq!((there.mime(), there.run_from(0)), ("video/mp4", Some(end as u64)));
    assert_eq!((there.run_from(end as u64), there.run_from(size)), (None, None));
    assert_eq!(collect(there.read(3..end as u64).await.unwrap()).await, bytes[3..end]);
    staging.write_at(11 * MIB as u64, bytes.slice(11 * MIB..)).await.unwrap();
    staging.checkpoint_shown(b"more", show(20 * MIB - 2)).await.unwrap();
    let there = reader.arriving(&claim(1)).await.unwrap().unwrap();
    assert_eq!(there.run_from(0), Some(20 * MIB as u64 - 2));
    let mut got = Vec::new();
    while got.len() < 20 * MIB - 2 {
        let run = there.read(got.len() as u64..20 * MIB as u64 - 2).await.unwrap();
        got.extend_from_slice(&collect(run).await);
    }
    assert!(got == bytes[..20 * MIB - 2]);
    drop(staging);
    let again = place.open_on("a").stage(&claim(1)).await.unwrap();
    assert!(again.load_checkpoint().unwrap().shown);
    again.checkpoint(b"not any more").await.unwrap();
    assert_eq!(reader.arriving(&claim(1)).await.unwrap().unwrap().bytes(), 0);
    again.publish(&manifest_of(&bytes)).await.unwrap();
    assert!(reader.arriving(&claim(1)).await.unwrap().is_none());
}

async fn one_process_holds_a_staging_area(place: Place) {
    let store = place.open_on("a");
    let first = store.stage(&claim(1)).await.unwrap();
    first.checkpoint(b"1").await.unwrap();
    assert!(matches!(store.stage(&claim(1)).await.unwrap_err(), StoreError::Busy { .. }));
    store.stage(&claim(2)).await.unwrap();
    if place.is_s3() {
        // Another node has no way to see the lock; the conditional checkpoint decides.
        let second = place.open_on("b").stage(&claim(1)).await.unwrap();
        second.checkpoint(b"2").await.unwrap();
        assert!(matches!(first.checkpoint(b"3").await.unwrap_err(), StoreError::TakenOver { .. }));
    }
    drop(first);
    assert!(store.stage(&claim(1)).await.unwrap().load_checkpoint().is_some());
}

async fn deleted_is_gone_and_can_come_back(place: Place) {
    let store = place.open();
    let bytes = content(7, MIB);
    let id = id_of(&bytes);
    assert!(!store.delete(&id).await.unwrap());
    publish(&store, 1, &bytes).await;
    assert!(store.delete(&id).await.unwrap());
    assert!(store.manifest(&id).await.unwrap_err().is_not_found());
    assert!(store.read(&id, 0..1).await.is_err());
    assert_eq!(store.list().count().await, 0);
    assert_eq!(store.usage().await.unwrap().contents, 0);
    publish(&store, 1, &bytes).await;
    assert_eq!(collect(store.read(&id, 0..MIB as u64).await.unwrap()).await, bytes);
}

async fn of_many_publishers_one_is_first(place: Place) {
    let store = Arc::new(place.open());
    let bytes = content(8, MIB);
    let publishers: Vec<_> = (0..8_u8)
        .map(|seed| {
            let (store, bytes) = (store.clone(), bytes.clone());
            tokio::spawn(async move {
                let staging = store.stage(&claim(seed)).await.unwrap();
                staging.write_at(0, bytes.clone()).await.unwrap();
                staging.publish(&manifest_of(&bytes)).await.unwrap()
            })
        })
        .collect();
    let mut new = 0;
    for publisher in publishers {
        new += usize::from(publisher.await.unwrap() == Published::New);
    }
    // In a bucket, a publisher whose manifest is there to the byte cannot tell it from its own after a lost answer.
    assert!(new == 1 || place.is_s3() && new > 1, "{new} publishers were first");
    assert_eq!(collect(store.read(&id_of(&bytes), 0..MIB as u64).await.unwrap()).await, bytes);
}

async fn publishing_deleting_and_sweeping_at_once_never_leaves_half(place: Place) {
    let store = place.open();
    let bytes = content(9, 100_000);
    let id = id_of(&bytes);
    let publisher = |seed: u8| {
        let (store, bytes) = (store.clone(), bytes.clone());
        async move {
            for _ in 0..15 {
                let staging = match store.stage(&claim(seed)).await {
                    Ok(staging) => staging,
                    // The sweep took the folder away while it was being opened.
                    Err(StoreError::Busy { .. } | StoreError::NotFound { .. }) => continue,
                    Err(other) => panic!("{other}"),
                };
                if staging.write_at(0, bytes.clone()).await.is_err() {
                    continue;
                }
                match staging.publish(&manifest_of(&bytes)).await {
                    Ok(_) | Err(StoreError::Busy { .. } | StoreError::NotFound { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    };
    let remover = || {
        let store = store.clone();
        async move {
            for _ in 0..15 {
                match store.delete(&id).await {
                    Ok(_) | Err(StoreError::Busy { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    };
    let reader = async {
        for _ in 0..40 {
            // A manifest without a blob is possible only while a deletion falls between the two looks, so looking again
            // ends it, unless other deletions fall between each time.
            let mut looks = 0;
            while store.manifest(&id).await.is_ok() && store.read(&id, 0..100_000).await.is_err() {
                looks += 1;
                assert!(looks < 50, "a manifest stands without its blob");
            }
            tokio::task::yield_now().await;
        }
    };
    let sweeper = async {
        for _ in 0..10 {
            match store.sweep_orphans(Duration::ZERO).await {
                Ok(_) | Err(StoreError::Busy { .. } | StoreError::NotFound { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
    };
    tokio::join!(publisher(1), publisher(2), remover(), remover(), reader, sweeper);
    match store.manifest(&id).await {
        Ok(_) => assert_eq!(collect(store.read(&id, 0..100_000).await.unwrap()).await, bytes),
        Err(error) => assert!(error.is_not_found(), "{error}"),
    }
    publish(&store, 9, &content(10, 5)).await;
}

async fn a_sweep_takes_orphans_only(place: Place) {
    let store = place.open();
    let (kept, lost) = (content(11, MIB), content(12, 17 * MIB));
    publish(&store, 1, &kept).await;
    let staging = store.stage(&claim(2)).await.unwrap();
    staging.reserve(lost.len() as u64).await.unwrap();
    write_all(&staging, &lost).await;
    staging.checkpoint(b"state").await.unwrap();
    drop(staging);
    let run = store.run(&RunId::from_bytes([1; 16]));
    run.put(&"plan.json".parse().unwrap(), "{}").await.unwrap();

    let nothing = store.sweep_orphans(Duration::from_secs(3600)).await.unwrap();
    assert_eq!(nothing, videocloud_store::Swept::default());
    tokio::time::sleep(Duration::from_millis(1100)).await; // S3 rounds times to seconds.
    let swept = store.sweep_orphans(Duration::ZERO).await.unwrap();
    assert_eq!((swept.staging, swept.runs, swept.contents), (1, 1, 0));
    let usage = store.usage().await.unwrap();
    assert_eq!((usage.contents, usage.staging, usage.runs), (MIB as u64, 0, 0));
    assert_eq!(collect(store.read(&id_of(&kept), 0..MIB as u64).await.unwrap()).await, kept);
}

async fn a_workspace_holds_plans_markers_and_files(place: Place) {
    let store = place.open();
    let run = store.run(&RunId::from_bytes([7; 16]));
    let marker = "chunks/3/done.json".parse().unwrap();
    assert_eq!(run.get(&marker).await.unwrap(), None);
    let callers = futures::future::join_all((0..6).map(|i| run.put_if_absent(&marker, format!("{{\"by\":{i}}}"))));
    assert_eq!(callers.await.into_iter().filter(|won| *won.as_ref().unwrap()).count(), 1);
    let winner = run.get(&marker).await.unwrap().unwrap();
    assert!(!run.put_if_absent(&marker, "late").await.unwrap());
    assert_eq!(run.get(&marker).await.unwrap().unwrap(), winner);

    let file = place.folder.path().join("chunk.mp4");
    let bytes = content(13, 21 * MIB);
    std::fs::write(&file, &bytes).unwrap();
    let path = "chunks/3/video.mp4".parse().unwrap();
    assert_eq!(run.put_file(&path, &file).await.unwrap(), 21 * MIB as u64);
    let copy = place.folder.path().join("copy.mp4");
    assert_eq!(run.get_file(&path, &copy).await.unwrap(), 21 * MIB as u64);
    assert_eq!(std::fs::read(copy).unwrap(), bytes);
    let listed: Vec<String> = run.list().await.unwrap().iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(listed, ["chunks/3/done.json", "chunks/3/video.mp4"]);
    run.delete(&path).await.unwrap();
    run.delete(&path).await.unwrap();
    run.delete_all().await.unwrap();
    assert_eq!(run.list().await.unwrap(), []);
}

macro_rules! on_both_backends {
    ($($case:ident),* $(,)?) => {
        mod fs {
            $(#[tokio::test(flavor = "multi_thread")] async fn $case() { super::$case(super::Place::fs()).await; })*
        }
        mod s3 {
            $(#[tokio::test(flavor = "multi_thread")] async fn $case() { super::$case(super::Place::s3()).await; })*
        }
    };
}

on_both_backends!(
    staged_bytes_become_a_content,
    the_same_content_twice_is_one,
    a_restart_on_the_same_node_loses_nothing,
    another_node_goes_on_with_what_is_kept,
    bytes_written_again_replace_those_of_a_checkpoint,
    missing_or_surplus_bytes_are_not_published,
    a_size_nobody_knows_can_grow,
    more_than_there_is_room_for_is_refused_at_once,
    what_is_shown_can_be_read_before_all_is_there,
    one_process_holds_a_staging_area,
    deleted_is_gone_and_can_come_back,
    of_many_publishers_one_is_first,
    publishing_deleting_and_sweeping_at_once_never_leaves_half,
    a_sweep_takes_orphans_only,
    a_workspace_holds_plans_markers_and_files,
);
