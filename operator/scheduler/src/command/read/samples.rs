//! `id,interval,upload,download,seeders,leechers`: what was measured of swarms.

use std::collections::HashMap;

use videocloud_scheduler::estimator::{Sample, SwarmId};
use videocloud_scheduler::units::{Audience, BytesPerSecond};

use super::swarms::in_range;
use super::{CellError, Column, Input, Table, TableError};

const COLUMNS: [Column; 6] = [
    Column::required("id"),
    Column::required("interval"),
    Column::required("upload"),
    Column::required("download"),
    Column::required("seeders"),
    Column::required("leechers"),
];

/// The samples, those of each swarm in order of time.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// Swarms in the order in which they first appear; a sample's swarm is its place here.
    pub(crate) ids: Vec<String>,
    pub(crate) samples: Vec<Sample>,
}

/// Reads the samples. Intervals may be numbers of intervals or times: they count in units of the smallest step.
pub(crate) fn samples(input: Input) -> Result<Samples, TableError> {
    let mut table = Table::new(input, &COLUMNS)?;
    let mut places: HashMap<String, u32> = HashMap::new();
    let mut found = Samples::default();
    let mut times: Vec<(f64, u64)> = Vec::new();
    while let Some(row) = table.next()? {
        let id = row.text("id")?;
        if id.is_empty() {
            return Err(row.refuse("id", "is empty", "name the swarm"));
        }
        let swarm = match places.get(id) {
            Some(&swarm) => swarm,
            None => {
                let swarm = found.ids.len() as u32;
                places.insert(id.to_owned(), swarm);
                found.ids.push(id.to_owned());
                swarm
            }
        };
        let rate = |column| {
            let number = in_range(&row, column, row.number(column)?, BytesPerSecond::MAX.get(), "is no rate")?;
            Ok::<_, TableError>(BytesPerSecond::clamped(number))
        };
        let peers = |column| in_range(&row, column, row.number(column)?, 1e12, "is no number of peers");
        let audience = Audience::new(peers("seeders")?, peers("leechers")?)
            .map_err(|error| row.refuse("leechers", &error.to_string(), "write a number of peers"))?;
        let time = in_range(&row, "interval", row.number("interval")?, 1e15, "is no interval")?;
        times.push((time, row.line));
        found.samples.push(Sample::new(SwarmId(swarm), 0, rate("upload")?, rate("download")?, audience));
    }
    number(&table, &mut found, &times)?;
    Ok(found)
}

/// Numbers the intervals, and sorts by swarm and time.
fn number(table: &Table<'_>, found: &mut Samples, times: &[(f64, u64)]) -> Result<(), TableError> {
    let mut order: Vec<usize> = (0..times.len()).collect();
    let key = |&i: &usize| (found.samples[i].swarm, times[i].0);
    order.sort_by(|a, b| key(a).0.cmp(&key(b).0).then(key(a).1.total_cmp(&key(b).1)));
    let mut step = f64::INFINITY;
    for pair in order.windows(2) {
        if found.samples[pair[0]].swarm == found.samples[pair[1]].swarm {
            let gap = times[pair[1]].0 - times[pair[0]].0;
            if gap == 0.0 {
                let (first, again) = (times[pair[0]].1, times[pair[1]].1);
                let file = table.file.clone();
                let problem = format!("has a sample of the same swarm on line {} already", first.min(again));
                let remedy = "give every swarm one sample in an interval".to_owned();
                let value = times[pair[1]].0.to_string();
                return Err(
                    CellError { file, line: first.max(again), column: "interval", value, problem, remedy }.into()
                );
            }
            step = step.min(gap);
        }
    }
    let start = times.iter().map(|time| time.0).fold(f64::INFINITY, f64::min);
    for (sample, time) in found.samples.iter_mut().zip(times) {
        sample.interval = if step.is_finite() { ((time.0 - start) / step).round() as u64 } else { 0 };
    }
    found.samples = order.iter().map(|&i| found.samples[i]).collect();
    Ok(())
}
