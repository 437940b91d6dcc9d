//! Which connection a browser of a swarm is at, to pass offers and answers on. Bounded queues: who does not read misses offers,
//! as it would miss them offline.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use rand::seq::IndexedRandom;
use serde_json::Value;
use tokio::sync::mpsc;
use videocloud_protocol::ids::InfoHash;

use super::wire;
use crate::swarms::PeerId;

/// Most browsers of one swarm that are passed offers.
const MAX_MEMBERS: usize = 100_000;

/// A browser in a swarm.
#[derive(Debug, Clone)]
pub struct Member {
    /// By the id it goes by.
    pub peer_id: PeerId,
    /// Its connection.
    pub connection: u64,
    /// What is sent to it.
    pub outbox: mpsc::Sender<String>,
}

/// All of them, by swarm.
#[derive(Debug, Default)]
pub struct Rooms(Mutex<HashMap<InfoHash, Vec<Member>>>);

impl Rooms {
    fn with<T>(&self, use_them: impl FnOnce(&mut HashMap<InfoHash, Vec<Member>>) -> T) -> T {
        use_them(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether another connection goes by this id.
    #[must_use]
    pub fn is_taken(&self, info_hash: &InfoHash, peer_id: PeerId, connection: u64) -> bool {
        self.with(|rooms| {
            let member = rooms.get(info_hash).and_then(|room| room.iter().find(|member| member.peer_id == peer_id));
            member.is_some_and(|member| member.connection != connection)
        })
    }

    /// A browser is in a swarm, if it is not already.
    pub fn enter(&self, info_hash: InfoHash, member: Member) {
        self.with(|rooms| {
            let room = rooms.entry(info_hash).or_default();
            if room.len() < MAX_MEMBERS && !room.iter().any(|other| other.peer_id == member.peer_id) {
                room.push(member);
            }
        });
    }

    /// It is no more.
    pub fn leave(&self, info_hash: &InfoHash, peer_id: PeerId, connection: u64) {
        self.with(|rooms| {
            if let Some(room) = rooms.get_mut(info_hash) {
                room.retain(|member| member.peer_id != peer_id || member.connection != connection);
                if room.is_empty() {
                    rooms.remove(info_hash);
                }
            }
        });
    }

    /// Passes each offer to another browser of the swarm, chosen at random. Returns how many were passed.
    pub fn offer(&self, info_hash: &InfoHash, from: PeerId, offers: &[(String, Value)]) -> usize {
        self.with(|rooms| {
            let Some(room) = rooms.get(info_hash) else { return 0 };
            // One more, in case it is the offerer itself.
            let chosen = room.sample(&mut rand::rng(), offers.len() + 1).filter(|member| member.peer_id != from);
            let pass = |(member, (id, offer)): (&Member, &(String, Value))| {
                member.outbox.try_send(wire::offered(info_hash, from, id, offer)).is_ok()
            };
            chosen.zip(offers).map(pass).filter(|passed| *passed).count()
        })
    }

    /// Passes an answer to who offered. Returns whether it could be.
    #[must_use]
    pub fn answer(&self, info_hash: &InfoHash, to: PeerId, message: String) -> bool {
        self.with(|rooms| {
            let member = rooms.get(info_hash).and_then(|room| room.iter().find(|member| member.peer_id == to));
            member.is_some_and(|member| member.outbox.try_send(message).is_ok())
        })
    }
}
