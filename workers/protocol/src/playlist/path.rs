//! Names of playlists and segments, relative to the root of a published object (`/v/<namespace>/<name>/` at the edge).

use std::{fmt, str::FromStr};

use crate::rendition::{Track, TrackKind, TreePath};

/// Something a player asks for. [`fmt::Display`] gives its path and [`FromStr`] reads it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// `hls/master.m3u8`
    Master,
    /// `dash/manifest.mpd`
    Mpd,
    /// `hls/<rendition>/<track>.m3u8`
    Media {
        /// Profile name of the rendition.
        rendition: String,
        /// Name of the track.
        track: TreePath,
    },
    /// `hls/<rendition>/<track>.iframes.m3u8`: the keyframes of a picture alone.
    Keyframes {
        /// Profile name of the rendition.
        rendition: String,
        /// Name of the track.
        track: TreePath,
    },
    /// `<rendition>/<track>/init.mp4`: the head of the track's file.
    Init {
        /// Profile name of the rendition.
        rendition: String,
        /// Name of the track.
        track: TreePath,
    },
    /// `<rendition>/<track>/<number>.m4s` (`.vtt` for captions): one segment, counted from 1.
    Segment {
        /// Profile name of the rendition.
        rendition: String,
        /// Name of the track.
        track: TreePath,
        /// Which, from 1.
        number: u32,
    },
}

/// A path that names no playlist and no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("failed to read the path: it names no playlist and no segment")]
pub struct NoResource;

impl Resource {
    /// MIME type it is served with.
    #[must_use]
    pub fn mime(&self, track: Option<&Track>) -> &'static str {
        match self {
            Self::Master | Self::Media { .. } | Self::Keyframes { .. } => "application/vnd.apple.mpegurl",
            Self::Mpd => "application/dash+xml",
            Self::Init { .. } | Self::Segment { .. } => match track.map(|track| &track.kind) {
                Some(TrackKind::Audio { .. }) => "audio/mp4",
                Some(TrackKind::Captions { .. }) => "text/vtt",
                Some(TrackKind::Video { .. }) | None => "video/mp4",
            },
        }
    }

    /// The byte range (offset, length) of `track`'s file that answers for it; `None` for playlists and for numbers out of
    /// range.
    #[must_use]
    pub fn range(&self, track: &Track) -> Option<(u64, u64)> {
        match self {
            Self::Init { .. } => (track.init_size > 0).then_some((0, track.init_size)),
            Self::Segment { number, .. } => {
                let index = usize::try_from(number.checked_sub(1)?).ok()?;
                track.segments.get(index).map(|segment| (segment.offset, segment.size))
            }
            Self::Master | Self::Mpd | Self::Media { .. } | Self::Keyframes { .. } => None,
        }
    }
}

/// File name ending of a track's segments.
#[must_use]
pub fn ending(track: &Track) -> &'static str {
    match track.kind {
        TrackKind::Captions { .. } => "vtt",
        TrackKind::Video { .. } | TrackKind::Audio { .. } => "m4s",
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Master => f.write_str("hls/master.m3u8"),
            Self::Mpd => f.write_str("dash/manifest.mpd"),
            Self::Media { rendition, track } => write!(f, "hls/{rendition}/{track}.m3u8"),
            Self::Keyframes { rendition, track } => write!(f, "hls/{rendition}/{track}.iframes.m3u8"),
            Self::Init { rendition, track } => write!(f, "{rendition}/{track}/init.mp4"),
            Self::Segment { rendition, track, number } => write!(f, "{rendition}/{track}/{number}.m4s"),
        }
    }
}

impl FromStr for Resource {
    type Err = NoResource;

    fn from_str(path: &str) -> Result<Self, NoResource> {
        let name = |text: &str| -> Result<String, NoResource> {
            let path: TreePath = text.parse().map_err(|_| NoResource)?;
            Ok(path.into())
        };
        let track = |text: &str| text.parse::<TreePath>().map_err(|_| NoResource);
        let parts: Vec<&str> = path.splitn(4, '/').collect();
        match parts.as_slice() {
            ["hls", "master.m3u8"] => Ok(Self::Master),
            ["dash", "manifest.mpd"] => Ok(Self::Mpd),
            ["hls", rendition, file] => {
                let stem = file.strip_suffix(".m3u8").ok_or(NoResource)?;
                match stem.strip_suffix(".iframes") {
                    Some(stem) => Ok(Self::Keyframes { rendition: name(rendition)?, track: track(stem)? }),
                    None => Ok(Self::Media { rendition: name(rendition)?, track: track(stem)? }),
                }
            }
            [rendition, of, "init.mp4"] => Ok(Self::Init { rendition: name(rendition)?, track: track(of)? }),
            [rendition, of, file] => {
                let stem = file.strip_suffix(".m4s").or_else(|| file.strip_suffix(".vtt")).ok_or(NoResource)?;
                // One spelling per segment, or caches would keep several copies.
                let canonical = !stem.starts_with('0') && stem.bytes().all(|b| b.is_ascii_digit());
                let number = stem.parse().ok().filter(|_| canonical).ok_or(NoResource)?;
                Ok(Self::Segment { rendition: name(rendition)?, track: track(of)?, number })
            }
            _ => Err(NoResource),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_back() {
        for text in [
            "hls/master.m3u8",
            "dash/manifest.mpd",
            "hls/720p/video.m3u8",
            "hls/720p/video.iframes.m3u8",
            "720p/audio-1/init.mp4",
            "720p/video/17.m4s",
        ] {
            assert_eq!(text.parse::<Resource>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_paths_are_refused() {
        for text in [
            "",
            "hls",
            "hls/",
            "hls/../video.m3u8",
            "../video/1.m4s",
            "720p/video/01.m4s",
            "720p/video/0.m4s",
            "720p/video/-1.m4s",
            "720p/video/+1.m4s",
            "720p/video/99999999999.m4s",
            "720p/video/1.mp4",
            "a/b/c/1.m4s",
        ] {
            assert!(text.parse::<Resource>().is_err(), "{text}");
        }
    }
}
