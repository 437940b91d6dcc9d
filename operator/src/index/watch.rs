//! The watches that fill the index: pruned on arrival, restarted with back-off, uniform over one or several namespaces.
//!
//! A relist is turned into changes and deletions against what is known, so that nothing downstream sees it as special.

use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, TryStreamExt, stream::SelectAll};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Resource,
    core::NamespaceResourceScope,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use videocloud_crds::{BandwidthPool, TranscodeProfile, UploadCluster};

use super::{Index, Named, WatchedJob};
use crate::{config::Settings, jobs::labels};

/// What a watch says, relists resolved.
#[derive(Debug)]
enum Change<K> {
    Applied(K),
    Gone(Named),
}

/// Follows VideoObjects, TranscodeJobs, TranscodeProfiles, BandwidthPools, UploadClusters, Namespaces and Jobs into `index` until
/// `stop`. `ready` turns true once every object has been seen once.
pub async fn follow_cluster(
    index: Arc<Index>,
    client: Client,
    settings: &Settings,
    ready: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let namespaces = &settings.watch_namespaces;
    let (plain, ours) = (config(), config().labels(&format!("{}={}", labels::MANAGED_BY, labels::MANAGER)));
    let seen = Seen::new(7, ready);
    let videos = Sink {
        tell: |change| match change {
            Change::Applied(mut video) => {
                let name = index.videos.put(&mut video);
                index.video_changed(&name, &video);
            }
            Change::Gone(name) => {
                index.videos.remove(&name);
                index.video_gone(&name);
            }
        },
        known: |namespace: Option<&str>| index.videos.names(namespace),
    };
    let transcodes = Sink {
        tell: |change| match change {
            Change::Applied(mut job) => {
                let name = index.transcodes.put(&mut job);
                index.transcode_changed(&name, &job);
            }
            Change::Gone(name) => {
                index.transcodes.remove(&name);
                index.transcode_gone(&name);
            }
        },
        known: |namespace: Option<&str>| index.transcodes.names(namespace),
    };
    let profiles = Sink {
        tell: |change: Change<TranscodeProfile>| match change {
            Change::Applied(mut profile) => {
                let name = index.profiles.put(&mut profile);
                index.profile_changed(&name.name);
            }
            Change::Gone(name) => index.profiles.remove(&name),
        },
        known: |namespace: Option<&str>| index.profiles.names(namespace),
    };
    let is_ours = |pool: Option<&str>| {
        let named = &settings.control.pools;
        named.is_empty() || named.iter().any(|name| Some(name.as_str()) == pool)
    };
    let pools = Sink {
        tell: |change: Change<BandwidthPool>| match change {
            Change::Applied(pool) if !is_ours(pool.metadata.name.as_deref()) => {}
            Change::Applied(mut pool) => {
                let name = index.pools.put(&mut pool);
                index.pool_changed(&name, &pool);
            }
            Change::Gone(name) if !is_ours(Some(&*name.name)) => {}
            Change::Gone(name) => {
                index.pools.remove(&name);
                index.pool_gone(&name);
            }
        },
        known: |namespace: Option<&str>| index.pools.names(namespace),
    };
    let clusters = Sink {
        tell: |change: Change<UploadCluster>| match change {
            Change::Applied(mut cluster) => {
                let name = index.clusters.put(&mut cluster);
                index.cluster_changed(&name, &cluster);
            }
            Change::Gone(name) => {
                index.clusters.remove(&name);
                index.cluster_gone();
            }
        },
        known: |namespace: Option<&str>| index.clusters.names(namespace),
    };
    let labelled = Sink {
        tell: |change: Change<Namespace>| match change {
            Change::Applied(namespace) => index.namespace_changed(&Named::of(&namespace), &namespace),
            Change::Gone(name) => index.namespace_gone(&name),
        },
        known: |_: Option<&str>| index.state().namespaces.keys().map(|name| Named::new("", name)).collect(),
    };
    let jobs = Sink {
        tell: |change: Change<WatchedJob>| match change {
            Change::Applied(job) => index.job_changed(&job),
            Change::Gone(name) => index.job_gone(&name.name),
        },
        known: |namespace: Option<&str>| {
            let namespace = namespace.unwrap_or_default();
            index.state().jobs.iter().map(|(name, _)| Named::new(namespace, name)).collect()
        },
    };
    let system: Scope<WatchedJob> =
        (Some(settings.namespace.clone()), Api::namespaced(client.clone(), &settings.namespace));
    let all = async {
        tokio::join!(
            follow(scopes(&client, namespaces), &plain, videos, &seen),
            follow(scopes(&client, namespaces), &plain, transcodes, &seen),
            follow(vec![(None, Api::all(client.clone()))], &plain, profiles, &seen),
            follow(vec![(None, Api::all(client.clone()))], &plain, pools, &seen),
            follow(vec![(None, Api::all(client.clone()))], &plain, clusters, &seen),
            follow(vec![(None, Api::all(client.clone()))], &plain, labelled, &seen),
            follow(vec![system], &ours, jobs, &seen),
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

/// A namespace, or all of them, and how it is watched.
type Scope<K> = (Option<String>, Api<K>);

fn scopes<K>(client: &Client, namespaces: &[String]) -> Vec<Scope<K>>
where
    K: Resource<Scope = NamespaceResourceScope>,
    K::DynamicType: Default,
{
    if namespaces.is_empty() {
        vec![(None, Api::all(client.clone()))]
    } else {
        let one = |namespace: &String| (Some(namespace.clone()), Api::namespaced(client.clone(), namespace));
        namespaces.iter().map(one).collect()
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

/// Where changes go, and what is known there of a scope.
struct Sink<T, N> {
    tell: T,
    known: N,
}

/// Follows one kind over its scopes for ever.
async fn follow<K>(
    scopes: Vec<Scope<K>>,
    config: &watcher::Config,
    mut sink: Sink<impl FnMut(Change<K>), impl Fn(Option<&str>) -> Vec<Named>>,
    seen: &Seen,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut listing: HashMap<usize, HashSet<Named>> = HashMap::new();
    let mut unlisted: HashSet<usize> = (0..scopes.len()).collect();
    let (namespaces, apis): (Vec<Option<String>>, Vec<Api<K>>) = scopes.into_iter().unzip();
    let streams = apis
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
            watcher::Event::InitApply(object) => {
                listing.entry(scope).or_default().insert(Named::of(&object));
                (sink.tell)(Change::Applied(object));
            }
            watcher::Event::InitDone => {
                let listed = listing.remove(&scope).unwrap_or_default();
                let known = (sink.known)(namespaces[scope].as_deref());
                for name in known.into_iter().filter(|name| !listed.contains(name)) {
                    (sink.tell)(Change::Gone(name));
                }
                if unlisted.remove(&scope) && unlisted.is_empty() {
                    seen.one();
                }
            }
            watcher::Event::Apply(object) => (sink.tell)(Change::Applied(object)),
            watcher::Event::Delete(object) => (sink.tell)(Change::Gone(Named::of(&object))),
        }
    }
}
