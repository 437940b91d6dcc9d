//! Which file of a torrent is meant.

use videocloud_protocol::torrent::Info;

/// Endings of media files, lower case.
const MEDIA: &[&str] = &[
    "3gp", "aac", "avi", "flac", "flv", "m2ts", "m4a", "m4v", "mka", "mkv", "mov", "mp3", "mp4", "mpeg", "mpg", "mts",
    "mxf", "oga", "ogg", "ogv", "opus", "ts", "vob", "wav", "webm", "wma", "wmv",
];

/// No such file in the torrent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to find {wanted:?} in the torrent; it has {files} files, the largest is {largest:?}")]
pub struct NotFound {
    /// What was asked for.
    pub wanted: String,
    /// Number of files.
    pub files: usize,
    /// Path of the largest.
    pub largest: String,
}

/// Index of the file at `wanted`: its path, with or without the torrent's name in front. Without a wish it is the largest media
/// file, or the largest file when none has a media ending; of equals the first.
///
/// # Errors
/// [`NotFound`]; also when the file at `wanted` has no bytes.
pub fn select(info: &Info, wanted: Option<&str>) -> Result<usize, NotFound> {
    let files = info.files();
    let largest = |media: bool| {
        let fits = |name: &String| !media || is_media(name);
        let able = files.iter().enumerate().filter(|(_, file)| file.path.last().is_some_and(fits));
        able.rev().max_by_key(|(_, file)| file.length).filter(|(_, file)| file.length > 0).map(|(index, _)| index)
    };
    let found = match wanted {
        None => largest(true).or_else(|| largest(false)),
        Some(path) => {
            let path = path.trim_matches('/');
            let inner = path.strip_prefix(info.name()).and_then(|rest| rest.strip_prefix('/'));
            let at = |path: &str| files.iter().position(|file| file.length > 0 && file.joined() == path);
            at(path).or_else(|| inner.and_then(at))
        }
    };
    found.ok_or_else(|| NotFound {
        wanted: wanted.unwrap_or_default().to_owned(),
        files: files.len(),
        largest: largest(false).and_then(|index| files.get(index)).map(|file| file.joined()).unwrap_or_default(),
    })
}

fn is_media(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| MEDIA.contains(&&*ending))
}
