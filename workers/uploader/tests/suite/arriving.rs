//! A file that is watched while it is fetched: what is proven is served, the rest when it comes, and the end from the content.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::StatusCode;
use sha2::{Digest as _, Sha256};
use videocloud_protocol::{
    content::{ContentHashes, ContentManifest, Verification, Visibility},
    ids::{ClaimKey, ContentId},
    publication::{Access, Original, Publication},
};
use videocloud_store::{Shown, Staging};

use crate::support::{Site, header, signed, until};

/// A download under way.
struct Coming {
    staging: Arc<Staging>,
    bytes: Bytes,
}

const CLAIM: ClaimKey = ClaimKey::from_bytes([5; 16]);

impl Coming {
    /// Wrong bytes everywhere, as a mirror that lies leaves them.
    async fn begin(site: &Site) -> Self {
        let bytes = Bytes::from([site.original(), b"and more".to_vec()].concat());
        let staging = site.store.stage(&CLAIM).await.unwrap();
        staging.reserve(bytes.len() as u64).await.unwrap();
        staging.write_at(0, Bytes::from(vec![0x5a; bytes.len()])).await.unwrap();
        staging.checkpoint(b"").await.unwrap();
        Self { staging: Arc::new(staging), bytes }
    }

    fn part(&self, of_ten: usize) -> usize {
        self.bytes.len() * of_ten / 10
    }

    /// Bytes up to `of_ten` tenths come and are proven.
    async fn grow(&self, of_ten: usize) {
        let end = self.part(of_ten);
        self.staging.write_at(0, self.bytes.slice(..end)).await.unwrap();
        let shown = Shown { mime: "video/mp4".into(), proven: std::iter::once(0..end as u64).collect() };
        self.staging.checkpoint_shown(b"", Some(shown)).await.unwrap();
    }

    async fn finish(&self, site: &Site, access: Access) {
        self.staging.write_at(0, self.bytes.clone()).await.unwrap();
        let id = ContentId::from_bytes(Sha256::digest(&self.bytes).into());
        let manifest = ContentManifest {
            id,
            size: self.bytes.len() as u64,
            mime: "video/mp4".into(),
            hashes: ContentHashes::default(),
            verification: Verification::PieceHashes,
            visibility: Visibility::Public,
            created: 1,
        };
        self.staging.publish(&manifest).await.unwrap();
        publish(site, Original::Content(id), access).await;
    }
}

async fn publish(site: &Site, original: Original, access: Access) {
    let publication = Publication { uid: "uid-1".into(), original, access, renditions: Vec::new() };
    site.operator().publish("team", "holiday", &publication).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_proven_is_served_and_the_rest_when_it_comes() {
    let site = Site::open(Access::Public).await;
    publish(&site, Original::Arriving(CLAIM), Access::Public).await;
    until("that it is being fetched", async || {
        let answer = site.get("file", &[]).await;
        (answer.status() == StatusCode::SERVICE_UNAVAILABLE).then(|| assert_eq!(header(&answer, "retry-after"), "2"))
    })
    .await;
    let coming = Coming::begin(&site).await;
    assert_eq!(site.get("file", &[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    coming.grow(3).await;
    let size = coming.bytes.len();
    let first = until("the first bytes", async || {
        let answer = site.get("file", &[("range", "bytes=100-299")]).await;
        (answer.status() == StatusCode::PARTIAL_CONTENT).then_some(answer)
    })
    .await;
    assert_eq!(header(&first, "content-range"), format!("bytes 100-299/{size}"));
    assert_eq!((header(&first, "cache-control"), header(&first, "content-type")), ("no-store", "video/mp4"));
    assert!(header(&first, "etag").starts_with("W/"));
    assert_eq!(first.bytes().await.unwrap(), coming.bytes[100..300]);
    for path in ["file.torrent", "file.meta4", "hls/master.m3u8"] {
        assert_eq!(site.get(path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
    }

    // One that wants all, one that wants the end, and one that begins where nothing is yet.
    let middle = format!("bytes={}-", coming.part(5));
    let early = [
        site.get("file", &[]).await,
        site.get("file", &[("range", "bytes=-100")]).await,
        site.get("file", &[("range", &middle)]).await,
    ];
    assert_eq!(header(&early[0], "content-length"), size.to_string());
    let [all, end, middle] = early.map(|answer| tokio::spawn(answer.bytes()));
    for tenths in [5, 6, 9] {
        coming.grow(tenths).await;
    }
    assert!(!all.is_finished() && !end.is_finished());
    coming.finish(&site, Access::Public).await;
    assert!(all.await.unwrap().unwrap() == coming.bytes);
    assert!(end.await.unwrap().unwrap() == coming.bytes[size - 100..]);
    assert!(middle.await.unwrap().unwrap() == coming.bytes[coming.part(5)..]);
    let after = until("the content", async || {
        let answer = site.get("file", &[]).await;
        (!header(&answer, "etag").starts_with("W/")).then_some(answer)
    })
    .await;
    assert!(after.bytes().await.unwrap() == coming.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_what_does_not_come_is_told_and_strangers_are_kept_out() {
    let site = Site::open(Access::Signed).await;
    publish(&site, Original::Arriving(CLAIM), Access::Signed).await;
    let coming = Coming::begin(&site).await;
    coming.grow(4).await;
    let path = format!("file?{}", signed());
    let answer = until("the first bytes", async || {
        let answer = site.get(&path, &[]).await;
        (answer.status() == StatusCode::OK).then_some(answer)
    })
    .await;
    assert_eq!(site.get("file", &[]).await.status(), StatusCode::FORBIDDEN);
    // The download fails for good and the object goes.
    coming.staging.discard().await.unwrap();
    site.operator().unpublish("team", "holiday").await.unwrap();
    assert!(answer.bytes().await.is_err(), "an answer that is not whole ended as if it were");
}
