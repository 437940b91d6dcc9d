//! Makes what was built so: the claim, the TranscodeJobs, the publication. Status comes only from what was applied.

use videocloud_crds::{TranscodeJob, VideoObject};
use videocloud_protocol::publication::Publication;

use super::build::Prepared;
use crate::{
    apiserver::Created,
    controllers::{Error, World},
    index::Named,
    status::RETRY_ANNOTATION,
};

/// What exists now.
#[derive(Debug)]
pub(super) struct Resources {
    /// Whether anything had to be done.
    pub(super) changed: bool,
    /// Whether TranscodeJobs were made.
    pub(super) made: bool,
    /// What the edge serves.
    pub(super) publication: Option<Publication>,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Applied {
    /// The tracker answered something that changes what should exist.
    Learnt,
    /// All of it exists.
    Done(Resources),
}

/// Makes `prepared` so.
///
/// # Errors
/// The first call that failed; what was done stays done, and the next pass finds it.
pub(super) async fn apply(prepared: Prepared, video: &VideoObject, world: &World) -> Result<Applied, Error> {
    let Prepared { claim, found, create, delete, retry, publication, withdraw } = prepared;
    if let Some((wish, request)) = claim {
        let answer = world.tracker.claim(&wish.key, &request).await?;
        world.index.state().ledger.claimed(&request.owner.uid, wish.key, answer);
        world.index.admission.notify_one();
        return Ok(Applied::Learnt);
    }
    let mut changed = !create.is_empty() || !delete.is_empty() || !retry.is_empty();
    let made = !create.is_empty();
    if let Some(content) = found.filter(|_| made) {
        let uid = video.metadata.uid.clone().unwrap_or_default();
        world.index.state().found.insert(uid, content);
    }
    if made {
        make(create, &Named::of(video), world).await?;
    }
    for (name, uid) in delete {
        world.api.delete::<TranscodeJob>(&name.namespace, &name.name, &uid).await?;
    }
    for (name, value) in retry {
        world.api.annotate::<TranscodeJob>(&name, RETRY_ANNOTATION, value.as_deref()).await?;
    }
    if let Some(publication) = &publication
        && !world.index.state().ledger.is_published(publication)
    {
        let name = Named::of(video);
        world.tracker.publish(&name.namespace, &name.name, publication).await?;
        world.index.state().ledger.published(publication);
        changed = true;
    }
    if withdraw {
        let name = Named::of(video);
        world.tracker.unpublish(&name.namespace, &name.name).await?;
        world.index.state().ledger.unpublished(video.metadata.uid.as_deref().unwrap_or_default());
        changed = true;
    }
    Ok(Applied::Done(Resources { changed, made, publication }))
}

/// Makes the TranscodeJobs of a video. Until all are made admission holds them back, so that they become one run.
async fn make(jobs: Vec<TranscodeJob>, video: &Named, world: &World) -> Result<(), Error> {
    world.index.state().preparing.insert(video.clone());
    let mut result = Ok(());
    for job in jobs {
        match world.api.create(&video.namespace, &job).await {
            Ok(Created::New(made)) => world.index.transcode_changed(&Named::of(&made), &made),
            // Made by an earlier pass and on its way here, or of an earlier video of this name and on its way out.
            Ok(Created::Exists) => {}
            Err(error) => {
                result = Err(error.into());
                break;
            }
        }
    }
    world.index.state().preparing.remove(video);
    world.index.admission.notify_one();
    result
}
