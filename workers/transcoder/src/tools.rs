//! Where ffmpeg and ffprobe are: told, or in the project's cache, or on the PATH. And a second ffmpeg, which measures VMAF and
//! decodes AV1, where there is one.

use std::path::{Path, PathBuf};

/// The programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// Absolute path of ffmpeg.
    pub ffmpeg: PathBuf,
    /// Absolute path of ffprobe.
    pub ffprobe: PathBuf,
    /// Absolute path of an ffmpeg with libvmaf and dav1d, `ffmpeg-vmaf` unless told: without it quality is not measured, and AV1
    /// not decoded.
    pub vmaf: Option<PathBuf>,
}

/// A program that is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "failed to find {program}: not at {looked}; name it by --{program}, or run workers/transcoder/tools.sh, which installs the \
     pinned build"
)]
pub struct MissingTool {
    program: &'static str,
    looked: String,
}

impl Tools {
    /// Finds them: the path that was told, else `<cache>/tools/`, else the first on `PATH`.
    ///
    /// # Errors
    /// [`MissingTool`] when a program is at none of these places.
    pub fn find(ffmpeg: Option<&Path>, ffprobe: Option<&Path>, vmaf: Option<&Path>) -> Result<Self, MissingTool> {
        let second = locate("ffmpeg-vmaf", vmaf);
        let vmaf = if vmaf.is_some() { Some(second?) } else { second.ok() };
        Ok(Self { ffmpeg: locate("ffmpeg", ffmpeg)?, ffprobe: locate("ffprobe", ffprobe)?, vmaf })
    }
}

fn locate(program: &'static str, told: Option<&Path>) -> Result<PathBuf, MissingTool> {
    let candidates: Vec<PathBuf> = match told {
        Some(path) => vec![path.to_path_buf()],
        None => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let folders = cache().map(|cache| cache.join("tools")).into_iter().chain(std::env::split_paths(&path));
            folders.map(|folder| folder.join(program)).collect()
        }
    };
    candidates.iter().find(|path| path.is_file()).and_then(|path| path.canonicalize().ok()).ok_or_else(|| {
        let looked = candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        MissingTool { program, looked }
    })
}

/// `$VIDEOCLOUD_CACHE`, else `~/.cache/videocloud`.
fn cache() -> Option<PathBuf> {
    match std::env::var_os("VIDEOCLOUD_CACHE") {
        Some(folder) => Some(PathBuf::from(folder)),
        None => std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/videocloud")),
    }
}
