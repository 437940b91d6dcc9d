//! `GET /v1/samples`, and `GET /v1/contents/{id}/announce`.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State},
};
use schemars::SchemaGenerator;
use videocloud_protocol::{
    ids::ContentId,
    tracker::{AnnounceUrls, IntervalSamples, SamplesAnswer},
};

use crate::{
    http::{Access, Api, Operation, Poll, Problem, Shared},
    index::contents,
};

/// Adds the operations.
pub fn routes(api: Api) -> Api {
    let samples = Operation {
        query: &[
            ("after", "Number of the last interval that is known; 0 for none."),
            ("wait", "Seconds to wait for one that is finished, at most 60."),
        ],
        answer: Some(SchemaGenerator::subschema_for::<SamplesAnswer>),
        timeout: Poll::MAX_WAIT.saturating_add(Duration::from_secs(60)),
        ..Operation::new("get", "/v1/samples", Access::Operator, "What swarms did in finished intervals.")
    };
    let announce = Operation {
        answer: Some(SchemaGenerator::subschema_for::<AnnounceUrls>),
        ..Operation::new("get", "/v1/contents/{id}/announce", Access::Uploader, "The trackers of a content's torrent.")
    };
    api.add(samples, get_samples).add(announce, get_announce)
}

async fn get_samples(State(tracker): State<Shared>, poll: Poll) -> Result<Json<SamplesAnswer>, Problem> {
    let deadline = tokio::time::Instant::now() + poll.wait();
    let mut newest = tracker.history.newest();
    let intervals = loop {
        newest.borrow_and_update();
        let intervals = tracker.history.after(poll.after);
        if !intervals.is_empty() {
            break intervals;
        }
        let more = tokio::select! {
            more = newest.changed() => more.is_ok(),
            () = tokio::time::sleep_until(deadline) => false,
            () = tracker.closing().cancelled() => false,
        };
        if !more {
            break Vec::new();
        }
    };
    let intervals: Vec<IntervalSamples> = intervals.iter().map(|samples| IntervalSamples::clone(samples)).collect();
    Ok(Json(SamplesAnswer { epoch: tracker.database.epoch().to_owned(), intervals }))
}

async fn get_announce(State(tracker): State<Shared>, Path(id): Path<String>) -> Result<Json<AnnounceUrls>, Problem> {
    let id: ContentId = id.parse().map_err(|error| Problem::bad_request(format!("{error}")))?;
    if contents::find(tracker.database.read(), &id).await?.is_none() {
        return Err(Problem::not_found("no such content"));
    }
    let secret = tracker.swarms.secret_of(&id);
    let path = secret.as_ref().map_or_else(|| "/announce".to_owned(), |secret| format!("/{secret}/announce"));
    let urls = tracker.announce_bases.iter().map(|base| format!("{}{path}", base.trim_end_matches('/')));
    let (urls, mirrors) = (urls.collect(), tracker.fleet(|fleet| fleet.mirrors()));
    Ok(Json(AnnounceUrls { secret: secret.is_some(), urls, mirrors }))
}
