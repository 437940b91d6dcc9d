//! `id,capacity`: the clusters of a pool.

use std::collections::HashMap;

use videocloud_scheduler::model::MAX_CLUSTERS;
use videocloud_scheduler::units::BytesPerSecond;

use super::number::capacity;
use super::{Column, Input, Table, TableError};

const COLUMNS: [Column; 2] = [Column::required("id"), Column::required("capacity")];

/// The clusters in the order of their file.
#[derive(Debug, Default)]
pub(crate) struct Clusters {
    pub(crate) names: Vec<String>,
    pub(crate) capacities: Vec<BytesPerSecond>,
    /// Place by name.
    pub(crate) places: HashMap<String, usize>,
}

/// Reads the clusters.
pub(crate) fn clusters(input: Input) -> Result<Clusters, TableError> {
    let mut table = Table::new(input, &COLUMNS)?;
    let mut found = Clusters::default();
    while let Some(row) = table.next()? {
        let name = row.text("id")?.to_owned();
        if name.is_empty() {
            return Err(row.refuse("id", "is empty", "name the cluster"));
        }
        if name.contains(';') {
            return Err(row.refuse(
                "id",
                "has a semicolon",
                "it separates clusters in a swarm's mask; rename the cluster",
            ));
        }
        if found.places.insert(name.clone(), found.names.len()).is_some() {
            return Err(row.refuse("id", "is there twice", "give every cluster one row"));
        }
        if found.names.len() == MAX_CLUSTERS {
            return Err(row.refuse("id", "is one cluster too many", &format!("a pool has at most {MAX_CLUSTERS}")));
        }
        // The number itself is checked first, so that a wrong one is named as such.
        let number = row.number("capacity")?;
        let rate = capacity(row.text("capacity")?)
            .map_err(|_| row.refuse("capacity", out_of_range(number), "write bytes per second from 0 to 1e15"))?;
        found.capacities.push(rate);
        found.names.push(name);
    }
    if found.names.is_empty() {
        let problem =
            "it names no cluster; give each cluster a row, or leave --clusters out and give --capacity".to_owned();
        return Err(table.refuse(None, problem));
    }
    Ok(found)
}

const fn out_of_range(number: f64) -> &'static str {
    if number < 0.0 { "is negative" } else { "is too large" }
}
