//! A process that stages, publishes and deletes is killed (SIGKILL) anywhere, many times: afterwards each content is whole or not
//! there at all, and clean-up leaves nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use futures::TryStreamExt;
use rand::RngExt;
use support::{Place, claim, collect, content, id_of, manifest_of};
use videocloud_protocol::content::ContentManifest;
use videocloud_store::{Store, StoreError, Swept};

/// Kills per backend.
const ROUNDS: usize = 12;
/// One part, and several with a short last one.
const SIZES: [usize; 3] = [300_000, 17 << 20, 24 << 20];
/// What the child finds the store by; without it the child is an empty test.
const STORE: &str = "VIDEOCLOUD_TEST_KILL_STORE";

/// The victim: goes round until it is killed. What is there of an earlier one is gone on with.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child process of the tests here"]
async fn child() {
    let Some(url) = std::env::var_os(STORE) else { return };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scratch = std::env::var_os("VIDEOCLOUD_TEST_KILL_SCRATCH").unwrap();
    let keys = videocloud_store::S3Keys { access_key_id: "test".into(), secret_access_key: "test".into() };
    let url = url.to_str().unwrap().parse().unwrap();
    let store = Store::open_with_keys(&url, scratch.as_ref(), Some(&keys)).unwrap();
    println!("\nready");
    loop {
        for (seed, size) in SIZES.into_iter().enumerate() {
            round(&store, seed as u8, size).await;
        }
    }
}

async fn round(store: &Store, seed: u8, size: usize) {
    let bytes = content(u64::from(seed), size);
    let staging = match store.stage(&claim(seed)).await {
        Ok(staging) => staging,
        Err(error) => panic!("{error}"),
    };
    staging.reserve(size as u64).await.unwrap();
    for start in (0..size).step_by(5 << 20) {
        staging.write_at(start as u64, bytes.slice(start..size.min(start + (5 << 20)))).await.unwrap();
        staging.checkpoint(start.to_string().as_bytes()).await.unwrap();
    }
    match staging.publish(&manifest_of(&bytes)).await {
        // A deletion that was killed halfway keeps the name until it is old.
        Ok(_) | Err(StoreError::Busy { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    drop(staging);
    match store.delete(&id_of(&bytes)).await {
        Ok(_) | Err(StoreError::Busy { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

async fn killed_anywhere(place: Place) {
    let mut whole = 0;
    for _ in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child", "--nocapture"])
            .env(STORE, place.url.to_string())
            .env("VIDEOCLOUD_TEST_KILL_SCRATCH", place.scratch("child"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        lines.find(|line| line == "ready").expect("the child begins");
        std::thread::sleep(rand::rng().random_range(Duration::ZERO..Duration::from_millis(900)));
        assert_eq!(child.try_wait().unwrap(), None, "it goes on until it is killed");
        child.kill().unwrap();
        child.wait().unwrap();
        whole += contents_are_whole(&place.open()).await;
    }
    eprintln!("{whole} contents were there after {ROUNDS} kills");
    nothing_is_left(&place).await;
}

/// Everything that has a manifest can be read to its end and is what its name says.
async fn contents_are_whole(store: &Store) -> usize {
    let listed: Vec<ContentManifest> = store.list().try_collect().await.unwrap();
    for manifest in &listed {
        let bytes = collect(store.read(&manifest.id, 0..manifest.size).await.unwrap()).await;
        assert_eq!(id_of(&bytes), manifest.id, "a content is not whole");
    }
    for (seed, size) in SIZES.into_iter().enumerate() {
        match store.manifest(&id_of(&content(seed as u64, size))).await {
            Ok(manifest) => assert!(listed.contains(&manifest)),
            Err(error) => assert!(error.is_not_found(), "{error}"),
        }
    }
    listed.len()
}

async fn nothing_is_left(place: &Place) {
    let store = place.open();
    if place.is_s3() {
        tokio::time::sleep(Duration::from_millis(1100)).await; // S3 rounds times to seconds.
    } else {
        // A deletion counts as abandoned after some minutes: let it be tomorrow.
        let videocloud_store::StoreUrl::Folder(folder) = &place.url else { unreachable!("a folder") };
        age(folder, Duration::from_secs(24 * 3600));
    }
    store.sweep_orphans(Duration::ZERO).await.unwrap();
    let again = store.sweep_orphans(Duration::ZERO).await.unwrap();
    let usage = store.usage().await.unwrap();
    assert_eq!((again.staging, again.temporary, again.uploads, usage.staging), (0, 0, 0, 0), "{again:?} {usage:?}");
    if !place.is_s3() {
        let listed: Vec<ContentManifest> = store.list().try_collect().await.unwrap();
        assert_eq!(usage.contents, listed.iter().map(|manifest| manifest.size).sum::<u64>());
        assert_eq!(again, Swept::default());
    }
    contents_are_whole(&store).await;
}

/// Makes every file below `folder` older.
fn age(folder: &std::path::Path, by: Duration) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            age(&entry.path(), by);
        } else {
            std::fs::File::open(entry.path()).unwrap().set_modified(SystemTime::now() - by).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_file_system() {
    killed_anywhere(Place::fs()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_bucket() {
    killed_anywhere(Place::s3()).await;
}
