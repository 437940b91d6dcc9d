//! What an owner shares at the edge: the meaning of `/v/<namespace>/<name>/`.

use serde::{Deserialize, Serialize};

use crate::ids::{ContentId, RenditionKey, RunId};

/// Who may fetch what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Access {
    /// Anyone.
    Public,
    /// Whoever holds a signed URL, see [`crate::token::TokenKey::sign_prefix`].
    Signed,
}

/// A rendition under the name its owner knows it by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PublishedRendition {
    /// The profile's name, used in paths.
    pub name: String,
    /// The rendition.
    pub key: RenditionKey,
    /// The run that makes it: until its manifest is there, what there is of it is served from the run's workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

/// Everything the edge serves for one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Publication {
    /// The object's uid: a publication whose owner is gone is swept.
    pub uid: String,
    /// The original.
    pub content: ContentId,
    /// Who may fetch it.
    pub access: Access,
    /// Renditions that are there or being made, best first.
    pub renditions: Vec<PublishedRendition>,
}
