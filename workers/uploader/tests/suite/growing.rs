//! A rendition that is played while its run makes it: from the run's workspace until the manifest is there, under one address.

use reqwest::StatusCode;
use videocloud_protocol::{
    ids::{RenditionKey, RunId},
    publication::{Access, Original, Publication, PublishedRendition},
    rendition::{
        RenditionManifest, Track, TreeFile, TreePath,
        growing::{GrowingHead, GrowingPart, file_path, head_path, part_paths},
    },
};
use videocloud_store::{Run, Store};

use crate::support::{Site, clip, signed, until};

const KEY: [u8; 32] = [9; 32];
const RUN: [u8; 16] = [7; 16];
/// Segments of a chunk; the clip has five.
const PER_CHUNK: usize = 2;

/// The rendition `high` of the site's clip as a run would make it.
struct Making {
    run: Run,
    manifest: RenditionManifest,
    picture: Track,
    bytes: Vec<u8>,
}

impl Making {
    async fn begin(site: &Site, access: Access) -> Self {
        let mut manifest = site.clip.renditions[0].1.clone();
        manifest.key = RenditionKey::from_bytes(KEY);
        manifest.files.retain(|file| matches!(file.path.as_str(), "video.mp4" | "audio-1.mp4"));
        (manifest.progressive, manifest.poster, manifest.sprites) = (None, None, None);
        let picture = manifest.tracks[0].clone();
        let run = RunId::from_bytes(RUN);
        let rendition = PublishedRendition { name: "soon".into(), key: manifest.key, run: Some(run) };
        let content = site.clip.content;
        let publication = Publication {
            uid: "uid-1".into(),
            original: Original::Content(content),
            access,
            renditions: vec![rendition],
        };
        site.operator().publish("team", "holiday", &publication).await.unwrap();
        Self { run: site.store.run(&run), manifest, picture, bytes: clip::file("high-video.mp4") }
    }

    fn chunks(&self) -> usize {
        self.picture.segments.len().div_ceil(PER_CHUNK)
    }

    async fn put_head(&self) {
        let audio = self.manifest.tracks[1].clone();
        let path: TreePath = "audio-1.mp4".parse().unwrap();
        let at = file_path(&self.manifest.key, &path);
        self.run.put(&at, clip::file("audio.mp4")).await.unwrap();
        let files = self.manifest.files.iter().filter(|file| file.path == path).cloned().collect();
        let manifest = RenditionManifest { files, tracks: vec![audio], ..self.manifest.clone() };
        let head = GrowingHead { manifest, chunks: self.chunks() as u32, target_seconds: 2 };
        self.run.put(&head_path(&self.manifest.key), serde_json::to_vec(&head).unwrap()).await.unwrap();
    }

    async fn put_part(&self, index: usize) {
        let all = &self.picture.segments;
        let here = &all[index * PER_CHUNK..all.len().min((index + 1) * PER_CHUNK)];
        let from = if index == 0 { 0 } else { here[0].offset };
        let to = here.last().map(|last| last.offset + last.size).unwrap();
        let bytes = self.bytes[from as usize..to as usize].to_vec();
        let mut track = self.picture.clone();
        track.segments = here.to_vec();
        track.segments.iter_mut().for_each(|segment| segment.offset -= from);
        let (path, marker) = part_paths(&self.manifest.key, index as u32);
        let file = TreeFile {
            path: path.clone(),
            size: bytes.len() as u64,
            mime: "video/mp4".into(),
            sha256: format!("{index:064}"),
        };
        self.run.put(&path, bytes).await.unwrap();
        let part = GrowingPart { track, file };
        self.run.put(&marker, serde_json::to_vec(&part).unwrap()).await.unwrap();
    }

    /// What a finish does: the tree, the manifest, and nothing is left of the run.
    async fn finish(&self, store: &Store) {
        let tree = store.stage_tree(&self.manifest.key).unwrap();
        for file in &self.manifest.files {
            let name = if file.path.as_str() == "video.mp4" { "high-video.mp4" } else { "audio.mp4" };
            let at = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(at.path(), clip::file(name)).unwrap();
            tree.put_file(&file.path, at.path()).await.unwrap();
        }
        let manifest = RenditionManifest { attempt: tree.attempt().to_owned(), ..self.manifest.clone() };
        tree.publish(&manifest).await.unwrap();
        self.run.delete_all().await.unwrap();
    }
}

async fn playlist(site: &Site, wanted: &str) -> String {
    until("the playlist grows", async || {
        let answer = site.get("hls/soon/video.m3u8", &[]).await;
        if answer.status() != StatusCode::OK {
            return None;
        }
        Some(answer.text().await.unwrap()).filter(|text| text.contains(wanted))
    })
    .await
}

fn segments(playlist: &str) -> Vec<&str> {
    playlist.lines().filter(|line| line.contains(".m4s")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playlist_grows_with_the_chunks_and_the_finish_changes_no_address_and_no_byte() {
    let site = Site::open(Access::Public).await;
    let making = Making::begin(&site, Access::Public).await;
    let master = async || site.get("hls/master.m3u8", &[]).await;
    // The second chunk is done before the first, and the sound comes last: nothing is to be played before all that lie before.
    making.put_part(1).await;
    until("the new publication", async || (master().await.status() == StatusCode::NOT_FOUND).then_some(())).await;
    making.put_head().await;
    assert_eq!(site.get("hls/soon/video.m3u8", &[]).await.status(), StatusCode::NOT_FOUND);
    making.put_part(0).await;

    let grown = playlist(&site, "4.m4s").await;
    assert!(grown.contains("#EXT-X-PLAYLIST-TYPE:EVENT") && !grown.contains("ENDLIST"), "{grown}");
    assert!(grown.contains("#EXT-X-TARGETDURATION:2\n"), "{grown}");
    let early: Vec<String> = segments(&grown).iter().map(|uri| (*uri).to_owned()).collect();
    assert_eq!(early.len(), 4);
    let text = master().await.text().await.unwrap();
    assert!(text.contains("soon/video.m3u8") && text.contains("soon/audio-1.m3u8"), "{text}");
    assert!(!text.contains("I-FRAME"), "{text}");
    for path in ["dash/manifest.mpd", "hls/soon/video.iframes.m3u8", "poster.jpg", "soon.mp4", "soon/video/5.m4s"] {
        assert_eq!(site.get(path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let sound = site.get("hls/soon/audio-1.m3u8", &[]).await.text().await.unwrap();
    assert!(sound.contains("#EXT-X-PLAYLIST-TYPE:VOD") && sound.contains("ENDLIST"), "{sound}");

    making.put_part(2).await;
    let whole = playlist(&site, "ENDLIST").await;
    assert_eq!(segments(&whole)[..4], early);
    let fetch = async || {
        let mut got = site.get("soon/video/init.mp4", &[]).await.bytes().await.unwrap().to_vec();
        for number in 1..=making.picture.segments.len() {
            let answer = site.get(&format!("soon/video/{number}.m4s"), &[]).await;
            assert_eq!(answer.status(), StatusCode::OK, "segment {number}");
            got.extend(answer.bytes().await.unwrap());
        }
        got
    };
    let before = fetch().await;
    assert!(making.bytes.starts_with(&before) && before.len() > making.bytes.len() / 2);
    let url = site.at("hls/master.m3u8");
    let (video, _) = tokio::task::spawn_blocking(move || super::playing::decoded(&url)).await.unwrap();
    assert_eq!(video, 240);

    making.finish(&site.store).await;
    // Whatever the edge believed a moment ago, what was listed is served.
    assert!(fetch().await == before);
    until("DASH", async || (site.get("dash/manifest.mpd", &[]).await.status() == StatusCode::OK).then_some(())).await;
    assert_eq!(segments(&playlist(&site, "ENDLIST").await), segments(&whole));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_is_signed_while_it_grows() {
    let site = Site::open(Access::Signed).await;
    let making = Making::begin(&site, Access::Signed).await;
    making.put_part(0).await;
    making.put_head().await;
    let text = until("the playlist", async || {
        let answer = site.get(&format!("hls/soon/video.m3u8?{}", signed()), &[]).await;
        if answer.status() == StatusCode::OK { Some(answer.text().await.unwrap()) } else { None }
    })
    .await;
    assert!(segments(&text).iter().all(|uri| uri.contains("signature=")), "{text}");
    for path in ["hls/soon/video.m3u8", "soon/video/1.m4s", "soon/audio-1/init.mp4"] {
        assert_eq!(site.get(path, &[]).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
}
