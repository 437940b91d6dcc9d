//! Which tenant of a pool a namespace is: the first whose selector matches its labels. Pure.

use std::collections::{BTreeMap, HashMap};

use videocloud_crds::{
    bandwidthpool::Tenant,
    types::{LabelExpression, LabelOperator, NamespaceSelector},
};

/// A pool's tenants, with the namespaces that were asked for.
pub(super) struct Tenants<'a> {
    all: &'a [Tenant],
    labels: &'a dyn Fn(&str) -> BTreeMap<String, String>,
    known: HashMap<String, Option<usize>>,
}

impl<'a> Tenants<'a> {
    /// Tenants `all`, where `labels` gives the labels of a namespace.
    pub(super) fn new(all: &'a [Tenant], labels: &'a dyn Fn(&str) -> BTreeMap<String, String>) -> Self {
        Self { all, labels, known: HashMap::new() }
    }

    /// The tenant a namespace is.
    pub(super) fn of(&mut self, namespace: &str) -> Option<(usize, &'a Tenant)> {
        if self.all.is_empty() {
            return None;
        }
        let found = match self.known.get(namespace) {
            Some(found) => *found,
            None => {
                let labels = (self.labels)(namespace);
                let found = self.all.iter().position(|tenant| matches(&tenant.namespace_selector, &labels));
                self.known.insert(namespace.to_owned(), found);
                found
            }
        };
        found.map(|place| (place, &self.all[place]))
    }
}

/// Whether labels satisfy every requirement of a selector, by the rules of Kubernetes.
fn matches(selector: &NamespaceSelector, labels: &BTreeMap<String, String>) -> bool {
    let expression = |LabelExpression { key, operator, values }: &LabelExpression| {
        let value = labels.get(key);
        match operator {
            LabelOperator::In => value.is_some_and(|value| values.contains(value)),
            LabelOperator::NotIn => value.is_none_or(|value| !values.contains(value)),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    };
    selector.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
        && selector.match_expressions.iter().all(expression)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tenant(selector: serde_json::Value) -> Tenant {
        serde_json::from_value(json!({ "name": "t", "namespaceSelector": selector })).unwrap()
    }

    #[test]
    fn the_first_that_matches_counts() {
        let all = [
            tenant(json!({ "matchLabels": { "tier": "gold" } })),
            tenant(json!({ "matchExpressions": [{ "key": "env", "operator": "NotIn", "values": ["dev"] }] })),
        ];
        let labels = |namespace: &str| -> BTreeMap<String, String> {
            let pairs: &[(&str, &str)] = match namespace {
                "rich" => &[("tier", "gold"), ("env", "dev")],
                "play" => &[("env", "dev")],
                _ => &[],
            };
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let mut tenants = Tenants::new(&all, &labels);
        let of = ["rich", "play", "plain", "rich"].map(|namespace| tenants.of(namespace).map(|(place, _)| place));
        assert_eq!(of, [Some(0), None, Some(1), Some(0)]);
    }

    #[test]
    fn operators_are_those_of_kubernetes() {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        for (key, operator, values, expected) in [
            ("a", "In", json!(["1", "2"]), true),
            ("a", "In", json!(["2"]), false),
            ("b", "In", json!(["1"]), false),
            ("a", "NotIn", json!(["1"]), false),
            ("b", "NotIn", json!(["1"]), true),
            ("a", "Exists", json!([]), true),
            ("b", "Exists", json!([]), false),
            ("a", "DoesNotExist", json!([]), false),
            ("b", "DoesNotExist", json!([]), true),
        ] {
            let expressions = json!([{ "key": key, "operator": operator, "values": values }]);
            let selector = serde_json::from_value(json!({ "matchExpressions": expressions })).unwrap();
            assert_eq!(matches(&selector, &labels), expected, "{key} {operator}");
        }
    }
}
