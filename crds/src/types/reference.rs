//! References to other objects. All by name: none crosses a namespace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ObjectName;

/// A Secret. For a namespaced kind in the same namespace, for a cluster-scoped kind in the namespace
/// the operator runs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret.
    pub name: ObjectName,
}

/// An object of a known kind in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalObjectRef {
    /// Name of the object.
    pub name: ObjectName,
}
