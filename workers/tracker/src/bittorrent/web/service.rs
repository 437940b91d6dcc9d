//! One browser's connection, from its upgrade to its end.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::extract::ws::{Message, WebSocket};
use tokio::sync::mpsc;
use videocloud_protocol::ids::InfoHash;

use super::{
    room::Member,
    wire::{self, Request, WebAnnounce},
};
use crate::{
    Tracker,
    bittorrent::{Outcome, Protocol},
    swarms::{Announce, Event, PeerId, Peers, Refused, Worker},
};

/// Messages that wait for a browser to read.
const OUTBOX: usize = 64;
/// Swarms one connection may be in.
const MAX_SWARMS: usize = 100;
/// How long a message may take to be sent.
const SEND_WITHIN: Duration = Duration::from_secs(10);

/// What a browser last said of itself in a swarm.
type Said = HashMap<(InfoHash, PeerId), Announce>;

struct Connection<'a> {
    tracker: &'a Tracker,
    number: u64,
    address: IpAddr,
    secret: Option<String>,
    outbox: mpsc::Sender<String>,
    said: Said,
}

/// Serves one connection until either end closes it.
pub async fn connect(tracker: Arc<Tracker>, mut socket: WebSocket, address: IpAddr, secret: Option<String>) {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let (outbox, mut inbox) = mpsc::channel(OUTBOX);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut connection = Connection { tracker: &tracker, number, address, secret, outbox, said: Said::new() };
    loop {
        // Who says nothing for longer than peers are kept is gone.
        let patience = Duration::from_secs(u64::from(tracker.swarms.load.interval()) * 5 / 2 + 15);
        let next = tokio::select! {
            passed = inbox.recv() => passed,
            received = tokio::time::timeout(patience, socket.recv()) => match received {
                Ok(Some(Ok(Message::Text(text)))) => Some(connection.answer(&text)),
                Ok(Some(Ok(Message::Binary(bytes)))) => std::str::from_utf8(&bytes).ok().map(|t| connection.answer(t)),
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => None,
            },
            () = tracker.closing().cancelled() => None,
        };
        let Some(text) = next else { break };
        if text.is_empty() {
            continue;
        }
        let sent = tokio::time::timeout(SEND_WITHIN, socket.send(Message::Text(text.into()))).await;
        if !matches!(sent, Ok(Ok(()))) {
            break;
        }
    }
    connection.end();
}

impl Connection<'_> {
    /// What is sent back for a message; empty for nothing.
    fn answer(&mut self, text: &str) -> String {
        let (outcome, answer) = self.handle(text);
        self.tracker.counts.add(Protocol::WebSocket, outcome, 1);
        answer
    }

    fn handle(&mut self, text: &str) -> (Outcome, String) {
        let (swarms, rooms) = (&self.tracker.swarms, &self.tracker.rooms);
        if !swarms.limits.admit(self.address, swarms.now()) {
            return (Outcome::TooMany, wire::failed(None, Refused::TooMany.reason()));
        }
        match wire::parse(text) {
            Err(error) => (Outcome::Malformed, wire::failed(None, &error.to_string())),
            Ok(Request::Scrape(hashes)) => {
                let find = |hash: InfoHash| swarms.scrape(&hash).map(|found| (hash, found));
                (Outcome::Scraped, wire::scraped(&hashes.into_iter().filter_map(find).collect::<Vec<_>>()))
            }
            Ok(Request::Answer { info_hash, peer_id, to, offer_id, answer }) => {
                // Only in its own name.
                let own = self.said.contains_key(&(info_hash, peer_id));
                let message = wire::answered(&info_hash, peer_id, &offer_id, &answer);
                let passed = own && rooms.answer(&info_hash, to, message);
                (if passed { Outcome::Relayed } else { Outcome::Stranger }, String::new())
            }
            Ok(Request::Announce(announce)) => self.announce(&announce),
        }
    }

    fn announce(&mut self, said: &WebAnnounce) -> (Outcome, String) {
        let (tracker, own) = (self.tracker, (said.info_hash, said.peer_id));
        let refuse = |why: Refused| (why.into(), wire::failed(Some(&said.info_hash), why.reason()));
        if tracker.rooms.is_taken(&said.info_hash, said.peer_id, self.number) {
            return refuse(Refused::WrongKey);
        }
        if !self.said.contains_key(&own) && self.said.len() >= MAX_SWARMS {
            return refuse(Refused::TooMany);
        }
        let announce = Announce {
            info_hash: said.info_hash,
            peer_id: said.peer_id,
            // The connection proves that it is the same browser.
            key: u32::try_from(self.number % u64::from(u32::MAX)).unwrap_or_default(),
            address: self.address,
            port: 0,
            uploaded: said.uploaded,
            downloaded: said.downloaded,
            left: said.left,
            event: said.event,
            want: 0,
            want_v4: false,
            want_v6: false,
        };
        let (mut worker, mut peers) = (Worker::default(), Peers::default());
        let now = tracker.swarms.now();
        tracker.swarms.load.add(1);
        match tracker.swarms.announce(&announce, self.secret.as_deref(), now, &mut worker, &mut peers) {
            Err(refused) => refuse(refused),
            Ok(answer) => {
                if said.event == Event::Stopped {
                    self.said.remove(&own);
                    tracker.rooms.leave(&said.info_hash, said.peer_id, self.number);
                } else {
                    self.said.insert(own, announce);
                    let (peer_id, connection, outbox) = (said.peer_id, self.number, self.outbox.clone());
                    tracker.rooms.enter(said.info_hash, Member { peer_id, connection, outbox });
                    let relayed = tracker.rooms.offer(&said.info_hash, said.peer_id, &said.offers);
                    tracker.counts.add(Protocol::WebSocket, Outcome::Relayed, relayed as u64);
                }
                (Outcome::Announced, wire::announced(&said.info_hash, answer.found, answer.interval))
            }
        }
    }

    /// A browser that is closed says nothing: its connection says it.
    fn end(&mut self) {
        let (mut worker, mut peers) = (Worker::default(), Peers::default());
        for ((info_hash, peer_id), last) in self.said.drain() {
            self.tracker.rooms.leave(&info_hash, peer_id, self.number);
            let stopped = Announce { event: Event::Stopped, ..last };
            let now = self.tracker.swarms.now();
            // It was taken before; a torrent forgotten since needs no word of it.
            let _ = self.tracker.swarms.announce(&stopped, self.secret.as_deref(), now, &mut worker, &mut peers);
        }
    }
}
