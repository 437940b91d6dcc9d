//! Resource lists as flags: `cpu=500m,memory=1Gi`.

use std::{collections::BTreeMap, str::FromStr};

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// A text that is not a resource list.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("failed to read resources {0:?}: expected name=quantity, comma-separated, for example cpu=500m,memory=1Gi")]
pub struct InvalidQuantities(String);

/// Resources by name, for example `cpu` or `memory`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Quantities(BTreeMap<String, Quantity>);

impl Quantities {
    /// The same list with `factor` times the memory.
    #[must_use]
    pub fn with_memory_times(&self, factor: u32) -> Self {
        let scaled = |(name, amount): (&String, &Quantity)| {
            let number = amount.0.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let more = (name == "memory").then(|| number.parse::<f64>().ok()).flatten().map(|n| n * f64::from(factor));
            let amount = more.map_or_else(|| amount.clone(), |n| Quantity(format!("{n}{}", &amount.0[number.len()..])));
            (name.clone(), amount)
        };
        Self(self.0.iter().map(scaled).collect())
    }

    /// The list in the form Kubernetes takes; `None` when it is empty.
    #[must_use]
    pub fn to_list(&self) -> Option<BTreeMap<String, Quantity>> {
        (!self.0.is_empty()).then(|| self.0.clone())
    }
}

impl FromStr for Quantities {
    type Err = InvalidQuantities;

    fn from_str(text: &str) -> Result<Self, InvalidQuantities> {
        let mut list = BTreeMap::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (name, amount) = item.split_once('=').ok_or_else(|| InvalidQuantities(text.into()))?;
            let number = amount.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let known = matches!(&amount[number.len()..], "" | "m" | "k" | "M" | "G" | "T" | "Ki" | "Mi" | "Gi" | "Ti");
            if name.is_empty() || !known || number.parse::<f64>().is_err() {
                return Err(InvalidQuantities(text.into()));
            }
            list.insert(name.to_owned(), Quantity(amount.to_owned()));
        }
        Ok(Self(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_alone_is_multiplied() {
        let more = |text: &str| text.parse::<Quantities>().ok().map(|list| list.with_memory_times(2));
        assert_eq!(more("cpu=500m,memory=1.5Gi"), "cpu=500m,memory=3Gi".parse().ok());
        assert_eq!(more("memory=512Mi"), "memory=1024Mi".parse().ok());
        assert_eq!(more("cpu=1"), "cpu=1".parse().ok());
    }

    #[test]
    fn lists_are_read_whole_or_refused() {
        let list = "cpu=500m, memory=1Gi,nvidia.com/gpu=1".parse::<Quantities>().ok().and_then(|list| list.to_list());
        assert_eq!(list.map(|list| list.len()), Some(3));
        assert_eq!("".parse::<Quantities>().map(|list| list.to_list()), Ok(None));
        for bad in ["cpu", "cpu=", "=1", "cpu=much", "memory=1GB", "cpu=1;memory=2"] {
            assert!(bad.parse::<Quantities>().is_err(), "{bad}");
        }
    }
}
