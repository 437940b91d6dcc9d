//! Places under a limit in all and a limit for each namespace.

use std::collections::HashMap;

use crate::config::Limits;

/// Places taken and left.
#[derive(Debug)]
pub struct Places {
    limits: Limits,
    taken: u32,
    by_namespace: HashMap<String, u32>,
}

impl Places {
    /// All places free.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, taken: 0, by_namespace: HashMap::new() }
    }

    /// Counts one that has its place already, whatever the limits say now.
    pub fn hold(&mut self, namespace: &str) {
        self.taken += 1;
        *self.by_namespace.entry(namespace.to_owned()).or_default() += 1;
    }

    /// Takes a place if there is one.
    pub fn take(&mut self, namespace: &str) -> bool {
        let used = self.by_namespace.get(namespace).copied().unwrap_or_default();
        let free = self.taken < self.limits.total && used < self.limits.per_namespace;
        if free {
            self.hold(namespace);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_running_work_counts() {
        let mut places = Places::new(Limits { total: 3, per_namespace: 2 });
        places.hold("a");
        assert!(places.take("a"));
        assert!(!places.take("a"), "its namespace is full");
        assert!(places.take("b"));
        assert!(!places.take("c"), "all places are taken");
    }
}
