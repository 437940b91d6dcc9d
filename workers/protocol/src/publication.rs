//! What an owner shares at the edge: the meaning of `/v/<namespace>/<name>/`.

use serde::{Deserialize, Serialize};

use crate::ids::{ClaimKey, ContentId, RenditionKey, RunId};

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

/// The original of what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Original {
    /// It is in the store.
    Content(ContentId),
    /// It is being fetched for this claim: what its worker shows of it is served from the staging area.
    Arriving(ClaimKey),
}

impl Original {
    /// The content, once it is there.
    #[must_use]
    pub const fn content(&self) -> Option<&ContentId> {
        match self {
            Self::Content(id) => Some(id),
            Self::Arriving(_) => None,
        }
    }
}

/// Everything the edge serves for one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Publication {
    /// The object's uid: a publication whose owner is gone is swept.
    pub uid: String,
    /// The original: `content` or `arriving`.
    #[serde(flatten)]
    pub original: Original,
    /// Who may fetch it.
    pub access: Access,
    /// Renditions that are there or being made, best first.
    pub renditions: Vec<PublishedRendition>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_publication_says_where_its_original_is() {
        let publication =
            |original| Publication { uid: "u".into(), original, access: Access::Public, renditions: Vec::new() };
        let kept = publication(Original::Content(ContentId::from_bytes([0xab; 32])));
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(text, format!(r#"{{"uid":"u","content":"{}","access":"Public","renditions":[]}}"#, "ab".repeat(32)));
        for one in [kept, publication(Original::Arriving(ClaimKey::from_bytes([7; 16])))] {
            assert_eq!(serde_json::from_str::<Publication>(&serde_json::to_string(&one).unwrap()).unwrap(), one);
        }
        assert!(serde_json::from_str::<Publication>(r#"{"uid":"u","access":"Public","renditions":[]}"#).is_err());
    }
}
