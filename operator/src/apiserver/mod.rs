//! Every call to the API server: with a time limit, counted by verb, kind and outcome. Watches are in the index.
//!
//! Rights this operator needs, all that it uses: tenants' namespaces: `list, watch` videoobjects; `list, watch, create, patch,
//! delete` transcodejobs; `patch` videoobjects/status and transcodejobs/status; `create` events (events.k8s.io). The cluster:
//! `list, watch` transcodeprofiles, bandwidthpools, uploadclusters and namespaces; `patch` bandwidthpools/status and
//! uploadclusters/status; in the namespace `default`, where events of such objects go, `create` events. The system namespace: `get, list, watch, create, patch, delete` jobs (batch); `create, patch`
//! secrets; `get, create, update` leases (coordination.k8s.io). Tenants' namespaces that opt in: `get` secrets and configmaps.

use std::{fmt::Debug, future::Future, time::Duration};

use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope, api::batch::v1::Job};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use videocloud_crds::TranscodeJob;

use crate::{
    index::Named,
    jobs::labels,
    metrics::{CallOutcome, Metrics, Verb},
};

/// Longest a call may take, its retries included.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The API server refused, or could not be reached.
    #[error("failed to {verb} {kind} {name}: {source}")]
    Call {
        /// What was tried.
        verb: &'static str,
        /// On which kind.
        kind: String,
        /// On which object.
        name: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// It took longer than the time limit.
    #[error("failed to {verb} {kind} {name}: no answer within {} s", TIMEOUT.as_secs())]
    Timeout {
        /// What was tried.
        verb: &'static str,
        /// On which kind.
        kind: String,
        /// On which object.
        name: String,
    },
}

impl ApiError {
    /// The HTTP status of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Call { source, .. } => match &**source {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Self::Timeout { .. } => None,
        }
    }
}

/// What came of making an object whose name is derived.
#[derive(Debug)]
pub enum Created<K> {
    /// It was made.
    New(K),
    /// One of that name is there: made by an earlier pass, or by another leader.
    Exists,
}

/// The API server as passes use it.
#[derive(Clone)]
pub struct ApiServer {
    client: Client,
    metrics: Metrics,
}

impl Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiServer(..)")
    }
}

impl ApiServer {
    /// Calls through `client`, counted in `metrics`.
    #[must_use]
    pub const fn new(client: Client, metrics: Metrics) -> Self {
        Self { client, metrics }
    }

    async fn call<T>(
        &self,
        verb: Verb,
        kind: &str,
        name: &str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, ApiError> {
        let (word, kind, name) = (verb.as_str(), kind.to_owned(), name.to_owned());
        let result = tokio::time::timeout(TIMEOUT, call).await;
        let outcome = match &result {
            Ok(Ok(_)) => CallOutcome::Done,
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => CallOutcome::Conflict,
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => CallOutcome::Missing,
            Ok(Err(_)) => CallOutcome::Failed,
            Err(_) => CallOutcome::Timeout,
        };
        self.metrics.api_call(verb, &kind, outcome);
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(source)) => Err(ApiError::Call { verb: word, kind, name, source: Box::new(source) }),
            Err(_) => Err(ApiError::Timeout { verb: word, kind, name }),
        }
    }

    fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Makes an object whose name is derived, so that making it twice is harmless.
    ///
    /// # Errors
    /// [`ApiError`], a conflict aside.
    pub async fn create<K>(&self, namespace: &str, object: &K) -> Result<Created<K>, ApiError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let name = object.meta().name.clone().unwrap_or_default();
        let api: Api<K> = self.api(namespace);
        let parameters = PostParams::default();
        match self.call(Verb::Create, &K::kind(&()), &name, api.create(&parameters, object)).await {
            Ok(object) => Ok(Created::New(object)),
            Err(error) if error.code() == Some(409) => Ok(Created::Exists),
            Err(error) => Err(error),
        }
    }

    /// Writes a status by server-side apply. The uid guards against writing to another object of the same name.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn apply_status<K, S>(&self, object: &K, manager: &str, status: &S) -> Result<(), ApiError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
        S: Serialize + Sync,
    {
        let name = Named::of(object);
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": { "name": &*name.name, "namespace": &*name.namespace, "uid": object.meta().uid },
            "status": status,
        });
        let api: Api<K> = self.api(&name.namespace);
        let parameters = PatchParams::apply(manager).force();
        let patch = Patch::Apply(&body);
        self.call(Verb::ApplyStatus, &K::kind(&()), &name.name, api.patch_status(&name.name, &parameters, &patch))
            .await
            .map(drop)
    }

    /// Writes the status of a cluster-scoped object by server-side apply, over the version named or not at all; without one, over
    /// any. Returns the version it made.
    ///
    /// # Errors
    /// [`ApiError`], a conflict when the object is of another version by now.
    pub async fn commit_status<K, S>(
        &self,
        object: &K,
        manager: &str,
        version: Option<&str>,
        status: &S,
    ) -> Result<Option<String>, ApiError>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
        S: Serialize + Sync,
    {
        let name = object.meta().name.clone().unwrap_or_default();
        let mut metadata = json!({ "name": name, "uid": object.meta().uid });
        if let Some(version) = version {
            metadata["resourceVersion"] = version.into();
        }
        let body = json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": metadata, "status": status,
        });
        let api: Api<K> = Api::all(self.client.clone());
        let parameters = PatchParams::apply(manager).force();
        let patch = Patch::Apply(&body);
        let written =
            self.call(Verb::ApplyStatus, &K::kind(&()), &name, api.patch_status(&name, &parameters, &patch)).await?;
        Ok(written.meta().resource_version.clone())
    }

    /// Sets one annotation.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn annotate<K>(&self, name: &Named, annotation: &str, value: Option<&str>) -> Result<(), ApiError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { annotation: value } } }));
        let api: Api<K> = self.api(&name.namespace);
        let parameters = PatchParams::default();
        self.call(Verb::Patch, &K::kind(&()), &name.name, api.patch(&name.name, &parameters, &patch)).await.map(drop)
    }

    /// Holds a Job back, or lets it go.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn suspend_job(&self, namespace: &str, name: &str, suspend: bool) -> Result<(), ApiError> {
        let patch = Patch::Merge(json!({ "spec": { "suspend": suspend } }));
        let api: Api<Job> = self.api(namespace);
        let parameters = PatchParams::default();
        self.call(Verb::Patch, "Job", name, api.patch(name, &parameters, &patch)).await.map(drop)
    }

    /// Stops a TranscodeJob, or lets it go on.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn suspend_transcode(&self, name: &Named, suspend: bool) -> Result<(), ApiError> {
        let patch = Patch::Merge(json!({ "spec": { "suspend": suspend } }));
        let api: Api<TranscodeJob> = self.api(&name.namespace);
        let parameters = PatchParams::default();
        self.call(Verb::Patch, "TranscodeJob", &name.name, api.patch(&name.name, &parameters, &patch)).await.map(drop)
    }

    /// Deletes this very object, its dependents first: the name is free only when the last pod is gone. One that is gone
    /// already, or another of the same name, is left alone.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn delete<K>(&self, namespace: &str, name: &str, uid: &str) -> Result<(), ApiError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = self.api(namespace);
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let parameters = DeleteParams::foreground().preconditions(preconditions);
        match self.call(Verb::Delete, &K::kind(&()), name, api.delete(name, &parameters)).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.code(), Some(404 | 409)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads an object, if it is there.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn read<K>(&self, namespace: &str, name: &str) -> Result<Option<K>, ApiError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = self.api(namespace);
        self.call(Verb::Get, &K::kind(&()), name, api.get_opt(name)).await
    }

    /// Makes an object be as it is given, whether it is there or not.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn apply<K>(&self, namespace: &str, object: &K) -> Result<(), ApiError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let name = object.meta().name.clone().unwrap_or_default();
        let api: Api<K> = self.api(namespace);
        let parameters = PatchParams::apply(labels::MANAGER).force();
        self.call(Verb::Patch, &K::kind(&()), &name, api.patch(&name, &parameters, &Patch::Apply(object)))
            .await
            .map(drop)
    }
}
