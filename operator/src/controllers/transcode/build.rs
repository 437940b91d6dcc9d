//! What a TranscodeJob needs: a question to the tracker, or a rendition to be made. Pure.

use videocloud_crds::TranscodeJob;
use videocloud_protocol::{ids::RenditionKey, tracker::RenditionsRequest};

use super::{
    dereference::Facts,
    validate::{Rendition, Valid},
    verdict::{Made, made},
};
use crate::index::Demand;

/// What is needed, not yet made so.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) uid: String,
    /// What to ask the tracker.
    pub(super) question: Option<(RenditionKey, RenditionsRequest)>,
    /// What is to be made.
    pub(super) demand: Option<Demand>,
}

/// Decides what is needed.
pub(super) fn build(_job: &TranscodeJob, valid: &Valid, facts: &Facts) -> Prepared {
    let nothing = Prepared { uid: facts.uid.clone(), question: None, demand: None };
    let Ok(rendition) = &valid.rendition else { return nothing };
    let Rendition { source, order, settings: _, chunking, bounds, queue, max_distance: _ } = rendition;
    if made(valid, facts) != Made::No {
        return nothing;
    }
    if facts.resolved.is_none() {
        let request = RenditionsRequest { keys: vec![order.key], sources: vec![*source] };
        return Prepared { question: Some((order.key, request)), ..nothing };
    }
    let demand = Demand {
        source: *source,
        order: order.clone(),
        chunking: *chunking,
        bounds: bounds.clone(),
        queue: queue.clone(),
    };
    Prepared { demand: Some(demand), ..nothing }
}
