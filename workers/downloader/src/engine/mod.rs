//! One download, from the staging area as it was found to a published content.
//!
//! A [`round`] fetches what is missing from the sources that may write; [`trust`] says which those are and what follows from a
//! round's end; the [`ledger`] remembers who wrote which byte. Nothing is published that was not verified.

mod agreement;
mod checkpoint;
mod crew;
mod doubts;
mod end;
mod fetch;
mod hosts;
mod lane;
mod ledger;
mod lent;
mod owners;
mod proof;
mod round;
mod samples;
mod shown;
mod sizes;
mod status;
mod throttle;
mod trust;
mod turns;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use videocloud_protocol::content::{ContentManifest, Visibility};
use videocloud_protocol::digest::Digest;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::ids::ClaimKey;
use videocloud_protocol::link::Link;
use videocloud_protocol::task::{DownloadLimits, KnownContent, SourceReport};
use videocloud_store::StoreError;

pub use fetch::fetch;
pub use hosts::Hosts;
pub use status::{Snapshot, Stage, Status};

use crate::discover::Discovery;
use crate::schedule::Settings;
use crate::source::{Source, SourceError};
use crate::verify::Which;

/// A source the download may use.
#[derive(Clone)]
pub struct Candidate {
    /// Its name in reports.
    pub name: String,
    /// Its link.
    pub link: Link,
    /// What it leads to.
    pub way: Way,
    /// Higher is tried first.
    pub priority: i32,
    /// How links that it names are followed.
    pub ways: Arc<dyn Ways>,
}

/// What a link leads to.
#[derive(Clone)]
pub enum Way {
    /// The content itself.
    Source(Arc<dyn Source>),
    /// A description of the content and more sources.
    Discovery(Arc<dyn Discovery>),
}

/// How links that turn up during a download are followed: with the same network rules as the link that named them, and through the
/// same proxy.
pub trait Ways: Send + Sync {
    /// What `link` leads to.
    ///
    /// # Errors
    /// [`SourceError`] for a link that is not followed.
    fn way(&self, link: &Link, priority: i32) -> Result<Way, SourceError>;
}

/// What is to be fetched, and within which limits.
pub struct Order {
    /// Names the staging area.
    pub key: ClaimKey,
    /// Where from; at least one.
    pub candidates: Vec<Candidate>,
    /// Sources that cannot be used at all, already judged.
    pub refused: Vec<SourceReport>,
    /// The digest that must result.
    pub digest: Option<Digest>,
    /// The size that must result, bytes.
    pub size: Option<u64>,
    /// Who may be told of the content.
    pub visibility: Visibility,
    /// Which hashes are computed beside those that prove the content.
    pub hashes: Which,
    /// Take bytes that are neither video nor audio.
    pub any_content: bool,
    /// Others may read what is proven of it, before all is there.
    pub shown: bool,
    /// Contents the links are believed to lead to.
    pub known: Vec<KnownContent>,
    /// Ceilings.
    pub limits: DownloadLimits,
    /// What may be asked of each host.
    pub hosts: Hosts,
    /// How long sources that might come back are asked again, without one byte from any.
    pub patience: Duration,
    /// Compare mirrors with each other where nothing else proves what they give.
    pub agreement: bool,
    /// The scheduler's constants.
    pub settings: Settings,
}

/// What came of a download.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The content as it is in the store.
    pub content: ContentManifest,
    /// Whether the store had it already.
    pub deduplicated: bool,
    /// Whether a link was confirmed to lead to it, without a transfer.
    pub revalidated: bool,
}

/// The failure a store error means for the download.
pub(crate) fn stored(error: &StoreError) -> Failure {
    let word = match error.class() {
        FailureClass::StoreFull => reason::STORE_FULL,
        FailureClass::Resources => reason::SCRATCH_FULL,
        _ => reason::INTERNAL,
    };
    Failure::new(error.class(), word, error.to_string())
}
