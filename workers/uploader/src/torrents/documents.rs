//! What is handed to clients: the torrent file, a Metalink 4 document (RFC 5854) and a magnet link. They name our trackers and our web
//! seeds only.

use std::fmt::Write;

use bytes::Bytes;
use url::form_urlencoded::byte_serialize;
use videocloud_protocol::{content::ContentManifest, torrent::Metainfo};

/// What the documents of one content name.
#[derive(Debug, Clone)]
pub struct Places<'a> {
    /// The content.
    pub manifest: &'a ContentManifest,
    /// Its torrent, of the version that is asked for.
    pub torrent: &'a Metainfo,
    /// Announce URLs.
    pub trackers: &'a [String],
    /// Base URLs of edges that have it, without a slash at the end; the one that is asked first.
    pub edges: &'a [String],
    /// Address of the content below an edge, if it has one of its own: `/c/<id>`.
    pub path: Option<String>,
    /// Whether edges serve it as a web seed.
    pub web_seeds: bool,
}

impl Places<'_> {
    fn web_seeds(&self) -> Vec<String> {
        let Some(name) = self.torrent.info.hashes().swarms().first().copied().filter(|_| self.web_seeds) else {
            return Vec::new();
        };
        self.edges.iter().map(|edge| format!("{edge}/ws/{name}/")).collect()
    }

    /// The torrent file.
    #[must_use]
    pub fn torrent(&self) -> Bytes {
        self.torrent.document(self.trackers, &self.web_seeds())
    }

    /// The magnet link.
    #[must_use]
    pub fn magnet(&self) -> String {
        let hashes = self.torrent.info.hashes();
        let v1 = hashes.v1().map(|hash| format!("&xt=urn:btih:{hash}"));
        let v2 = hashes.v2().map(|hash| format!("&xt=urn:btmh:1220{hash}"));
        let mut link: String = v1.into_iter().chain(v2).collect();
        let mut put = |key: &str, value: &str| {
            let _ = write!(link, "&{key}={}", byte_serialize(value.as_bytes()).collect::<String>());
        };
        put("dn", self.torrent.info.name());
        self.trackers.iter().for_each(|tracker| put("tr", tracker));
        self.web_seeds().iter().for_each(|seed| put("ws", &format!("{seed}{}", self.torrent.info.name())));
        format!("magnet:?{}", link.trim_start_matches('&'))
    }

    /// The Metalink: mirrors, the whole file's hash, and that of each piece.
    #[must_use]
    pub fn metalink(&self) -> String {
        let info = &self.torrent.info;
        let mut text = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\n",
        );
        let mut line = |depth: usize, body: &str| {
            let _ = writeln!(text, "{}{body}", "  ".repeat(depth));
        };
        line(1, "<generator>videocloud</generator>");
        line(1, &format!("<file name=\"{}\">", escaped(info.name())));
        line(2, &format!("<size>{}</size>", self.manifest.size));
        line(2, &format!("<hash type=\"sha-256\">{}</hash>", self.manifest.id));
        line(2, &format!("<pieces length=\"{}\" type=\"sha-1\">", info.piece_length()));
        for hash in (0..info.pieces()).filter_map(|piece| info.v1_hash(piece)) {
            line(3, &format!("<hash>{}</hash>", hex::encode(hash)));
        }
        line(2, "</pieces>");
        if let Some(path) = &self.path {
            for (priority, edge) in self.edges.iter().enumerate() {
                line(2, &format!("<url priority=\"{}\">{}</url>", priority + 1, escaped(&format!("{edge}{path}"))));
            }
            if let Some(edge) = self.edges.first() {
                let address = escaped(&format!("{edge}{path}.torrent"));
                line(2, &format!("<metaurl mediatype=\"torrent\" priority=\"1\">{address}</metaurl>"));
            }
        }
        line(2, &format!("<!-- {} -->", escaped(&self.magnet()).replace("--", "-%2D")));
        line(1, "</file>");
        line(0, "</metalink>");
        text
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use videocloud_protocol::{
        content::{ContentHashes, Verification, Visibility},
        ids::ContentId,
        torrent::{Magnet, make::Hasher},
    };

    use super::*;

    #[test]
    fn documents_name_what_they_should() {
        let mut hasher = Hasher::new(300_000);
        hasher.update(&[7; 300_000]);
        let manifest = ContentManifest {
            id: ContentId::from_bytes([0xab; 32]),
            size: 300_000,
            mime: "video/mp4".into(),
            hashes: ContentHashes::default(),
            verification: Verification::Digest,
            visibility: Visibility::Public,
            created: 0,
        };
        let torrent = hasher.finish().unwrap().torrents(&manifest.file_name(), true).unwrap().v1;
        let trackers = ["http://t.example/announce".to_owned()];
        let edges = ["http://a.example".to_owned(), "https://b.example/x?y=1&z".to_owned()];
        let path = Some(format!("/c/{}", manifest.id));
        let places = Places {
            manifest: &manifest,
            torrent: &torrent,
            trackers: &trackers,
            edges: &edges,
            path,
            web_seeds: true,
        };
        let read = Metainfo::parse(&places.torrent()).unwrap();
        assert_eq!(read.info, torrent.info);
        let name = torrent.info.hashes().v1().unwrap().to_string();
        assert_eq!(read.web_seeds[0].as_str(), format!("http://a.example/ws/{name}/"));
        let magnet: Magnet = places.magnet().parse().unwrap();
        assert_eq!((magnet.hashes, magnet.trackers.len()), (torrent.info.hashes(), 1));
        assert_eq!(magnet.name.as_deref(), Some("abababababababab.mp4"));
        assert_eq!(magnet.web_seeds[0].as_str(), format!("http://a.example/ws/{name}/abababababababab.mp4"));
        let metalink = places.metalink();
        let id = "ab".repeat(32);
        for part in [
            "<size>300000</size>".to_owned(),
            format!("<hash type=\"sha-256\">{id}</hash>"),
            "<pieces length=\"262144\" type=\"sha-1\">".to_owned(),
            format!("<url priority=\"2\">https://b.example/x?y=1&amp;z/c/{id}</url>"),
            format!("<metaurl mediatype=\"torrent\" priority=\"1\">http://a.example/c/{id}.torrent</metaurl>"),
        ] {
            assert!(metalink.contains(&part), "{part} in {metalink}");
        }
        assert_eq!(metalink.matches("<hash>").count(), 2);
        let hidden = Places { path: None, web_seeds: false, ..places };
        assert!(
            !hidden.metalink().contains("<url") && Metainfo::parse(&hidden.torrent()).unwrap().web_seeds.is_empty()
        );
    }
}
