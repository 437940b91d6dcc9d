//! What a path of the edge means. Whatever is not listed here does not exist: paths are never joined to anything, each part is
//! parsed into what it names.

use videocloud_protocol::{
    ids::{self, ContentId},
    playlist::{Resource, thumbnails},
    torrent::InfoHash,
};

/// Longest name of a namespace or an object, as Kubernetes bounds them.
const MAX_NAME: usize = 253;

/// Something a client can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Below `/v/<namespace>/<name>/`.
    Published {
        /// The owner's namespace.
        namespace: String,
        /// The object's name.
        name: String,
        /// What of it.
        item: Item,
    },
    /// `/c/<content id>`: a public content.
    Content(ContentId),
    /// `/c/<content id>.torrent`, `.v2.torrent` or `.meta4`.
    Document(ContentId, Kind),
    /// `/ws/<info hash>/<name>`: a web seed.
    WebSeed {
        /// The swarm.
        swarm: InfoHash,
        /// The file.
        name: String,
    },
}

/// A document that tells clients how to fetch a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A torrent file of BEP 3.
    Torrent,
    /// A torrent file of BEP 52 alone.
    TorrentV2,
    /// A Metalink.
    Metalink,
}

impl Kind {
    /// Splits `.torrent`, `.v2.torrent` or `.meta4` from the end of a path.
    fn split(path: &str) -> Option<(&str, Self)> {
        let endings = [(".v2.torrent", Self::TorrentV2), (".torrent", Self::Torrent), (".meta4", Self::Metalink)];
        endings.into_iter().find_map(|(ending, kind)| Some((path.strip_suffix(ending)?, kind)))
    }
}

/// What an object shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A playlist or a segment.
    Stream(Resource),
    /// `file`: the original.
    File,
    /// `file.torrent`, `file.v2.torrent` or `file.meta4`.
    Document(Kind),
    /// `poster.jpg`: the poster image of the best rendition that has one.
    Poster,
    /// `thumbnails.vtt`: the index of the sprite sheets of the best rendition that has some.
    Thumbnails,
    /// `thumbnails-<n>.jpg`: one of them, from 1.
    Sheet(usize),
    /// `<rendition>.<extension>`: the progressive file of a rendition.
    Progressive {
        /// Profile name of the rendition.
        rendition: String,
        /// `mp4`, `webm`, `3gp`.
        extension: String,
    },
}

impl Target {
    /// Reads the path of a request; `None` for one that names nothing.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix('/')?.split_once('/')?;
        match kind {
            "c" => match Kind::split(rest) {
                Some((id, kind)) => Some(Self::Document(id.parse().ok()?, kind)),
                None => rest.parse().ok().map(Self::Content),
            },
            "ws" => {
                let (swarm, file) = rest.split_once('/')?;
                let swarm: ids::InfoHash = swarm.parse().ok()?;
                Some(Self::WebSeed { swarm: InfoHash(*swarm.as_bytes()), name: name(file)? })
            }
            "v" => {
                let (namespace, rest) = rest.split_once('/')?;
                let (object, rest) = rest.split_once('/')?;
                let (namespace, name) = (name(namespace)?, name(object)?);
                Some(Self::Published { namespace, name, item: Item::parse(rest)? })
            }
            _ => None,
        }
    }

    /// A word for metrics and logs: one of few.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Content(_) => "content",
            Self::WebSeed { .. } => "webseed",
            Self::Document(..) => "torrent",
            Self::Published { item, .. } => match item {
                Item::Stream(
                    Resource::Master | Resource::Mpd | Resource::Media { .. } | Resource::Keyframes { .. },
                ) => "playlist",
                Item::Stream(Resource::Init { .. } | Resource::Segment { .. }) => "segment",
                Item::Document(_) => "torrent",
                Item::File => "file",
                Item::Poster => "poster",
                Item::Thumbnails | Item::Sheet(_) => "thumbnails",
                Item::Progressive { .. } => "progressive",
            },
        }
    }
}

impl Item {
    fn parse(path: &str) -> Option<Self> {
        if path.contains('/') {
            return path.parse().ok().map(Self::Stream);
        }
        match path {
            "file" => Some(Self::File),
            "file.torrent" | "file.v2.torrent" | "file.meta4" => {
                Kind::split(path).map(|(_, kind)| Self::Document(kind))
            }
            "poster.jpg" => Some(Self::Poster),
            thumbnails::INDEX => Some(Self::Thumbnails),
            _ => {
                if let Some(number) = thumbnails::sheet_number(path) {
                    return Some(Self::Sheet(number));
                }
                let (rendition, extension) = path.rsplit_once('.')?;
                let extension = word(extension)?;
                Some(Self::Progressive { rendition: name(rendition)?, extension })
            }
        }
    }
}

/// A DNS label or subdomain, as namespaces, objects and profiles are named.
fn name(text: &str) -> Option<String> {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    };
    (text.len() <= MAX_NAME && text.split('.').all(label)).then(|| text.to_owned())
}

fn word(text: &str) -> Option<String> {
    let fine = (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    fine.then(|| text.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(path: &str) -> Option<Item> {
        match Target::parse(&format!("/v/team/holiday/{path}"))? {
            Target::Published { namespace, name, item } => {
                assert_eq!((namespace.as_str(), name.as_str()), ("team", "holiday"));
                Some(item)
            }
            _ => None,
        }
    }

    #[test]
    fn what_exists() {
        let id = "ab".repeat(32);
        assert_eq!(Target::parse(&format!("/c/{id}")), Some(Target::Content(id.parse().unwrap())));
        let document = |kind| Some(Target::Document(id.parse().unwrap(), kind));
        assert_eq!(Target::parse(&format!("/c/{id}.torrent")), document(Kind::Torrent));
        assert_eq!(Target::parse(&format!("/c/{id}.v2.torrent")), document(Kind::TorrentV2));
        assert_eq!(Target::parse(&format!("/c/{id}.meta4")), document(Kind::Metalink));
        let seed = Target::WebSeed { swarm: InfoHash([0xab; 20]), name: "ab.mp4".into() };
        assert_eq!(Target::parse(&format!("/ws/{}/ab.mp4", &id[..40])), Some(seed));
        assert_eq!(item("file"), Some(Item::File));
        assert_eq!(item("file.torrent"), Some(Item::Document(Kind::Torrent)));
        assert_eq!(item("poster.jpg"), Some(Item::Poster));
        assert_eq!(item("thumbnails.vtt"), Some(Item::Thumbnails));
        assert_eq!(item("thumbnails-12.jpg"), Some(Item::Sheet(12)));
        let progressive = |r: &str, e: &str| Some(Item::Progressive { rendition: r.into(), extension: e.into() });
        assert_eq!(item("h264-720p.mp4"), progressive("h264-720p", "mp4"));
        assert_eq!(item("a.b.webm"), progressive("a.b", "webm"));
        assert_eq!(item("hls/master.m3u8"), Some(Item::Stream(Resource::Master)));
        assert_eq!(item("dash/manifest.mpd"), Some(Item::Stream(Resource::Mpd)));
        assert!(matches!(item("720p/video/3.m4s"), Some(Item::Stream(Resource::Segment { number: 3, .. }))));
    }

    #[test]
    fn what_does_not() {
        for path in [
            "",
            "/",
            "//",
            "/v",
            "/v/team/holiday",
            "/v/team/holiday/",
            "/v/team//file",
            "/v//holiday/file",
            "/v/../holiday/file",
            "/v/team/../file",
            "/v/team/holiday/../../secret",
            "/v/team/holiday/%2e%2e/file",
            "/v/team/holiday/file/",
            "/v/team/holiday/file/x",
            "/v/Team/holiday/file",
            "/v/-team/holiday/file",
            "/v/team/holiday/.mp4",
            "/v/team/holiday/720p.",
            "/v/team/holiday/hls",
            "/v/team/holiday/hls/../file",
            "/c/",
            "/c/..",
            "/c/abc",
            "/c/.torrent",
            "/c/abc.torrent",
            "/ws/",
            "/ws/abababababababababababababababababababab",
            "/ws/abababababababababababababababababababab/",
            "/ws/abababababababababababababababababababab/../x",
            "/ws/ab/x.mp4",
            "/x/team/holiday/file",
            "v/team/holiday/file",
        ] {
            assert_eq!(Target::parse(path), None, "{path}");
        }
        assert_eq!(Target::parse(&format!("/c/{}", "AB".repeat(32))), None);
    }

    proptest! {
        #[test]
        fn nothing_that_is_accepted_can_climb(path in "/[vc]/[a-z0-9./%_-]{0,60}|\\PC{0,60}") {
            if let Some(Target::Published { namespace, name, item }) = Target::parse(&path) {
                let names = match item {
                    Item::Stream(Resource::Master | Resource::Mpd) | Item::File | Item::Document(_) | Item::Poster
                    | Item::Thumbnails | Item::Sheet(_) => vec![],
                    Item::Stream(Resource::Media { rendition, track } | Resource::Keyframes { rendition, track }
                        | Resource::Init { rendition, track }
                        | Resource::Segment { rendition, track, .. }) => vec![rendition, track.into()],
                    Item::Progressive { rendition, extension } => vec![rendition, extension],
                };
                for name in names.into_iter().chain([namespace, name]) {
                    prop_assert!(!name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '%', '\0']));
                }
            }
        }
    }
}
