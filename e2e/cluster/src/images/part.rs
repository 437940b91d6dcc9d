//! The parts of videocloud that are images, and the programs in each.

use std::fmt;

/// A static tool from outside that an image holds, and the SHA-256 of the build that was tested.
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) sha256: &'static str,
}

/// ffmpeg and ffprobe 8.1.2, and ffmpeg 9.0.2 with libvmaf and dav1d: builds for x86-64, as `workers/transcoder/tools.sh` fetches them.
const FFMPEG: [Tool; 3] = [
    Tool { name: "ffmpeg", sha256: "9eac5b2b5076db5ff853a6fa0dcd6b8de7d0cac8481eadda6c47cd935825f1ee" },
    Tool { name: "ffprobe", sha256: "065d3c56926052a76e884c4e4b51b7d95248da9391ab7effdcca6b94ceab98cf" },
    Tool { name: "ffmpeg-vmaf", sha256: "0d709a0bed1a43f24cd2c420878c63afea4580671b6949ad19ed124572f3bc3d" },
];

/// A part of videocloud that runs in containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The controllers and the bandwidth scheduler.
    Operator,
    /// Fetches one content.
    Downloader,
    /// Makes renditions; holds two builds of ffmpeg, and ffprobe.
    Transcoder,
    /// The data plane's meeting point.
    Tracker,
    /// The edge.
    Uploader,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Operator, Self::Downloader, Self::Transcoder, Self::Tracker, Self::Uploader];

    /// The target in the Containerfile and the last part of the image's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Downloader => "downloader",
            Self::Transcoder => "transcoder",
            Self::Tracker => "tracker",
            Self::Uploader => "uploader",
        }
    }

    /// The program of this project inside.
    pub fn program(self) -> String {
        format!("videocloud-{self}")
    }

    /// The tools from outside beside it.
    pub(super) fn tools(self) -> &'static [Tool] {
        if self == Self::Transcoder { &FFMPEG } else { &[] }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
