//! `id,seeders,leechers,a,b,f[,weight,floor,ceiling,clusters]`: the swarms of a pool.

use std::collections::HashMap;

use videocloud_scheduler::model::{ClusterSet, LawError, PowerLaw, SoloLaw, Swarm, SwarmLaw};
use videocloud_scheduler::units::{Audience, BytesPerSecond, Weight};

use super::{CellError, Clusters, Column, Input, Row, Table, TableError};

const COLUMNS: [Column; 10] = [
    Column::required("id"),
    Column::required("seeders"),
    Column::required("leechers"),
    Column::required("a"),
    Column::required("b"),
    Column::required("f"),
    Column::optional("weight"),
    Column::optional("floor"),
    Column::optional("ceiling"),
    Column::optional("clusters"),
];

/// The swarms in the order of their file.
#[derive(Debug, Default)]
pub(crate) struct Swarms {
    pub(crate) ids: Vec<String>,
    pub(crate) swarms: Vec<Swarm>,
}

/// Reads the swarms; without clusters no swarm may name any.
pub(crate) fn swarms(input: Input, clusters: Option<&Clusters>) -> Result<Swarms, TableError> {
    let mut table = Table::new(input, &COLUMNS)?;
    let mut found = Swarms::default();
    let mut lines = Vec::new();
    while let Some(row) = table.next()? {
        let id = row.text("id")?;
        if id.is_empty() {
            return Err(row.refuse("id", "is empty", "name the swarm"));
        }
        found.swarms.push(swarm(&row, clusters)?);
        found.ids.push(id.to_owned());
        lines.push(row.line);
    }
    distinct(&table, &found.ids, &lines)?;
    Ok(found)
}

fn distinct(table: &Table<'_>, ids: &[String], lines: &[u64]) -> Result<(), TableError> {
    let mut seen: HashMap<&str, u64> = HashMap::with_capacity(ids.len());
    for (id, &line) in ids.iter().zip(lines) {
        if let Some(first) = seen.insert(id, line) {
            let file = table.file.clone();
            let problem = format!("is on line {first} already");
            let remedy = "give every swarm one row".to_owned();
            return Err(CellError { file, line, column: "id", value: id.clone(), problem, remedy }.into());
        }
    }
    Ok(())
}

fn swarm(row: &Row<'_>, clusters: Option<&Clusters>) -> Result<Swarm, TableError> {
    let peers = |column| in_range(row, column, row.number(column)?, 1e12, "is no number of peers");
    let audience = Audience::new(peers("seeders")?, peers("leechers")?)
        .map_err(|error| row.refuse("leechers", &error.to_string(), "write a number of peers"))?;
    let mut swarm = Swarm::new(audience, law(row, audience)?);
    if let Some(weight) = row.optional("weight")? {
        let weight = in_range(row, "weight", weight, 1e6, "is no weight")?;
        swarm.weight = Weight::new(weight).map_err(|e| row.refuse("weight", &e.to_string(), "write a weight"))?;
    }
    swarm.floor = rate(row, "floor")?;
    swarm.ceiling = rate(row, "ceiling")?;
    swarm.clusters = mask(row, clusters)?;
    Ok(swarm)
}

/// The law; a lone viewer without seeds and a swarm without leechers need none.
fn law(row: &Row<'_>, audience: Audience) -> Result<SwarmLaw, TableError> {
    let lawless = audience.is_solo() || audience.is_idle();
    if lawless && row.text("a")?.is_empty() && row.text("b")?.is_empty() && row.text("f")?.is_empty() {
        return Ok(SwarmLaw::Solo(SoloLaw));
    }
    let law = PowerLaw::new(row.number("a")?, row.number("b")?, row.number("f")?);
    law.map(SwarmLaw::Power).map_err(|error| match error {
        LawError::Exponent(a) if a >= 1.0 => row.refuse(
            "a",
            "is not below 1, so every byte would bring more than the one before and no optimum exists",
            "0 < a < 1 is needed; `videocloud-scheduler fit` keeps a within 0.05 and 0.9",
        ),
        LawError::Exponent(_) => row.refuse("a", "is not above 0", "0 < a < 1 is needed"),
        LawError::Crowding(_) => row.refuse("b", "is negative", "b >= 0 is needed"),
        _ => row.refuse("f", "is not above 0", "f > 0 is needed"),
    })
}

fn rate(row: &Row<'_>, column: &'static str) -> Result<Option<BytesPerSecond>, TableError> {
    let Some(number) = row.optional(column)? else { return Ok(None) };
    let number = in_range(row, column, number, BytesPerSecond::MAX.get(), "is no rate")?;
    Ok(Some(BytesPerSecond::clamped(number)))
}

pub(super) fn in_range(
    row: &Row<'_>,
    column: &'static str,
    number: f64,
    most: f64,
    problem: &str,
) -> Result<f64, TableError> {
    if (0.0..=most).contains(&number) {
        return Ok(number);
    }
    let problem = if number < 0.0 { "is negative" } else { problem };
    Err(row.refuse(column, problem, &format!("write a number from 0 to {most:e}")))
}

/// Names separated by semicolons; an empty cell is every cluster.
fn mask(row: &Row<'_>, clusters: Option<&Clusters>) -> Result<ClusterSet, TableError> {
    let text = row.text("clusters")?;
    if text.is_empty() {
        return Ok(ClusterSet::ALL);
    }
    let Some(clusters) = clusters else {
        return Err(row.refuse(
            "clusters",
            "names clusters, but none are given",
            "give their capacities with --clusters",
        ));
    };
    let mut set = ClusterSet::NONE;
    for name in text.split(';').map(str::trim).filter(|name| !name.is_empty()) {
        let Some(&place) = clusters.places.get(name) else {
            let known: Vec<String> =
                clusters.names.iter().take(8).map(|name| name.escape_debug().to_string()).collect();
            let more = if clusters.names.len() > known.len() { ", ..." } else { "" };
            let problem = format!("names the cluster {name:?}, which is not in the file of clusters");
            return Err(row.refuse("clusters", &problem, &format!("known are {}{more}", known.join(", "))));
        };
        set = set.with(place);
    }
    if set.is_empty() {
        return Err(row.refuse(
            "clusters",
            "names no cluster, so nobody could serve the swarm",
            "name one, or leave the cell empty for every cluster",
        ));
    }
    Ok(set)
}
