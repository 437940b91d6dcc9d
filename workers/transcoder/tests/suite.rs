//! The transcoder against real ffmpeg, on clips made by ffmpeg: one binary, so that it is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "suite/browse.rs"]
mod browse;
#[path = "suite/clips.rs"]
mod clips;
#[path = "suite/codecs.rs"]
mod codecs;
#[path = "suite/exact.rs"]
mod exact;
#[path = "suite/folder.rs"]
mod folder;
#[path = "suite/hostile.rs"]
mod hostile;
#[path = "suite/killed.rs"]
mod killed;
#[path = "suite/live.rs"]
mod live;
#[path = "suite/matrix.rs"]
mod matrix;
#[path = "../../store/tests/support/moto.rs"]
mod moto;
#[path = "suite/quality.rs"]
mod quality;
#[path = "suite/resume.rs"]
mod resume;
#[path = "suite/seen.rs"]
mod seen;
#[path = "suite/stage.rs"]
mod stage;
#[path = "suite/steps.rs"]
mod steps;
#[path = "../../store/tests/support/venv.rs"]
mod venv;
#[path = "suite/walls.rs"]
mod walls;
