//! Events: one for each transition a person would want to read in `kubectl describe`, never for progress.
//!
//! Written once, after the status that shows the same. A leader that dies between the two loses an event, never a state.

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{Condition as Shown, MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::Resource;

use crate::{apiserver::ApiServer, status};

/// Longest note the API server takes, in bytes.
const MAX_NOTE: usize = 1024;

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether it is a warning.
    pub warning: bool,
    /// One CamelCase word.
    pub reason: String,
    /// What was done, one CamelCase word.
    pub action: &'static str,
    /// For a person.
    pub text: String,
}

impl Note {
    /// Tells of a condition that reached `status` with a word and text of its own, when it was not so before.
    #[must_use]
    pub fn on_flip(kind: &str, to: &str, action: &'static str, old: &[Shown], new: &[Shown]) -> Option<Self> {
        let now = status::find(new, kind).filter(|now| now.status == to)?;
        if status::find(old, kind).is_some_and(|old| old.status == to && old.reason == now.reason) {
            return None;
        }
        let warning = kind == videocloud_crds::conditions::types::STALLED;
        Some(Self { warning, reason: now.reason.clone(), action, text: now.message.clone() })
    }
}

/// Writes events in the name of this replica.
#[derive(Debug, Clone)]
pub struct Events {
    api: ApiServer,
    identity: String,
}

impl Events {
    /// Events by the replica named `identity`.
    #[must_use]
    pub const fn new(api: ApiServer, identity: String) -> Self {
        Self { api, identity }
    }

    /// Writes `notes` about `object`. An event that cannot be written is logged and dropped: the status says the same.
    pub async fn write<K>(&self, object: &K, notes: Vec<Note>)
    where
        K: Resource<DynamicType = ()>,
    {
        for note in notes {
            let event = self.event(object.object_ref(&()), note, Timestamp::now());
            let namespace = event.metadata.namespace.clone().unwrap_or_default();
            if let Err(error) = self.api.create(&namespace, &event).await {
                tracing::warn!(%error, "failed to write an event");
            }
        }
    }

    fn event(&self, regarding: ObjectReference, note: Note, now: Timestamp) -> Event {
        let Note { warning, reason, action, text } = note;
        let name = regarding.name.clone().unwrap_or_default();
        let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= MAX_NOTE).last();
        Event {
            metadata: ObjectMeta {
                // Unique without a second call, and readable: what every event writer does.
                name: Some(format!("{name:.200}.{:016x}", rand::random::<u64>())),
                // Events of objects without a namespace are kept in this one: so the API server has it.
                namespace: regarding
                    .namespace
                    .clone()
                    .filter(|namespace| !namespace.is_empty())
                    .or(Some("default".into())),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            type_: Some(if warning { "Warning" } else { "Normal" }.into()),
            reason: Some(reason),
            action: Some(action.into()),
            note: Some(text[..end.unwrap_or(0)].to_owned()),
            regarding: Some(regarding),
            reporting_controller: Some("videocloud.dev/operator".into()),
            reporting_instance: Some(self.identity.chars().take(128).collect()),
            ..Event::default()
        }
    }
}
