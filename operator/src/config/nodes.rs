//! Which nodes Jobs' pods may run on: node selectors and tolerations as flags.

use std::{collections::BTreeMap, str::FromStr};

use k8s_openapi::api::core::v1::Toleration;

/// A text that is not a node selector or a list of tolerations.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidNodes {
    /// Not `label=value` pairs.
    #[error("failed to read the node selector {0:?}: expected label=value, comma-separated")]
    Selector(String),
    /// Not a JSON list of tolerations.
    #[error("failed to read tolerations: {0}; expected a JSON list as in a pod's spec")]
    Tolerations(String),
}

/// Labels a node must have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeSelector(BTreeMap<String, String>);

impl NodeSelector {
    /// In the form Kubernetes takes; `None` when any node will do.
    #[must_use]
    pub fn to_map(&self) -> Option<BTreeMap<String, String>> {
        (!self.0.is_empty()).then(|| self.0.clone())
    }
}

impl FromStr for NodeSelector {
    type Err = InvalidNodes;

    fn from_str(text: &str) -> Result<Self, InvalidNodes> {
        let mut labels = BTreeMap::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (label, value) = pair.split_once('=').ok_or_else(|| InvalidNodes::Selector(text.into()))?;
            if label.is_empty() {
                return Err(InvalidNodes::Selector(text.into()));
            }
            labels.insert(label.to_owned(), value.to_owned());
        }
        Ok(Self(labels))
    }
}

/// Taints that are put up with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tolerations(Vec<Toleration>);

impl Tolerations {
    /// In the form Kubernetes takes; `None` when there is none.
    #[must_use]
    pub fn to_list(&self) -> Option<Vec<Toleration>> {
        (!self.0.is_empty()).then(|| self.0.clone())
    }
}

impl FromStr for Tolerations {
    type Err = InvalidNodes;

    fn from_str(text: &str) -> Result<Self, InvalidNodes> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(text).map(Self).map_err(|error| InvalidNodes::Tolerations(error.to_string()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn spot_nodes_are_named_as_in_a_pod() {
        let taints: Tolerations = r#"[{"key":"spot","operator":"Exists","effect":"NoSchedule"}]"#.parse().unwrap();
        assert_eq!(taints.to_list().unwrap()[0].key.as_deref(), Some("spot"));
        let nodes: NodeSelector = "pool=spot, kubernetes.io/arch=amd64".parse().unwrap();
        assert_eq!(nodes.to_map().unwrap().len(), 2);
        assert_eq!(
            ("".parse::<Tolerations>().unwrap().to_list(), "".parse::<NodeSelector>().unwrap().to_map()),
            (None, None)
        );
        assert!("spot".parse::<Tolerations>().is_err() && "spot".parse::<NodeSelector>().is_err());
    }
}
