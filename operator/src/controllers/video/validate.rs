//! What the owner wants, parsed: everything after this file works on types that cannot be wrong.

use videocloud_crds::{VideoObject, conditions, videoobject::Source};
use videocloud_protocol::{
    content::Visibility,
    failure::reason,
    ids::ClaimKey,
    link::{Link, Scheme},
    publication::Access,
    task::SourceSpec,
    tracker::Wanted,
};

use super::dereference::Facts;
use crate::index::Named;

/// Why a spec cannot be carried out: becomes the Ready and Stalled conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// One CamelCase word.
    pub reason: &'static str,
    /// For the owner: what is wrong and what to do.
    pub message: String,
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
    /// Sources this build cannot fetch from, by name.
    pub unsupported: Vec<String>,
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
        let (mut sources, mut unsupported) = (Vec::new(), Vec::new());
        for source in &spec.sources {
            let read = read_source(source)?;
            if read.link.scheme() == Scheme::Http {
                sources.push(read);
            } else {
                unsupported.push(read.name);
            }
        }
        if sources.is_empty() {
            return Err(Invalid {
                reason: reason::UNSUPPORTED_SOURCE,
                message: "No source is an http:// or https:// link, and this version fetches from no other. Add one."
                    .into(),
            });
        }
        let digest = match &spec.digest {
            Some(text) => Some(text.as_str().parse().map_err(|error| Invalid {
                reason: conditions::shared::INVALID_SPEC,
                message: format!("spec.digest: {error}"),
            })?),
            None => None,
        };
        let wanted = Wanted {
            links: sources.iter().map(|source| source.link.clone()).collect(),
            digest,
            size: spec.size.map(|size| size.get()),
            visibility: Visibility::Public,
            variant: variant(&sources),
        };
        let progress_deadline_seconds = u64::try_from(spec.progress_deadline_seconds).unwrap_or(86_400);
        Ok(Self { key: wanted.key(), wanted, sources, unsupported, progress_deadline_seconds })
    }
}

fn read_source(source: &Source) -> Result<SourceSpec, Invalid> {
    let Source { name, url, select, credentials_secret_ref, headers, priority } = source;
    if credentials_secret_ref.is_some() {
        return Err(Invalid {
            reason: conditions::video::CREDENTIALS_UNAVAILABLE,
            message: format!(
                "Source {name} names a Secret, and this version cannot fetch with credentials. Remove the source or \
                 its credentialsSecretRef."
            ),
        });
    }
    let link: Link = url.as_str().parse().map_err(|error| Invalid {
        reason: conditions::shared::INVALID_SPEC,
        message: format!("Source {name}: {error}."),
    })?;
    Ok(SourceSpec {
        name: name.to_string(),
        link,
        select: select.clone(),
        headers: headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect(),
        // The spec counts up from the most preferred, the task down.
        priority: -*priority,
        credentials: None,
    })
}

/// What besides links makes one content differ from another: selected files and headers, in the order of links.
fn variant(sources: &[SourceSpec]) -> String {
    let mut parts: Vec<String> = sources
        .iter()
        .filter(|source| source.select.is_some() || !source.headers.is_empty())
        .map(|source| format!("{:?} {:?} {:?}", source.link.url().as_str(), source.select, source.headers))
        .collect();
    parts.sort_unstable();
    parts.join("\n")
}

/// A VideoObject whose names and spec can be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Valid {
    pub(super) name: Named,
    pub(super) uid: String,
    /// The download, or why there can be none.
    pub(super) wish: Result<Wish, Invalid>,
    pub(super) access: Access,
    pub(super) suspended: bool,
    /// Profiles asked for, in the order of the spec.
    pub(super) profiles: Vec<String>,
    pub(super) priority: i32,
}

/// Reads the spec of `video`.
pub(super) fn validate(video: &VideoObject, facts: &Facts) -> Valid {
    use videocloud_crds::videoobject as crd;
    let spec = &video.spec;
    Valid {
        name: facts.name.clone(),
        uid: video.metadata.uid.clone().unwrap_or_default(),
        wish: Wish::read(video),
        access: match spec.delivery.access {
            crd::Access::Public => Access::Public,
            crd::Access::Signed => Access::Signed,
        },
        suspended: spec.suspend,
        profiles: spec.renditions.iter().map(|rendition| rendition.profile_ref.to_string()).collect(),
        priority: spec.priority,
    }
}
