//! Signed links: nothing without, everything with, through the playlists.

use reqwest::StatusCode;
use videocloud_protocol::publication::Access;

use crate::support::{Site, client, header, signed};

#[tokio::test]
async fn a_signed_link_opens_the_playlists_and_all_they_name() {
    let site = Site::open(Access::Signed).await;
    for path in ["hls/master.m3u8", "file", "high/video/1.m4s", "poster.jpg", "file?expires=1&signature=00"] {
        let refused = site.get(path, &[]).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{path}");
        assert!(refused.text().await.unwrap().contains("link"), "{path}");
    }
    let query = signed();
    let base = reqwest::Url::parse(&site.at(&format!("hls/master.m3u8?{query}"))).unwrap();
    let mut to_read = vec![base];
    let (mut playlists, mut segments) = (0, 0);
    while let Some(url) = to_read.pop() {
        let answer = client().get(url.clone()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{url}");
        assert!(header(&answer, "cache-control").starts_with("private, max-age="), "{url}");
        if header(&answer, "content-type") != "application/vnd.apple.mpegurl" {
            assert!(header(&answer, "cache-control").ends_with("immutable"), "{url}");
            segments += 1;
            continue;
        }
        playlists += 1;
        for line in answer.text().await.unwrap().lines() {
            let quoted = line.split_once("URI=\"").map(|(_, rest)| rest.split('"').next().unwrap());
            if let Some(uri) = quoted.or_else(|| (!line.starts_with('#')).then_some(line)) {
                to_read.push(url.join(uri).unwrap());
            }
        }
    }
    assert_eq!(playlists, 1 + 2 + 2 + 1, "the master, two pictures, their keyframes, and their one sound");
    assert!(segments >= 3 * 6, "{segments}");
}
