//! What a download needs of tenants' Secrets and ConfigMaps: copied into one Secret of the system namespace, owned by the Job and
//! mounted into its pod. Pure: the objects are read at admission.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::{
        batch::v1::Job,
        core::v1::{ConfigMap, KeyToPath, PodTemplateSpec, Secret, SecretVolumeSource, Volume, VolumeMount},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::Resource as _;

use super::labels;

/// Where the copy is mounted: `<folder>/<source>/<file>`.
const FOLDER: &str = "/inputs";
/// Name of a document's file.
const DOCUMENT: &str = "document";
/// Files a credentials Secret may have (see the downloader's `credentials`); other keys are left out.
const CREDENTIALS: [&str; 5] = ["username", "password", "cookie", "headers", "proxy"];
/// Largest document, bytes.
const LARGEST_DOCUMENT: usize = 512 << 10;
/// Largest copy, bytes: what the API server takes for one Secret, with room for the rest of the object.
const LARGEST: usize = 1000 << 10;

/// Where something needed is kept, in the namespace of the video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Keys of a Secret that log a source in.
    Credentials {
        /// Its name.
        secret: String,
    },
    /// A document in a Secret.
    Secret {
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
    /// A document in a ConfigMap.
    ConfigMap {
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
}

/// What one source needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// The source's name.
    pub source: String,
    /// Where it is kept.
    pub origin: Origin,
}

/// What is needed cannot be had: for the owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Files by their path below the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs(BTreeMap<(String, String), Vec<u8>>);

impl Needed {
    /// Whether what it leads to stays private.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        !matches!(self.origin, Origin::ConfigMap { .. })
    }

    /// Folder of the credentials in the pod.
    #[must_use]
    pub fn credentials(&self) -> Option<String> {
        matches!(self.origin, Origin::Credentials { .. }).then(|| format!("{FOLDER}/{}", self.source))
    }

    /// File of the document in the pod.
    #[must_use]
    pub fn document(&self) -> Option<String> {
        (!matches!(self.origin, Origin::Credentials { .. })).then(|| format!("{FOLDER}/{}/{DOCUMENT}", self.source))
    }

    fn unavailable(&self, detail: &str) -> Unavailable {
        Unavailable(format!("Source {}: {detail}.", self.source))
    }

    /// Kind and name of the object, for a sentence.
    #[must_use]
    pub fn object(&self) -> (&'static str, &str) {
        match &self.origin {
            Origin::Credentials { secret: name } | Origin::Secret { name, key: _ } => ("Secret", name),
            Origin::ConfigMap { name, key: _ } => ("ConfigMap", name),
        }
    }

    /// The object is not there.
    #[must_use]
    pub fn missing(&self) -> Unavailable {
        let (kind, name) = self.object();
        self.unavailable(&format!("{kind} {name} does not exist in this namespace"))
    }

    /// The operator may not read the object.
    #[must_use]
    pub fn forbidden(&self) -> Unavailable {
        let (kind, name) = self.object();
        self.unavailable(&format!(
            "the operator may not read {kind} {name}; let it by a RoleBinding of this namespace from its service account to the \
             ClusterRole videocloud-operator-inputs"
        ))
    }
}

impl Inputs {
    /// Adds what a Secret has for `needed`.
    ///
    /// # Errors
    /// A key is missing, or too large.
    pub fn add_secret(&mut self, needed: &Needed, secret: &Secret) -> Result<(), Unavailable> {
        let value = |key: &str| secret.data.as_ref()?.get(key).map(|bytes| bytes.0.clone());
        match &needed.origin {
            Origin::Credentials { secret: name } => {
                let files = CREDENTIALS.iter().filter_map(|file| Some((*file, value(file)?)));
                let files: Vec<(&str, Vec<u8>)> = files.collect();
                if files.iter().all(|(file, _)| *file == "password") {
                    let all = CREDENTIALS.join(", ");
                    return Err(needed.unavailable(&format!("Secret {name} has none of the keys {all}")));
                }
                for (file, bytes) in files {
                    self.put(needed, file, bytes)?;
                }
                Ok(())
            }
            Origin::Secret { key, .. } | Origin::ConfigMap { key, .. } => self.add_document(needed, key, value(key)),
        }
    }

    /// Adds what a ConfigMap has for `needed`.
    ///
    /// # Errors
    /// The key is missing, or too large.
    pub fn add_config_map(&mut self, needed: &Needed, map: &ConfigMap) -> Result<(), Unavailable> {
        let key = match &needed.origin {
            Origin::Credentials { secret: key } | Origin::Secret { key, .. } | Origin::ConfigMap { key, .. } => key,
        };
        let binary = map.binary_data.as_ref().and_then(|all| all.get(key)).map(|bytes| bytes.0.clone());
        let text = || map.data.as_ref()?.get(key).map(|text| text.clone().into_bytes());
        self.add_document(needed, key, binary.or_else(text))
    }

    fn add_document(&mut self, needed: &Needed, key: &str, bytes: Option<Vec<u8>>) -> Result<(), Unavailable> {
        let (kind, name) = needed.object();
        match bytes {
            None => Err(needed.unavailable(&format!("{kind} {name} has no key {key}"))),
            Some(bytes) if bytes.is_empty() => Err(needed.unavailable(&format!("key {key} of {kind} {name} is empty"))),
            Some(bytes) if bytes.len() > LARGEST_DOCUMENT => {
                Err(needed.unavailable(&format!("key {key} of {kind} {name} is larger than 512 KiB")))
            }
            Some(bytes) => self.put(needed, DOCUMENT, bytes),
        }
    }

    fn put(&mut self, needed: &Needed, file: &str, bytes: Vec<u8>) -> Result<(), Unavailable> {
        let held: usize = self.0.values().map(Vec::len).sum();
        if held + bytes.len() > LARGEST {
            return Err(
                needed.unavailable("all documents and credentials of a video together are larger than 1000 KiB")
            );
        }
        self.0.insert((needed.source.clone(), file.to_owned()), bytes);
        Ok(())
    }

    /// The copy for the Job `name` of the namespace `system`: it goes with that very Job.
    #[must_use]
    pub fn secret(self, name: &str, system: &str, uid: &str) -> Secret {
        let owner = OwnerReference {
            api_version: Job::api_version(&()).into_owned(),
            kind: Job::kind(&()).into_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            controller: Some(true),
            block_owner_deletion: Some(false),
        };
        let data = self.0.into_iter().map(|((source, file), bytes)| (key_of(&source, &file), ByteString(bytes)));
        Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(system.to_owned()),
                labels: Some([(labels::MANAGED_BY.to_owned(), labels::MANAGER.to_owned())].into()),
                owner_references: Some(vec![owner]),
                ..ObjectMeta::default()
            },
            data: Some(data.collect()),
            ..Secret::default()
        }
    }

    /// Mounts the copy named `secret` into a pod.
    pub(super) fn mount(&self, secret: &str, template: &mut PodTemplateSpec) {
        let Some(pod) = template.spec.as_mut().filter(|_| !self.0.is_empty()) else { return };
        let item = |(source, file): &(String, String)| KeyToPath {
            key: key_of(source, file),
            path: format!("{source}/{file}"),
            mode: None,
        };
        pod.volumes.get_or_insert_default().push(Volume {
            name: "inputs".into(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret.to_owned()),
                items: Some(self.0.keys().map(item).collect()),
                default_mode: Some(0o440),
                optional: Some(false),
            }),
            ..Volume::default()
        });
        for container in &mut pod.containers {
            container.volume_mounts.get_or_insert_default().push(VolumeMount {
                name: "inputs".into(),
                mount_path: FOLDER.into(),
                read_only: Some(true),
                ..VolumeMount::default()
            });
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A source's name has no dot, so that this is unambiguous.
fn key_of(source: &str, file: &str) -> String {
    format!("{source}.{file}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(data: serde_json::Value) -> Secret {
        serde_json::from_value(json!({ "metadata": { "name": "s" }, "stringData": {}, "data": data })).unwrap()
    }

    fn needed(origin: Origin) -> Needed {
        Needed { source: "web".into(), origin }
    }

    #[test]
    fn credentials_are_copied_by_name_and_nothing_else_is() {
        let one = needed(Origin::Credentials { secret: "s".into() });
        let mut inputs = Inputs::default();
        // "a", "b" and "c" in Base64.
        inputs.add_secret(&one, &secret(json!({ "username": "YQ==", "password": "Yg==", "other": "Yw==" }))).unwrap();
        let copy = inputs.secret("dl-1", "system", "uid");
        let keys: Vec<String> = copy.data.unwrap().into_keys().collect();
        assert_eq!(keys, ["web.password", "web.username"]);
        assert_eq!(copy.metadata.owner_references.unwrap()[0].uid, "uid");
        let refused = Inputs::default().add_secret(&one, &secret(json!({ "token": "YQ==" }))).unwrap_err();
        assert!(refused.0.contains("none of the keys"), "{refused}");
    }

    #[test]
    fn documents_come_from_either_half_of_a_config_map_and_are_bounded() {
        let one = needed(Origin::ConfigMap { name: "c".into(), key: "a.torrent".into() });
        let map = |value: serde_json::Value| serde_json::from_value::<ConfigMap>(value).unwrap();
        for good in [json!({ "data": { "a.torrent": "d" } }), json!({ "binaryData": { "a.torrent": "ZA==" } })] {
            let mut inputs = Inputs::default();
            inputs.add_config_map(&one, &map(good)).unwrap();
            assert_eq!(inputs.0[&("web".to_owned(), "document".to_owned())], b"d");
        }
        let large = "x".repeat(LARGEST_DOCUMENT + 1);
        for bad in [json!({}), json!({ "data": { "a.torrent": "" } }), json!({ "data": { "a.torrent": large } })] {
            assert!(Inputs::default().add_config_map(&one, &map(bad)).is_err());
        }
    }
}
