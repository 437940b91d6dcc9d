//! Objects at rest: each is kept as the text of what is read of it, packed, and parsed when a pass looks at it. A parsed object is
//! many small allocations and several times as large, and most objects are looked at once in their life.
//!
//! Objects of a kind look alike, so they are packed (LZ4) against samples of their kind: what is kept is what differs.

use std::{
    collections::{HashMap, HashSet},
    marker::PhantomData,
    sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use serde::{Serialize, de::DeserializeOwned};
use videocloud_crds::{TranscodeJob, VideoObject};

use super::Named;

/// Annotations that are read begin so.
const OUR_ANNOTATIONS: &str = "videocloud.dev/";

/// Samples in the order of fields in which objects are written.
static SAMPLES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let again = |line: &str| {
        let video = serde_json::from_str::<VideoObject>(line).ok().and_then(|object| serde_json::to_vec(&object).ok());
        let job =
            || serde_json::from_str::<TranscodeJob>(line).ok().and_then(|object| serde_json::to_vec(&object).ok());
        video.or_else(job).unwrap_or_default()
    };
    include_str!("dictionary.jsonl").lines().flat_map(again).collect()
});

/// An object's text cannot be had back.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("failed to unpack: {0}")]
    Packing(#[from] lz4_flex::block::DecompressError),
    #[error("failed to parse: {0}")]
    Text(#[from] serde_json::Error),
}

fn unpack<K: DeserializeOwned>(packed: &[u8]) -> Result<K, Unreadable> {
    Ok(serde_json::from_slice(&decompress_size_prepended_with_dict(packed, &SAMPLES)?)?)
}

/// Objects of one kind by name.
#[derive(Debug)]
pub struct Cache<K> {
    kept: RwLock<Kept>,
    kind: PhantomData<fn() -> K>,
}

#[derive(Debug, Default)]
struct Kept {
    texts: HashMap<Named, Box<[u8]>>,
    namespaces: HashSet<Arc<str>>,
}

impl Kept {
    /// `name` as it is kept, sharing its namespace with others.
    fn share(&mut self, name: Named) -> Named {
        if let Some((kept, _)) = self.texts.get_key_value(&name) {
            return kept.clone();
        }
        match self.namespaces.get(&name.namespace) {
            Some(namespace) => Named { namespace: Arc::clone(namespace), ..name },
            None => {
                self.namespaces.insert(Arc::clone(&name.namespace));
                name
            }
        }
    }
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self { kept: RwLock::default(), kind: PhantomData }
    }
}

impl<K> Cache<K> {
    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().texts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().texts.is_empty()
    }

    /// Names of every object, or of those in `namespace`.
    #[must_use]
    pub fn names(&self, namespace: Option<&str>) -> Vec<Named> {
        let kept = self.read();
        let within = |name: &&Named| namespace.is_none_or(|namespace| *name.namespace == *namespace);
        kept.texts.keys().filter(within).cloned().collect()
    }

    /// Bytes of all texts, packed.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.read().texts.values().map(|text| text.len()).sum()
    }

    pub(super) fn remove(&self, name: &Named) {
        self.write().texts.remove(name);
    }
}

impl<K: Resource + Serialize + DeserializeOwned> Cache<K> {
    /// Keeps `object` and prunes it, and returns its name as the cache has it: shared, so that others keep no copy of their own.
    pub(super) fn put(&self, object: &mut K) -> Named {
        let name = Named::of(object);
        let (own, namespace) = prune(object.meta_mut());
        let text = serde_json::to_vec(object);
        let meta = object.meta_mut();
        (meta.name, meta.namespace) = (own, namespace);
        let text = match text {
            Ok(text) => compress_prepend_size_with_dict(&text, &SAMPLES).into_boxed_slice(),
            // What was just parsed can be written; without a text the object would only be looked at again.
            Err(error) => {
                tracing::error!(kind = K::kind_word(), %name, %error, "failed to keep an object");
                return name;
            }
        };
        let mut kept = self.write();
        let name = kept.share(name);
        kept.texts.insert(name.clone(), text);
        name
    }

    /// The object, if it is there.
    #[must_use]
    pub fn get(&self, name: &Named) -> Option<Arc<K>> {
        let kept = self.read();
        let parsed = unpack::<K>(kept.texts.get(name)?);
        drop(kept);
        match parsed {
            Ok(mut object) => {
                let meta = object.meta_mut();
                meta.name = Some(name.name.to_string());
                meta.namespace = (!name.namespace.is_empty()).then(|| name.namespace.to_string());
                Some(Arc::new(object))
            }
            Err(error) => {
                tracing::error!(kind = K::kind_word(), %name, %error, "failed to read a kept object");
                None
            }
        }
    }
}

/// The kind as a word for logs.
trait KindWord {
    fn kind_word() -> &'static str;
}

impl<K> KindWord for K {
    fn kind_word() -> &'static str {
        let path = std::any::type_name::<K>();
        path.rsplit("::").next().unwrap_or(path)
    }
}

/// Drops what nobody reads, and takes out the names: they are the key.
fn prune(meta: &mut ObjectMeta) -> (Option<String>, Option<String>) {
    let taken = std::mem::take(meta);
    let annotations = taken.annotations.map(|mut all| {
        all.retain(|name, _| name.starts_with(OUR_ANNOTATIONS));
        all
    });
    *meta = ObjectMeta {
        uid: taken.uid,
        resource_version: taken.resource_version,
        generation: taken.generation,
        creation_timestamp: taken.creation_timestamp,
        deletion_timestamp: taken.deletion_timestamp,
        owner_references: taken.owner_references,
        annotations: annotations.filter(|all| !all.is_empty()),
        ..ObjectMeta::default()
    };
    (taken.name, taken.namespace)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;
    use videocloud_crds::VideoObject;

    use super::*;

    fn video(annotations: serde_json::Value) -> VideoObject {
        serde_json::from_value(json!({
            "metadata": {
                "name": "a", "namespace": "team", "uid": "1", "generation": 3, "resourceVersion": "7",
                "labels": { "app": "x" }, "annotations": annotations,
                "managedFields": [{ "manager": "kubectl", "operation": "Apply" }],
            },
            "spec": { "sources": [{ "name": "web", "url": "http://h/a.mp4" }] },
        }))
        .unwrap()
    }

    #[test]
    fn what_is_read_comes_back_and_the_rest_is_dropped() {
        let cache = Cache::default();
        let mut object = video(json!({ "videocloud.dev/retry": "1", "kubectl.kubernetes.io/last": "{}" }));
        let name = cache.put(&mut object);
        assert_eq!(Named::of(&object), name, "it is pruned, and has its names");
        let kept = cache.get(&name).unwrap();
        assert_eq!(Named::of(&*kept), name);
        assert_eq!(kept.spec, video(json!({})).spec);
        assert_eq!((kept.metadata.generation, kept.metadata.resource_version.as_deref()), (Some(3), Some("7")));
        assert_eq!(kept.metadata.annotations.as_ref().unwrap().len(), 1);
        assert!(kept.metadata.labels.is_none() && kept.metadata.managed_fields.is_none());
        cache.remove(&name);
        assert!(cache.get(&name).is_none() && cache.is_empty());
    }

    #[test]
    fn samples_are_of_the_kinds_and_what_is_like_them_is_small() {
        assert_eq!(include_str!("dictionary.jsonl").lines().count(), 3);
        let cache = Cache::default();
        for line in include_str!("dictionary.jsonl").lines().take(2) {
            let mut object: VideoObject = serde_json::from_str(line).unwrap();
            object.metadata.name = Some("a".into());
            object.metadata.uid = Some("another".into());
            let spec = object.spec.clone();
            let name = cache.put(&mut object);
            assert_eq!(cache.get(&name).unwrap().spec, spec);
            assert!(cache.bytes() < 400, "{} bytes", cache.bytes());
        }
    }

    #[test]
    fn names_are_shared_and_found_by_namespace() {
        let cache = Cache::default();
        let first = cache.put(&mut video(json!({})));
        let second = cache.put(&mut video(json!({})));
        assert!(Arc::ptr_eq(&first.name, &second.name));
        assert_eq!(cache.names(Some("team")), [first]);
        assert_eq!(cache.names(Some("other")), []);
        assert_eq!(cache.names(None).len(), 1);
    }
}
