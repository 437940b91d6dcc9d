//! Reading and writing objects the way `kubectl apply` and `kubectl get` do.

use std::{path::Path, time::Duration};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Event;
use kube::{
    Api, Client, Config, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::DynamicObject,
    discovery::{Discovery, Scope},
    runtime::{WatchStreamExt, watcher},
};
use videocloud_crds::VideoObject;

/// A step against the API server failed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The kubeconfig is not usable.
    #[error("failed to use kubeconfig {path}: {source}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A request failed.
    #[error("failed to {what}: {source}")]
    Request {
        /// What was asked.
        what: String,
        /// Why.
        source: kube::Error,
    },
    /// YAML that is no object, or of a kind the server does not have.
    #[error("failed to apply an object: {0}")]
    Manifest(String),
    /// The watch ended.
    #[error("failed to watch {0}: the watch ended")]
    WatchEnded(String),
    /// It did not come to be in time.
    #[error("failed to see {what} within {limit:?}; last seen: {last}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// What was seen last.
        last: String,
    },
}

/// A cluster's objects.
#[derive(Clone)]
pub struct Objects {
    client: Client,
}

impl Objects {
    /// Reaches the cluster of a kubeconfig file.
    ///
    /// # Errors
    /// [`ObjectError::Kubeconfig`].
    pub async fn open(kubeconfig: &Path) -> Result<Self, ObjectError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| ObjectError::Kubeconfig {
            path: kubeconfig.display().to_string(),
            source,
        };
        let file = Kubeconfig::read_from(kubeconfig).map_err(|e| failed(e.into()))?;
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(file, &options).await.map_err(|e| failed(e.into()))?;
        Ok(Self { client: Client::try_from(config).map_err(|e| failed(e.into()))? })
    }

    /// The client, for what is not here.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The videos of a namespace.
    #[must_use]
    pub fn videos(&self, namespace: &str) -> Api<VideoObject> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Applies every object of a YAML text, as `kubectl apply --server-side` does. Objects without a namespace go to `namespace`.
    ///
    /// # Errors
    /// [`ObjectError`]; a refusal carries the API server's words.
    pub async fn apply(&self, yaml: &str, namespace: &str) -> Result<(), ObjectError> {
        let request = |what: String| move |source| ObjectError::Request { what, source };
        let discovery = Discovery::new(self.client.clone())
            .run()
            .await
            .map_err(request("ask the API server for its kinds".into()))?;
        for document in serde_yaml_ng::Deserializer::from_str(yaml) {
            let object: Option<DynamicObject> =
                serde::Deserialize::deserialize(document).map_err(|e| ObjectError::Manifest(e.to_string()))?;
            let Some(object) = object else { continue };
            let kind = object.types.clone().unwrap_or_default();
            let gvk =
                kube::core::GroupVersionKind::try_from(&kind).map_err(|e| ObjectError::Manifest(e.to_string()))?;
            let (resource, capabilities) = discovery
                .resolve_gvk(&gvk)
                .ok_or_else(|| ObjectError::Manifest(format!("the server has no kind {}", kind.kind)))?;
            let name = object.name_any();
            let api: Api<DynamicObject> = match capabilities.scope {
                Scope::Cluster => Api::all_with(self.client.clone(), &resource),
                Scope::Namespaced => {
                    let namespace = object.namespace().unwrap_or_else(|| namespace.to_owned());
                    Api::namespaced_with(self.client.clone(), &namespace, &resource)
                }
            };
            let params = PatchParams::apply("videocloud-e2e").force();
            api.patch(&name, &params, &Patch::Apply(&object))
                .await
                .map_err(request(format!("apply {} {name}", kind.kind)))?;
        }
        Ok(())
    }

    /// Every state of a video from now on, until `done` says enough or `limit` passes; the last state is returned.
    ///
    /// # Errors
    /// [`ObjectError::TimedOut`] with the last conditions seen, or a failed watch.
    pub async fn watch_video(
        &self,
        namespace: &str,
        name: &str,
        limit: Duration,
        mut done: impl FnMut(&VideoObject) -> bool,
    ) -> Result<VideoObject, ObjectError> {
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut states = watcher(self.videos(namespace), config).boxed();
        let mut last = None;
        let waiting = async {
            loop {
                // The watcher itself goes on after an error, with back-off from the client.
                let event = match states.try_next().await {
                    Ok(Some(event)) => event,
                    Ok(None) => return Err(ObjectError::WatchEnded(format!("{namespace}/{name}"))),
                    Err(error) => {
                        tracing::debug!(%error, "watch interrupted");
                        tokio::time::sleep(Duration::from_millis(500)).await;
                        continue;
                    }
                };
                if let watcher::Event::Apply(video) | watcher::Event::InitApply(video) = event {
                    if done(&video) {
                        return Ok(video);
                    }
                    last = Some(video);
                }
            }
        };
        match tokio::time::timeout(limit, waiting).await {
            Ok(ended) => ended,
            Err(_) => Err(ObjectError::TimedOut {
                what: format!("VideoObject {namespace}/{name} there"),
                limit,
                last: last.as_ref().map_or_else(|| "nothing".into(), super::follow::summary),
            }),
        }
    }

    /// The events that speak of a video as it is there now, oldest first, as (type, reason, message). Those of an earlier one of
    /// the same name are left out.
    ///
    /// # Errors
    /// [`ObjectError::Request`].
    pub async fn events(&self, namespace: &str, name: &str) -> Result<Vec<(String, String, String)>, ObjectError> {
        let Some(uid) = self.uid(namespace, name).await? else { return Ok(Vec::new()) };
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let params = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
        let what = format!("list events of {namespace}/{name}");
        let mut events = api.list(&params).await.map_err(|source| ObjectError::Request { what, source })?.items;
        events.sort_by_key(|event| event.metadata.creation_timestamp.clone());
        Ok(events
            .into_iter()
            .map(|e| (e.type_.unwrap_or_default(), e.reason.unwrap_or_default(), e.message.unwrap_or_default()))
            .collect())
    }

    /// Waits for an event of this type and reason about a video; events are written after the status they speak of.
    ///
    /// # Errors
    /// None comes within `limit`.
    pub async fn await_event(
        &self,
        namespace: &str,
        name: &str,
        kind: &str,
        reason: &str,
        limit: Duration,
    ) -> Result<(), ObjectError> {
        let uid = self.uid(namespace, name).await?.unwrap_or_default();
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let config = watcher::Config::default().fields(&format!("involvedObject.uid={uid}"));
        let mut changes = watcher(api, config).default_backoff().applied_objects().boxed();
        let mut seen = Vec::new();
        let waiting = async {
            while let Some(change) = changes.next().await {
                let Ok(event) = change else { continue };
                if event.type_.as_deref() == Some(kind) && event.reason.as_deref() == Some(reason) {
                    return true;
                }
                seen.push(event.reason.unwrap_or_default());
            }
            false
        };
        match tokio::time::timeout(limit, waiting).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(ObjectError::WatchEnded(format!("the events of {namespace}/{name}"))),
            Err(_) => {
                let what = format!("a {kind} event {reason} of {namespace}/{name}");
                Err(ObjectError::TimedOut { what, limit, last: format!("events {seen:?}") })
            }
        }
    }

    async fn uid(&self, namespace: &str, name: &str) -> Result<Option<String>, ObjectError> {
        let what = format!("read {namespace}/{name}");
        let video =
            self.videos(namespace).get_opt(name).await.map_err(|source| ObjectError::Request { what, source })?;
        Ok(video.and_then(|video| video.metadata.uid))
    }
}
