//! What is served, and how HTTP says it.

use reqwest::{Method, StatusCode};
use videocloud_protocol::{content::Visibility, publication::Access};

use crate::support::{Site, client, clip, content_id, header, until};

#[tokio::test]
async fn the_original_whole_in_parts_and_by_its_head() {
    let site = Site::open(Access::Public).await;
    let original = site.original();
    let whole = site.get("file", &[]).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(header(&whole, "content-type"), "video/mp4");
    assert_eq!(header(&whole, "content-disposition"), "inline; filename=\"holiday.mp4\"");
    assert_eq!(header(&whole, "accept-ranges"), "bytes");
    assert_eq!(header(&whole, "access-control-allow-origin"), "*");
    assert_eq!(header(&whole, "x-content-type-options"), "nosniff");
    assert_eq!(header(&whole, "cache-control"), "public, max-age=60");
    let etag = header(&whole, "etag").to_owned();
    assert_eq!(etag, format!("\"{}\"", site.clip.content));
    assert_eq!(whole.bytes().await.unwrap(), original);

    let head = site.ask(Method::HEAD, "file").header("range", "bytes=0-9").send().await.unwrap();
    assert_eq!((head.status(), header(&head, "content-length")), (StatusCode::OK, &*original.len().to_string()));
    assert!(head.bytes().await.unwrap().is_empty());

    let size = original.len();
    for (range, bytes, of) in [
        ("bytes=0-99", &original[..100], "0-99".to_owned()),
        ("bytes=-100", &original[size - 100..], format!("{}-{}", size - 100, size - 1)),
        ("bytes=1000-", &original[1000..], format!("1000-{}", size - 1)),
    ] {
        let part = site.get("file", &[("range", range), ("if-range", &etag)]).await;
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(header(&part, "content-range"), format!("bytes {of}/{size}"));
        assert_eq!(part.bytes().await.unwrap(), bytes, "{range}");
    }
    let beyond = site.get("file", &[("range", "bytes=999999999-")]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(header(&beyond, "content-range"), format!("bytes */{size}"));
    let changed = site.get("file", &[("range", "bytes=0-9"), ("if-range", "\"other\"")]).await;
    assert_eq!((changed.status(), changed.bytes().await.unwrap().len()), (StatusCode::OK, size));
    assert_eq!(site.get("file", &[("if-none-match", &etag)]).await.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(site.get("file", &[("if-match", "\"other\"")]).await.status(), StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn several_ranges_come_as_parts() {
    let site = Site::open(Access::Public).await;
    let (original, size) = (site.original(), site.original().len());
    let answer = site.get("file", &[("range", "bytes=0-9,100-109,-5")]).await;
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    let boundary = header(&answer, "content-type").strip_prefix("multipart/byteranges; boundary=").unwrap().to_owned();
    let length: usize = header(&answer, "content-length").parse().unwrap();
    let body = answer.bytes().await.unwrap();
    assert_eq!(body.len(), length);
    let mut expected = Vec::new();
    for (index, (start, end)) in [(0, 10), (100, 110), (size - 5, size)].into_iter().enumerate() {
        let line = if index == 0 { "" } else { "\r\n" };
        let range = format!("Content-Range: bytes {start}-{}/{size}", end - 1);
        expected.extend(format!("{line}--{boundary}\r\nContent-Type: video/mp4\r\n{range}\r\n\r\n").bytes());
        expected.extend(&original[start..end]);
    }
    expected.extend(format!("\r\n--{boundary}--\r\n").bytes());
    assert_eq!(body, expected);
}

#[tokio::test]
async fn contents_by_id_if_they_are_public() {
    let site = Site::open(Access::Public).await;
    let address = |id| format!("http://{}/c/{id}", site.uploader.http);
    // The tracker does not know it: it was put into the store behind its back.
    assert_eq!(client().get(address(site.clip.content)).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    let secret = site.folder.path().join("secret");
    std::fs::write(&secret, "of one namespace").unwrap();
    clip::publish_content(&site.store, &secret, Visibility::Namespace("team".into())).await;
    let alone = crate::support::process::Process::start(site.folder.path(), None, &[]);
    let address = |id| format!("http://{}/c/{id}", alone.http);
    let public = client().get(address(site.clip.content)).send().await.unwrap();
    assert_eq!(header(&public, "cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(public.bytes().await.unwrap(), site.original());
    let refused = client().get(address(content_id(&secret))).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_not_there_is_told_in_words() {
    let site = Site::open(Access::Public).await;
    for path in ["nothing.mp4", "none/video/1.m4s", "high/none/1.m4s", "high/video/999.m4s", "hls/none/video.m3u8", "x"]
    {
        let answer = site.get(path, &[]).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header(&answer, "content-type"), "text/plain; charset=utf-8");
        assert_eq!(header(&answer, "cache-control"), "no-store");
        assert!(answer.text().await.unwrap().len() > 20, "{path}");
    }
    let posted = site.ask(Method::POST, "file").body("x").send().await.unwrap();
    assert_eq!((posted.status(), header(&posted, "allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD, OPTIONS"));
    let asked = site.ask(Method::OPTIONS, "file").header("origin", "http://page").send().await.unwrap();
    assert_eq!(asked.status(), StatusCode::NO_CONTENT);
    assert!(header(&asked, "access-control-allow-headers").contains("Range"));
}

#[tokio::test]
async fn keyframes_alone_and_thumbnails() {
    let site = Site::open(Access::Public).await;
    let playlist = site.get("hls/high/video.iframes.m3u8", &[]).await;
    assert_eq!(header(&playlist, "content-type"), "application/vnd.apple.mpegurl");
    let playlist = playlist.text().await.unwrap();
    let (range, uri) = playlist.split_once("#EXT-X-BYTERANGE:").unwrap().1.split_once('\n').unwrap();
    let (size, offset) =
        range.split_once('@').map(|(s, o)| (s.parse::<u64>().unwrap(), o.parse::<u64>().unwrap())).unwrap();
    let uri = uri.lines().next().unwrap().strip_prefix("../../").unwrap();
    let range = format!("bytes={offset}-{}", offset + size - 1);
    let frame = site.get(uri, &[("range", &range)]).await;
    assert_eq!(frame.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(frame.bytes().await.unwrap().len() as u64, size);
    assert_eq!(site.get("hls/high/audio-1.iframes.m3u8", &[]).await.status(), StatusCode::NOT_FOUND);

    let index = site.get("thumbnails.vtt", &[]).await;
    assert_eq!(header(&index, "content-type"), "text/vtt");
    let index = index.text().await.unwrap();
    let sheet = index.lines().find(|line| line.contains("#xywh=160,0,160,90")).unwrap().split('#').next().unwrap();
    let sheet = site.get(sheet, &[]).await;
    assert_eq!((sheet.status(), header(&sheet, "content-type")), (StatusCode::OK, "image/jpeg"));
    assert_eq!(site.get("thumbnails-2.jpg", &[]).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn taken_off_the_edge_it_is_gone_within_seconds() {
    let site = Site::open(Access::Public).await;
    assert_eq!(site.get("high/video/1.m4s", &[]).await.status(), StatusCode::OK);
    site.operator().unpublish("team", "holiday").await.unwrap();
    let gone = || async { (site.get("high/video/1.m4s", &[]).await.status() == StatusCode::NOT_FOUND).then_some(()) };
    until("404 after unpublishing", gone).await;
}

#[tokio::test]
async fn a_rendition_made_anew_is_served_from_its_new_files() {
    let site = Site::open(Access::Public).await;
    let before = site.get("low.mp4", &[]).await.bytes().await.unwrap();
    let poster = site.get("poster.jpg", &[]).await;
    assert_eq!(header(&poster, "content-type"), "image/jpeg");
    site.store.delete_rendition(&site.clip.renditions[1].1.key).await.unwrap();
    site.store.delete(&site.clip.content).await.unwrap();
    clip::publish(&site.store).await;
    let segment = site.get("low/video/2.m4s", &[]).await;
    assert_eq!(segment.status(), StatusCode::OK);
    assert_eq!(site.get("low.mp4", &[]).await.bytes().await.unwrap(), before);
}
