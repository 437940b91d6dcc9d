//! VideoObjects: from links to a playable, published video.
//!
//! A pass is the pipeline [`dereference`] (what is known of it), [`validate`] (what its owner wants), [`build`] (what should
//! exist), [`apply`] (make it so), [`status`] (say so). Downloads are admitted elsewhere; a pass never makes a Job.

mod apply;
mod build;
mod content;
mod dereference;
mod endpoints;
mod names;
mod status;
mod story;
mod validate;
mod verdict;
mod wish;

use std::{sync::Arc, time::Duration};

use videocloud_crds::VideoObject;

use super::{Error, Pass, World};
use apply::Applied;

pub use names::transcode_name;
pub use wish::{Invalid, Wish};

/// Field manager of VideoObjects' status.
pub const MANAGER: &str = "videocloud-video";

/// A pass learns at most the claim and a publication before it settles.
const ROUNDS: u32 = 4;

/// One pass over `video`.
///
/// # Errors
/// [`Error`] when the API server or the tracker failed; the next pass finds the same state.
pub async fn reconcile(video: Arc<VideoObject>, world: Arc<World>) -> Result<Pass, Error> {
    if video.metadata.deletion_timestamp.is_some() {
        return Ok(Pass::UNCHANGED);
    }
    let mut changed = false;
    for _ in 0..ROUNDS {
        let facts = dereference::dereference(&video, &world);
        let valid = validate::validate(&video, &facts);
        let prepared = build::build(&video, &valid, &facts, &world.settings.jobs);
        match apply::apply(prepared, &video, &world).await? {
            // What was learnt changes what should exist: look again before anything is said.
            Applied::Learnt => changed = true,
            Applied::Done(resources) => {
                let written = status::update(&video, &valid, &facts, &resources, &world).await?;
                return Ok(Pass { changed: changed || resources.changed || written.changed, ..written });
            }
        }
    }
    Err(Error::Restless(ROUNDS))
}

/// Coarse progress is written at most this often, whatever the settings say.
const LEAST_PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
