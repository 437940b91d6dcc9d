//! The requests: announces and scrapes, and the upgrade of browsers to WebSocket.

use std::{cell::RefCell, net::IpAddr};

use axum::{
    Router,
    extract::{FromRequestParts, Request, State, WebSocketUpgrade},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use videocloud_protocol::ids::InfoHash;

use super::{
    bencode,
    query::{self, Target},
};
use crate::{
    bittorrent::{Outcome, Protocol, web},
    http::{Peer, Shared},
    swarms::{Peers, Refused, Swarms, Worker},
};

thread_local! {
    /// A runtime thread's own; never held over an await.
    static WORKER: RefCell<(Worker, Peers)> = RefCell::default();
}

/// `/announce` and `/scrape`, with and without a secret before it.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/announce", get(answer))
        .route("/scrape", get(answer))
        .route("/{secret}/announce", get(answer))
        .route("/{secret}/scrape", get(answer))
}

async fn answer(State(tracker): State<Shared>, request: Request) -> Response {
    let Some(target) = Target::parse(request.uri().path()) else { return StatusCode::NOT_FOUND.into_response() };
    let Some(Peer(address)) = request.extensions().get().copied() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if request.headers().contains_key(header::UPGRADE) {
        let secret = match target {
            Target::Announce(secret) => secret.map(str::to_owned),
            Target::Scrape => None,
        };
        return upgrade(tracker, request, address, secret).await;
    }
    let query = request.uri().query().unwrap_or_default();
    let (outcome, body) = body(&tracker.swarms, target, query, address);
    tracker.counts.add(Protocol::Http, outcome, 1);
    ([(header::CONTENT_TYPE, "text/plain")], body).into_response()
}

async fn upgrade(tracker: Shared, request: Request, address: IpAddr, secret: Option<String>) -> Response {
    let (mut parts, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade
            .max_message_size(web::wire::MAX_MESSAGE)
            .max_frame_size(web::wire::MAX_MESSAGE)
            .on_upgrade(move |socket| web::connect(tracker, socket, address, secret)),
        Err(rejection) => rejection.into_response(),
    }
}

/// What is answered to a query from `address`: the outcome and the bencoded body.
#[must_use]
pub fn body(swarms: &Swarms, target: Target<'_>, query: &str, address: IpAddr) -> (Outcome, Vec<u8>) {
    let now = swarms.now();
    if !swarms.limits.admit(address, now) {
        return (Outcome::TooMany, bencode::failed(Refused::TooMany.reason()));
    }
    match target {
        Target::Announce(secret) => {
            let announce = match query::announce(query, address) {
                Ok(announce) => announce,
                Err(error) => return (Outcome::Malformed, bencode::failed(&error.to_string())),
            };
            swarms.load.add(1);
            WORKER.with_borrow_mut(|(worker, peers)| match swarms.announce(&announce, secret, now, worker, peers) {
                Ok(answer) => (Outcome::Announced, bencode::announced(&answer, peers)),
                Err(refused) => (refused.into(), bencode::failed(refused.reason())),
            })
        }
        Target::Scrape => match query::scrape(query) {
            Ok(hashes) => {
                let find = |hash: InfoHash| swarms.scrape(&hash).map(|found| (hash, found));
                let mut found = hashes.into_iter().filter_map(find).collect();
                (Outcome::Scraped, bencode::scraped(&mut found))
            }
            Err(error) => (Outcome::Malformed, bencode::failed(&error.to_string())),
        },
    }
}
