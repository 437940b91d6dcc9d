//! Pictures beside a rendition: a poster, and sprite sheets for the seek bar.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pictures to make.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Thumbnails {
    /// Whether to make a poster.
    #[serde(default = "default_poster")]
    pub poster: bool,
    /// Where in the video the poster is taken, in percent of its duration.
    #[serde(default = "default_poster_at")]
    #[schemars(range(min = 0, max = 100))]
    pub poster_at_percent: i32,
    /// Sprite sheets; none unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sprite: Option<Sprite>,
}

/// Sprite sheets with a WebVTT index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sprite {
    /// Seconds between pictures.
    #[serde(default = "default_interval")]
    #[schemars(range(min = 1, max = 60))]
    pub interval_seconds: i32,
    /// Width of a picture in pixels.
    #[serde(default = "default_tile_width")]
    #[schemars(range(min = 32, max = 640))]
    pub tile_width: i32,
    /// Pictures in a row of a sheet.
    #[serde(default = "default_columns")]
    #[schemars(range(min = 1, max = 20))]
    pub columns: i32,
}

impl Default for Thumbnails {
    fn default() -> Self {
        Self { poster: default_poster(), poster_at_percent: default_poster_at(), sprite: None }
    }
}

fn default_poster() -> bool {
    true
}

fn default_poster_at() -> i32 {
    10
}

fn default_interval() -> i32 {
    5
}

fn default_tile_width() -> i32 {
    160
}

fn default_columns() -> i32 {
    10
}
