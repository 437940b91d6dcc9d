//! A thing with bytes that can be asked for: where they lie, how it is called, how long it may be kept.

use std::time::Duration;

use videocloud_protocol::{
    content::{ContentManifest, extension},
    ids::{ContentId, RunId},
    rendition::{RenditionManifest, Track, TreeFile, TreePath, growing::Piece},
};

use videocloud_store::Arriving;

use super::{access::Pass, arrival::Coming};
use crate::{rates::Share, source::Blob};

/// How long what never changes is kept.
const FOREVER: u64 = 31_536_000;
/// How long what may be replaced under its address is kept without asking again, seconds.
const BRIEFLY: u64 = 60;

/// Where bytes lie.
#[derive(Debug, Clone)]
pub enum Place {
    /// In the store.
    Store(Blob),
    /// They are being fetched.
    Coming(Coming),
}

/// A representation, as HTTP calls it.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Where its bytes lie.
    pub place: Place,
    /// Its first byte in there.
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// Entity tag with its quotes: made of digests, so equal tags mean equal bytes, on every uploader; a weak one of what nobody has
    /// seen the whole of.
    pub etag: String,
    /// MIME type, safe to show.
    pub mime: String,
    /// When it came to be, seconds since 1970.
    pub modified: Option<u64>,
    /// Value of `Content-Disposition`, if it has a name.
    pub disposition: Option<String>,
    /// The content whose share of the bandwidth it is sent from.
    pub swarm: ContentId,
    /// What it is paid from.
    pub share: Share,
    /// Value of `Cache-Control`.
    pub keep: String,
}

impl Entity {
    /// The original, called `name`.
    #[must_use]
    pub fn original(manifest: &ContentManifest, name: &str, keep: String) -> Self {
        let (mime, disposition) = shown_as(&manifest.mime, name);
        Self {
            place: Place::Store(Blob::Content(manifest.id)),
            start: 0,
            size: manifest.size,
            etag: format!("\"{}\"", manifest.id),
            mime,
            modified: Some(manifest.created),
            disposition: Some(disposition),
            swarm: manifest.id,
            share: Share::Http,
            keep,
        }
    }

    /// The original, while it is being fetched.
    #[must_use]
    pub fn coming(coming: Coming, there: &Arriving) -> Self {
        let (mime, disposition) = shown_as(there.mime(), &coming.object.1);
        Self {
            start: 0,
            size: there.size(),
            etag: format!("W/\"{}\"", coming.claim),
            mime,
            modified: None,
            disposition: Some(disposition),
            // What is not known by its digest has a share of its own, as any content that no table names.
            swarm: ContentId::derive([b"arriving".as_slice(), coming.claim.as_bytes().as_slice()]),
            share: Share::Http,
            keep: "no-store".to_owned(),
            place: Place::Coming(coming),
        }
    }

    /// A file of a rendition.
    #[must_use]
    pub fn file(manifest: &std::sync::Arc<RenditionManifest>, file: &TreeFile, keep: String) -> Self {
        Self {
            place: Place::Store(Blob::Tree { manifest: std::sync::Arc::clone(manifest), file: file.path.clone() }),
            start: 0,
            size: file.size,
            etag: format!("\"{}\"", file.sha256),
            mime: safe(&file.mime).0,
            modified: Some(manifest.created),
            disposition: None,
            swarm: manifest.source,
            share: Share::Http,
            keep,
        }
    }

    /// A piece of a track: bytes `start..start + size` of its file; `None` when the manifest contradicts itself.
    #[must_use]
    pub fn piece(
        manifest: &std::sync::Arc<RenditionManifest>,
        track: &Track,
        (start, size): (u64, u64),
        mime: &str,
        keep: String,
    ) -> Option<Self> {
        let file = find(manifest, &track.file)?;
        (start.checked_add(size)? <= file.size).then(|| Self {
            start,
            size,
            etag: format!("\"{}-{start}-{size}\"", file.sha256),
            mime: mime.to_owned(),
            ..Self::file(manifest, file, keep)
        })
    }

    /// A piece of a rendition that is still being made by `run`, from `source`; `None` when the run contradicts itself.
    #[must_use]
    pub fn of_run(run: RunId, source: ContentId, piece: &Piece<'_>, mime: &str, keep: String) -> Option<Self> {
        let (start, size) = piece.range;
        (start.checked_add(size)? <= piece.file.size).then(|| Self {
            place: Place::Store(Blob::Run { run, file: piece.path.clone(), size: piece.file.size }),
            start,
            size,
            etag: format!("\"{}-{start}-{size}\"", piece.file.sha256),
            mime: mime.to_owned(),
            modified: None,
            disposition: None,
            swarm: source,
            share: Share::Http,
            keep,
        })
    }
}

/// The file at `path` of a rendition.
#[must_use]
pub fn find<'a>(manifest: &'a RenditionManifest, path: &TreePath) -> Option<&'a TreeFile> {
    manifest.files.iter().find(|file| file.path == *path)
}

/// `Cache-Control` of something that is the same for ever if its address says which version it is.
#[must_use]
pub fn keep(pass: &Pass, versioned: bool) -> String {
    let seconds = if versioned { FOREVER } else { BRIEFLY };
    let immutable = if versioned { ", immutable" } else { "" };
    scoped(pass, seconds) + immutable
}

/// `Cache-Control` of a playlist.
#[must_use]
pub fn keep_playlist(pass: &Pass) -> String {
    scoped(pass, 5)
}

/// `Cache-Control` of a playlist that grows: asked for again with every segment.
#[must_use]
pub fn keep_growing(pass: &Pass) -> String {
    scoped(pass, 1)
}

/// Shared caches may keep what is public; what is signed, only its reader and not beyond the signature.
fn scoped(pass: &Pass, seconds: u64) -> String {
    match pass {
        Pass::Public => format!("public, max-age={seconds}"),
        Pass::Signed { remaining, .. } => {
            let seconds = Duration::from_secs(seconds).min(*remaining).as_secs();
            format!("private, max-age={seconds}")
        }
    }
}

/// Type and `Content-Disposition` of a file called `name`.
fn shown_as(mime: &str, name: &str) -> (String, String) {
    let (mime, known) = safe(mime);
    let extension = extension(&mime);
    // What is not known to be sound or picture is saved, never shown.
    let how = if known { "inline" } else { "attachment" };
    let disposition = format!("{how}; filename=\"{name}.{extension}\"");
    (mime, disposition)
}

/// A type that browsers play or download but never run, and whether the one given was such.
fn safe(mime: &str) -> (String, bool) {
    let plain =
        mime.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'/' | b'.' | b'-' | b'+'));
    let image = matches!(mime, "image/jpeg" | "image/png" | "image/webp" | "image/avif");
    let media = mime.starts_with("video/") || mime.starts_with("audio/") || mime == "text/vtt" || image;
    match plain && media && mime.len() <= 64 {
        true => (mime.to_owned(), true),
        false => ("application/octet-stream".to_owned(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_browsers_would_run_are_not_said() {
        assert_eq!(safe("video/mp4"), ("video/mp4".into(), true));
        for bad in ["text/html", "image/svg+xml", "video/mp4; x", "video/mp4\r\nx: y", "", "application/javascript"] {
            assert_eq!(safe(bad), ("application/octet-stream".into(), false), "{bad}");
        }
    }

    #[test]
    fn signed_answers_are_not_kept_beyond_their_signature() {
        let pass = Pass::Signed { query: String::new(), remaining: Duration::from_secs(30) };
        assert_eq!(keep(&pass, true), "private, max-age=30, immutable");
        assert_eq!(keep(&Pass::Public, false), "public, max-age=60");
        assert_eq!(keep_playlist(&pass), "private, max-age=5");
    }
}
