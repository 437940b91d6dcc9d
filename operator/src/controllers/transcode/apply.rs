//! Asks what was to be asked, and tells admission what is needed.

use super::build::Prepared;
use crate::{
    controllers::{Error, World},
    index::{Named, Resolved},
};

/// What came of it.
#[derive(Debug)]
pub(super) enum Applied {
    /// The tracker answered something that changes what is needed.
    Learnt,
    /// Admission knows.
    Done,
}

/// Makes `prepared` so.
///
/// # Errors
/// The tracker's.
pub(super) async fn apply(prepared: Prepared, name: &Named, world: &World) -> Result<Applied, Error> {
    let Prepared { uid, question, demand } = prepared;
    if let Some((key, request)) = question {
        let answer = world.tracker.resolve_renditions(&request).await?;
        let (exact, near) = answer.renditions.into_iter().partition::<Vec<_>, _>(|summary| summary.key == key);
        let resolved = Resolved { key, exact: exact.into_iter().next(), near };
        world.index.state().ledger.resolve(&uid, resolved);
        return Ok(Applied::Learnt);
    }
    let news = world.index.state().transcodes.need(name, demand);
    if news {
        world.index.admission.notify_one();
    }
    Ok(Applied::Done)
}
