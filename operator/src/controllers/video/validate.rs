//! What the owner wants, parsed: everything after this file works on types that cannot be wrong. The download is in [`super::wish`].

use videocloud_crds::VideoObject;
use videocloud_protocol::publication::Access;

use super::{
    dereference::Facts,
    wish::{Invalid, Wish},
};
use crate::index::Named;

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
