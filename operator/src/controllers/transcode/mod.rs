//! TranscodeJobs: from a known content and settings to a rendition, made or found.
//!
//! The same pipeline as for VideoObjects. A pass says what rendition is needed; admission gathers needs into runs and makes the
//! Jobs; the next pass reads how they stand.

mod apply;
mod build;
mod dereference;
mod expiry;
mod nearest;
mod status;
mod validate;
mod verdict;

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use videocloud_crds::TranscodeJob;

use super::{Error, Pass, World};
use crate::index::Named;
use apply::Applied;
use expiry::{Expiry, expiry};

/// Field manager of TranscodeJobs' status.
pub const MANAGER: &str = "videocloud-transcode";

/// A pass learns at most what renditions exist before it settles.
const ROUNDS: u32 = 3;

/// One pass over `job`.
///
/// # Errors
/// [`Error`] when the API server or the tracker failed; the next pass finds the same state.
pub async fn reconcile(job: Arc<TranscodeJob>, world: Arc<World>) -> Result<Pass, Error> {
    if job.metadata.deletion_timestamp.is_some() {
        return Ok(Pass::UNCHANGED);
    }
    let expiry = expiry(&job, Timestamp::now());
    if expiry == Expiry::Over {
        let (name, uid) = (Named::of(&*job), job.metadata.uid.as_deref().unwrap_or_default());
        world.api.delete::<TranscodeJob>(&name.namespace, &name.name, uid).await?;
        return Ok(Pass { changed: true, again: None });
    }
    let mut changed = false;
    for _ in 0..ROUNDS {
        let facts = dereference::dereference(&job, &world);
        let valid = validate::validate(&job, &facts);
        let prepared = build::build(&job, &valid, &facts);
        match apply::apply(prepared, &facts.name, &world).await? {
            Applied::Learnt => changed = true,
            Applied::Done => {
                let written = status::update(&job, &valid, &facts, &world).await?;
                let again = written.again.or(expiry.left());
                return Ok(Pass { changed: changed || written.changed, again });
            }
        }
    }
    Err(Error::Restless(ROUNDS))
}
