//! What is made of the original.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::ObjectName;

/// A rendition wanted, by profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rendition {
    /// Name of the TranscodeProfile.
    pub profile_ref: ObjectName,
    /// Whether an existing rendition near to this one will do.
    #[serde(default)]
    pub reuse: Reuse,
}

/// Acceptance of a nearby rendition in place of an exact one (cloud transcode, Li et al., NOSSDAV 2012).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reuse {
    /// Largest accepted distance: 0 accepts the exact rendition only, 100 anything that plays in its place.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub max_distance: i32,
}
