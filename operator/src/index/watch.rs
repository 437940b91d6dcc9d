//! The watches that fill the index: pruned on arrival, restarted with back-off, uniform over one or several namespaces.
//!
//! A relist is turned into changes and deletions against what is known, so that nothing downstream sees it as special.

use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, TryStreamExt, stream::SelectAll};
use kube::{
    Api, Client, Resource,
    core::NamespaceResourceScope,
    runtime::{
        WatchStreamExt,
        reflector::{ObjectRef, store::Writer},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use videocloud_crds::{TranscodeJob, TranscodeProfile, VideoObject};

use super::{Index, Named, WatchedJob};
use crate::{config::Settings, jobs::labels};

/// kubectl's record of what was applied: as large as the object, and of no use here.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What fills the stores of an index. Consumed by [`follow_cluster`].
#[derive(Debug)]
pub struct Feeds {
    videos: Writer<VideoObject>,
    transcodes: Writer<TranscodeJob>,
    profiles: Writer<TranscodeProfile>,
}

impl Feeds {
    pub(super) const fn new(
        videos: Writer<VideoObject>,
        transcodes: Writer<TranscodeJob>,
        profiles: Writer<TranscodeProfile>,
    ) -> Self {
        Self { videos, transcodes, profiles }
    }
}

/// What a watch says, relists resolved.
#[derive(Debug)]
enum Change<K> {
    Applied(K),
    Gone(Named),
}

/// Follows VideoObjects, TranscodeJobs, TranscodeProfiles and Jobs into `index` until `stop`. `ready` turns true once every
/// object has been seen once.
pub async fn follow_cluster(
    index: Arc<Index>,
    feeds: Feeds,
    client: Client,
    settings: &Settings,
    ready: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let Feeds { videos, transcodes, profiles } = feeds;
    let namespaces = &settings.watch_namespaces;
    let (plain, ours) = (config(), config().labels(&format!("{}={}", labels::MANAGED_BY, labels::MANAGER)));
    let jobs: Vec<Api<WatchedJob>> = vec![Api::namespaced(client.clone(), &settings.namespace)];
    let seen = Seen::new(4, ready);
    let follow_videos = feed(videos, |change| match change {
        Change::Applied(video) => index.video_changed(video),
        Change::Gone(name) => index.video_gone(name),
    });
    let follow_transcodes = feed(transcodes, |change| match change {
        Change::Applied(job) => index.transcode_changed(job),
        Change::Gone(name) => index.transcode_gone(name),
    });
    let follow_profiles = feed(profiles, |change| {
        if let Change::Applied(profile) = change {
            index.profile_changed(profile);
        }
    });
    let follow_jobs = |change: Change<WatchedJob>| match change {
        Change::Applied(job) => index.job_changed(&job),
        Change::Gone(name) => index.job_gone(&name.name),
    };
    let all = async {
        tokio::join!(
            follow(scopes(&client, namespaces), &plain, follow_videos, &seen),
            follow(scopes(&client, namespaces), &plain, follow_transcodes, &seen),
            follow(vec![Api::all(client.clone())], &plain, follow_profiles, &seen),
            follow(jobs, &ours, follow_jobs, &seen),
        )
    };
    tokio::select! {
        _ = all => {}
        () = stop.cancelled() => {}
    }
}

fn config() -> watcher::Config {
    watcher::Config::default().streaming_lists()
}

fn scopes<K>(client: &Client, namespaces: &[String]) -> Vec<Api<K>>
where
    K: Resource<Scope = NamespaceResourceScope>,
    K::DynamicType: Default,
{
    if namespaces.is_empty() {
        vec![Api::all(client.clone())]
    } else {
        namespaces.iter().map(|namespace| Api::namespaced(client.clone(), namespace)).collect()
    }
}

/// Counts kinds that have been listed once.
struct Seen {
    missing: Mutex<usize>,
    ready: watch::Sender<bool>,
}

impl Seen {
    const fn new(kinds: usize, ready: watch::Sender<bool>) -> Self {
        Self { missing: Mutex::new(kinds), ready }
    }

    fn one(&self) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        *missing = missing.saturating_sub(1);
        if *missing == 0 {
            self.ready.send_replace(true);
        }
    }
}

/// A sink that keeps a store and tells `tell` of each change after the store has it.
fn feed<K>(mut writer: Writer<K>, tell: impl Fn(&Change<K>)) -> impl FnMut(Change<K>)
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    writer.apply_watcher_event(&watcher::Event::Init);
    writer.apply_watcher_event(&watcher::Event::InitDone);
    let reader = writer.as_reader();
    move |change| {
        match &change {
            Change::Applied(object) => writer.apply_watcher_event(&watcher::Event::Apply(object.clone())),
            Change::Gone(name) => {
                let reference: ObjectRef<K> = name.reference();
                if let Some(object) = reader.get(&reference) {
                    writer.apply_watcher_event(&watcher::Event::Delete(K::clone(&object)));
                }
            }
        }
        tell(&change);
    }
}

/// Follows one kind over its scopes for ever.
async fn follow<K>(scopes: Vec<Api<K>>, config: &watcher::Config, mut sink: impl FnMut(Change<K>), seen: &Seen)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut known: Vec<HashSet<Named>> = scopes.iter().map(|_| HashSet::new()).collect();
    let mut listing: HashMap<usize, HashSet<Named>> = HashMap::new();
    let mut unlisted: HashSet<usize> = (0..scopes.len()).collect();
    let streams = scopes
        .into_iter()
        .enumerate()
        .map(|(scope, api)| watcher(api, config.clone()).default_backoff().map_ok(move |event| (scope, event)).boxed());
    let mut events: SelectAll<_> = streams.collect();
    while let Some(event) = events.next().await {
        let (scope, event) = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), %error, "watch broke, starting it again");
                continue;
            }
        };
        match event {
            watcher::Event::Init => {
                listing.insert(scope, HashSet::new());
            }
            watcher::Event::InitApply(mut object) => {
                let name = Named::of(&object);
                known[scope].insert(name.clone());
                listing.entry(scope).or_default().insert(name);
                prune(&mut object);
                sink(Change::Applied(object));
            }
            watcher::Event::InitDone => {
                let listed = listing.remove(&scope).unwrap_or_default();
                let gone: Vec<Named> = known[scope].difference(&listed).cloned().collect();
                for name in gone {
                    known[scope].remove(&name);
                    sink(Change::Gone(name));
                }
                if unlisted.remove(&scope) && unlisted.is_empty() {
                    seen.one();
                }
            }
            watcher::Event::Apply(mut object) => {
                known[scope].insert(Named::of(&object));
                prune(&mut object);
                sink(Change::Applied(object));
            }
            watcher::Event::Delete(object) => {
                let name = Named::of(&object);
                known[scope].remove(&name);
                sink(Change::Gone(name));
            }
        }
    }
}

/// Drops what nobody reads: most of an object's size.
fn prune<K: Resource>(object: &mut K) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    meta.self_link = None;
    if let Some(annotations) = meta.annotations.as_mut() {
        annotations.remove(LAST_APPLIED);
        if annotations.is_empty() {
            meta.annotations = None;
        }
    }
}
