//! The download a spec asks for: sources as workers take them, and the key under which everybody who asks for the same meets.
//!
//! Pure. What sources need of tenants' Secrets and ConfigMaps is named here and read at admission.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use videocloud_crds::{
    VideoObject, conditions,
    videoobject::{Document, Source},
};
use videocloud_protocol::{
    content::Visibility,
    failure::reason,
    ids::ClaimKey,
    link::{Link, Scheme},
    task::SourceSpec,
    tracker::Wanted,
};

use crate::jobs::{Needed, Origin};

/// Why a spec cannot be carried out: becomes the Ready and Stalled conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// One CamelCase word.
    pub reason: &'static str,
    /// For the owner: what is wrong and what to do.
    pub message: String,
}

impl Invalid {
    fn spec(message: String) -> Self {
        Self { reason: conditions::shared::INVALID_SPEC, message }
    }
}

/// The download a spec asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The claim key: the same for the same wish, whoever has it.
    pub key: ClaimKey,
    /// What is claimed.
    pub wanted: Wanted,
    /// Where to fetch from.
    pub sources: Vec<SourceSpec>,
    /// What sources need of the owner's Secrets and ConfigMaps.
    pub needed: Vec<Needed>,
    /// Whether it is watched while it is fetched.
    pub while_downloading: bool,
    /// Seconds without progress before giving up.
    pub progress_deadline_seconds: u64,
}

impl Wish {
    /// Reads what `video` asks for.
    ///
    /// # Errors
    /// [`Invalid`] when no source can be used or a field cannot be read.
    pub fn read(video: &VideoObject) -> Result<Self, Invalid> {
        let spec = &video.spec;
        let mut sources = Vec::with_capacity(spec.sources.len());
        let mut needed = Vec::new();
        for source in &spec.sources {
            let (read, needs) = read_source(source)?;
            sources.push(read);
            needed.extend(needs);
        }
        // An ed2k link is a hash: its network is not used.
        if sources.iter().all(|source| source.link.scheme() == Scheme::Ed2k) {
            return Err(Invalid {
                reason: reason::UNSUPPORTED_SOURCE,
                message:
                    "An ed2k link tells what the content is, and no source tells where it is. Add an http, https, ftp, \
                          ftps or magnet link."
                        .into(),
            });
        }
        let digest = match &spec.digest {
            Some(text) => Some(text.as_str().parse().map_err(|error| Invalid::spec(format!("spec.digest: {error}")))?),
            None => None,
        };
        let private = needed.iter().any(Needed::is_secret);
        let namespace = video.metadata.namespace.clone().unwrap_or_default();
        let wanted = Wanted {
            links: sources
                .iter()
                .filter(|source| source.document.is_none())
                .map(|source| source.link.clone())
                .collect(),
            digest,
            size: spec.size.map(|size| size.get()),
            visibility: if private { Visibility::Namespace(namespace.clone()) } else { Visibility::Public },
            variant: variant(&sources, &needed, &namespace),
        };
        let progress_deadline_seconds = u64::try_from(spec.progress_deadline_seconds).unwrap_or(86_400);
        let while_downloading = spec.delivery.while_downloading;
        Ok(Self { key: wanted.key(), wanted, sources, needed, while_downloading, progress_deadline_seconds })
    }
}

fn read_source(source: &Source) -> Result<(SourceSpec, Option<Needed>), Invalid> {
    let Source { name, url, document, select, credentials_secret_ref, headers, priority } = source;
    let origin = match (document, credentials_secret_ref) {
        (Some(document), _) => Some(origin_of(name, document)?),
        (None, Some(secret)) => Some(Origin::Credentials { secret: secret.name.to_string() }),
        (None, None) => None,
    };
    let needed = origin.map(|origin| Needed { source: name.to_string(), origin });
    let link: Link = match (url, &needed) {
        (Some(url), _) => url.as_str().parse(),
        (None, Some(needed)) => name_of(needed).parse(),
        (None, None) => return Err(Invalid::spec(format!("Source {name} has neither url nor document."))),
    }
    .map_err(|error| Invalid::spec(format!("Source {name}: {error}.")))?;
    let read = SourceSpec {
        name: name.to_string(),
        link,
        document: needed.as_ref().and_then(Needed::document),
        select: select.clone(),
        headers: headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect(),
        // The spec counts up from the most preferred, the task down.
        priority: -*priority,
        credentials: needed.as_ref().and_then(Needed::credentials),
    };
    Ok((read, needed))
}

fn origin_of(source: &str, document: &Document) -> Result<Origin, Invalid> {
    match (&document.config_map_key_ref, &document.secret_key_ref) {
        (Some(key), None) => Ok(Origin::ConfigMap { name: key.name.to_string(), key: key.key.clone() }),
        (None, Some(key)) => Ok(Origin::Secret { name: key.name.to_string(), key: key.key.clone() }),
        _ => Err(Invalid::spec(format!("Source {source}: give exactly one of configMapKeyRef and secretKeyRef."))),
    }
}

/// A link that names a document and leads nowhere: the index knows by it what the document led to, in this claim's scope alone.
fn name_of(needed: &Needed) -> String {
    let digest = Sha256::digest(format!("{:?}", needed.origin));
    let hex = digest.iter().take(16).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    format!("magnet:?xt=urn:x-document:{hex}")
}

/// What besides links makes one content differ from another: selected files, headers, credentials and documents, in the order of
/// links. Tenants' objects count with their namespace.
fn variant(sources: &[SourceSpec], needed: &[Needed], namespace: &str) -> String {
    let mut parts: Vec<String> = sources
        .iter()
        .filter(|source| source.select.is_some() || !source.headers.is_empty())
        .map(|source| format!("{:?} {:?} {:?}", source.link.url().as_str(), source.select, source.headers))
        .collect();
    let links = |name: &str| sources.iter().find(|source| source.name == name).map(|source| source.link.url().as_str());
    parts.extend(needed.iter().map(|one| format!("{:?} {namespace:?} {:?}", links(&one.source), one.origin)));
    parts.sort_unstable();
    parts.join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wish(namespace: &str, sources: Value) -> Result<Wish, Invalid> {
        let video = json!({ "metadata": { "name": "a", "namespace": namespace }, "spec": { "sources": sources } });
        Wish::read(&serde_json::from_value(video).unwrap())
    }

    #[test]
    fn every_kind_of_link_is_passed_on_and_a_hash_alone_is_refused() {
        let ed2k = json!({ "name": "hash", "url": "ed2k://|file|a.mp4|1|965c013e991ee246d63d45ea71954c4d|/" });
        let magnet = json!({ "name": "m", "url": "magnet:?xt=urn:btih:08ada5a7a6183aae1e09d831df6748d566095a10" });
        let ftp = json!({ "name": "f", "url": "ftp://h/a.mp4" });
        assert_eq!(wish("n", json!([magnet, ftp])).unwrap().sources.len(), 2);
        assert!(wish("n", json!([ed2k])).is_err());
    }

    #[test]
    fn what_needs_a_secret_is_private_to_its_namespace() {
        let open = json!([{ "name": "a", "url": "http://h/a" }]);
        let secret = json!([{ "name": "a", "url": "http://h/a", "credentialsSecretRef": { "name": "s" } }]);
        let other = json!([{ "name": "a", "url": "http://h/a", "credentialsSecretRef": { "name": "t" } }]);
        let public = wish("one", open.clone()).unwrap();
        assert_eq!(public.key, wish("two", open).unwrap().key);
        let private = wish("one", secret.clone()).unwrap();
        assert_eq!(private.wanted.visibility, Visibility::Namespace("one".into()));
        assert_eq!(private.sources[0].credentials.as_deref(), Some("/inputs/a"));
        let keys = [public.key, private.key, wish("two", secret).unwrap().key, wish("one", other).unwrap().key];
        assert!((1..keys.len()).all(|i| !keys[..i].contains(&keys[i])), "{keys:?}");
    }

    #[test]
    fn documents_are_told_apart_by_namespace() {
        let map = json!([{ "name": "d", "document": { "configMapKeyRef": { "name": "c", "key": "a.torrent" } } }]);
        let (one, two) = (wish("one", map.clone()).unwrap(), wish("two", map).unwrap());
        assert_ne!(one.key, two.key);
        assert_eq!(one.wanted.visibility, Visibility::Public);
        assert_eq!(one.sources[0].document.as_deref(), Some("/inputs/d/document"));
        let secret = json!([{ "name": "d", "document": { "secretKeyRef": { "name": "c", "key": "a.torrent" } } }]);
        assert_eq!(wish("one", secret).unwrap().wanted.visibility, Visibility::Namespace("one".into()));
    }
}
