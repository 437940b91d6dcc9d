//! The command's readers: the same table however it is written, and every wrong cell found where it is.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code, unused_imports)]

#[path = "../fuzz/command.rs"]
mod command;

use std::collections::BTreeMap;
use std::io::Cursor;

use command::read::{Clusters, Input, Samples, Swarms, TableError, clusters, samples, swarms};
use proptest::prelude::*;
use videocloud_scheduler::estimator::{Sample, SwarmId};
use videocloud_scheduler::model::{ClusterSet, PowerLaw, Swarm, SwarmLaw};
use videocloud_scheduler::units::{Audience, BytesPerSecond, Weight};

const SWARMS: [&str; 10] = ["id", "seeders", "leechers", "a", "b", "f", "weight", "floor", "ceiling", "clusters"];
const SAMPLES: [&str; 6] = ["id", "interval", "upload", "download", "seeders", "leechers"];
const CLUSTERS: [&str; 3] = ["eu", "us, east", "a \"b\""];

fn input(text: &str) -> Input {
    Input::new("t.csv", Cursor::new(text.as_bytes().to_vec()), |_| {})
}

/// The clusters that masks name, read from a table as well.
fn known() -> Clusters {
    clusters(input("id,capacity\neu,1\n\"us, east\",2.5\n\"a \"\"b\"\"\",0\n")).unwrap()
}

/// How somebody's program writes tables.
#[derive(Debug, Clone)]
struct Dialect {
    /// The columns' places, by a key each.
    order: Vec<u64>,
    quotes: bool,
    spaces: bool,
    crlf: bool,
    mark: bool,
    blank_lines: bool,
    capitals: bool,
    last_newline: bool,
    extra: bool,
}

fn dialect(columns: usize) -> impl Strategy<Value = Dialect> {
    (prop::collection::vec(any::<u64>(), columns + 1), any::<[bool; 8]>()).prop_map(|(order, flags)| {
        let [quotes, spaces, crlf, mark, blank_lines, capitals, last_newline, extra] = flags;
        Dialect { order, quotes, spaces, crlf, mark, blank_lines, capitals, last_newline, extra }
    })
}

impl Dialect {
    fn cell(&self, text: &str) -> String {
        let needs = text.contains([',', '"']);
        let quoted = if needs || self.quotes { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() };
        // A quote has to be the first of its cell.
        if self.spaces && !needs && !self.quotes { format!(" {quoted}\t") } else { quoted }
    }

    fn write(&self, header: &[&str], rows: &[Vec<String>]) -> String {
        let mut places: Vec<usize> = (0..header.len()).collect();
        places.sort_by_key(|&place| self.order[place]);
        let name = |name: &str| if self.capitals { name.to_uppercase() } else { name.to_owned() };
        let line = |cells: &dyn Fn(usize) -> String, extra: &str| {
            let mut cells: Vec<String> = places.iter().map(|&place| self.cell(&cells(place))).collect();
            if self.extra {
                cells.insert(self.order[header.len()] as usize % (cells.len() + 1), self.cell(extra));
            }
            cells.join(",")
        };
        let mut lines = vec![line(&|place| name(header[place]), "remark")];
        for row in rows {
            if self.blank_lines {
                lines.push(if self.order[0].is_multiple_of(2) { String::new() } else { line(&|_| String::new(), "") });
            }
            lines.push(line(&|place| row[place].clone(), "12, or so"));
        }
        let newline = if self.crlf { "\r\n" } else { "\n" };
        let mut text = lines.join(newline);
        if self.last_newline {
            text += newline;
        }
        if self.mark { format!("\u{feff}{text}") } else { text }
    }
}

/// A swarm, and the cells that say it.
fn row() -> impl Strategy<Value = (Vec<String>, Swarm)> {
    let rate = || prop::option::of(0.0..1e9_f64);
    let mask = prop::collection::btree_set(0_usize..3, 0..=3);
    let law = (0.001..0.999_f64, 0.0..3.0_f64, 1e-9..1e9_f64);
    (0.0..1e4_f64, 2.0..1e5_f64, law, prop::option::of(0.0..1e5_f64), rate(), rate(), mask).prop_map(
        |(seeders, leechers, (a, b, f), weight, floor, ceiling, mask)| {
            let mut swarm =
                Swarm::new(Audience::new(seeders, leechers).unwrap(), SwarmLaw::Power(PowerLaw::new(a, b, f).unwrap()));
            swarm.weight = weight.map_or(Weight::ONE, |weight| Weight::new(weight).unwrap());
            swarm.floor = floor.map(BytesPerSecond::clamped);
            swarm.ceiling = ceiling.map(BytesPerSecond::clamped);
            swarm.clusters = if mask.is_empty() { ClusterSet::ALL } else { mask.iter().copied().collect() };
            let number = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
            let names: Vec<&str> = mask.into_iter().map(|place| CLUSTERS[place]).collect();
            let mut cells: Vec<String> = [seeders, leechers, a, b, f].iter().map(f64::to_string).collect();
            cells.extend([number(weight), number(floor), number(ceiling), names.join("; ")]);
            (cells, swarm)
        },
    )
}

/// A swarm's samples: times that grow, and what was measured.
fn history() -> impl Strategy<Value = Vec<(u32, [f64; 4])>> {
    let measured = [0.0..1e9_f64, 0.0..1e9, 0.0..1e3, 0.0..1e4];
    prop::collection::btree_map(0_u32..1000, measured, 1..12).prop_map(|map| map.into_iter().collect())
}

fn by_name(found: Samples) -> BTreeMap<String, Vec<Sample>> {
    let mut all: BTreeMap<String, Vec<Sample>> = found.ids.iter().map(|id| (id.clone(), Vec::new())).collect();
    for sample in found.samples {
        let id = &found.ids[sample.swarm.0 as usize];
        all.get_mut(id).unwrap().push(Sample { swarm: SwarmId(0), ..sample });
    }
    all
}

/// Cells no column of numbers takes.
const WRONG: [&str; 10] = ["NaN", "inf", "-inf", "-1", "1e400", "1e99", "many", "1,000", "0x10", "1 000"];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn swarms_are_the_same_in_every_dialect(rows in prop::collection::vec(row(), 0..8), how in dialect(10)) {
        let mut texts = Vec::new();
        for (place, (cells, _)) in rows.iter().enumerate() {
            let id = ["one", "tw,o", "th\"ree", "vier ü"][place % 4].to_owned() + &place.to_string();
            texts.push([vec![id], cells.clone()].concat());
        }
        let text = how.write(&SWARMS, &texts);
        let Swarms { ids, swarms } = swarms(input(&text), Some(&known())).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert!(ids.iter().eq(texts.iter().map(|cells| &cells[0])), "{text}");
        prop_assert!(swarms.iter().eq(rows.iter().map(|row| &row.1)), "{text}\n{swarms:?}");
    }

    #[test]
    fn optional_columns_may_be_missing(rows in prop::collection::vec(row(), 1..5), kept in any::<[bool; 4]>()) {
        let optional = (0..4).filter(|&column| kept[column]).map(|column| column + 6);
        let columns: Vec<usize> = (0..6).chain(optional).collect();
        let line = |cells: Vec<&str>| Dialect { quotes: true, ..plain() }.write(&cells, &[]);
        let mut text = line(columns.iter().map(|&column| SWARMS[column]).collect());
        for (place, (cells, _)) in rows.iter().enumerate() {
            let id = place.to_string();
            text += "\n";
            text += &line(columns.iter().map(|&column| if column == 0 { &id[..] } else { &cells[column - 1] }).collect());
        }
        let found = swarms(input(&text), Some(&known())).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        for (found, (_, whole)) in found.swarms.iter().zip(&rows) {
            let usual = Swarm::new(whole.audience, whole.law);
            let wanted = Swarm {
                weight: if kept[0] { whole.weight } else { usual.weight },
                floor: if kept[1] { whole.floor } else { None },
                ceiling: if kept[2] { whole.ceiling } else { None },
                clusters: if kept[3] { whole.clusters } else { usual.clusters },
                ..usual
            };
            prop_assert_eq!(found, &wanted);
        }
    }

    #[test]
    fn samples_are_the_same_in_every_order_and_dialect(
        histories in prop::collection::vec(history(), 1..5), how in dialect(6), start in 0_u32..2_000_000_000, step in 1_u32..900,
    ) {
        let mut rows = Vec::new();
        for (swarm, history) in histories.iter().enumerate() {
            for (time, measured) in history {
                let time = f64::from(start) + f64::from(*time) * f64::from(step);
                let mut cells = vec![format!("s{swarm}"), time.to_string()];
                cells.extend(measured.iter().map(f64::to_string));
                rows.push(cells);
            }
        }
        let sorted = by_name(samples(input(&plain().write(&SAMPLES, &rows))).unwrap());
        let mut keys = (0..).map(|i: u32| how.order[i as usize % how.order.len()].rotate_left(i));
        rows.sort_by_cached_key(|_| keys.next());
        let found = by_name(samples(input(&how.write(&SAMPLES, &rows))).map_err(|e| TestCaseError::fail(e.to_string()))?);
        prop_assert_eq!(&found, &sorted);
        for (history, found) in histories.iter().zip(found.values()) {
            prop_assert!(history.iter().map(|(_, m)| m[1]).eq(found.iter().map(|sample| sample.download.get())));
            prop_assert!(found.windows(2).all(|pair| pair[0].interval < pair[1].interval));
        }
    }

    #[test]
    fn a_wrong_cell_is_named(
        rows in prop::collection::vec(row(), 1..5), how in dialect(10), at in any::<prop::sample::Index>(),
        column in 1_usize..9, wrong in prop::sample::select(&WRONG[..]),
    ) {
        let bad = at.index(rows.len());
        // Of b and f no number is too large.
        prop_assume!(wrong != "1e99" || !(4..=5).contains(&column));
        let mut texts: Vec<_> =
            rows.into_iter().enumerate().map(|(i, (cells, _))| [vec![i.to_string()], cells].concat()).collect();
        texts[bad][column] = wrong.to_owned();
        let line = if how.blank_lines { 2 * bad + 3 } else { bad + 2 };
        let text = how.write(&SWARMS, &texts);
        let error = swarms(input(&text), Some(&known())).err().map(|error| error.to_string()).unwrap_or_default();
        let place = format!("failed to read t.csv, line {line}, column `{}`: {wrong:?} ", SWARMS[column]);
        prop_assert!(error.starts_with(&place), "{error}, not {place}, of\n{text}");
    }

    #[test]
    fn twice_the_same_is_refused(rows in prop::collection::vec(row(), 2..6), pair in any::<[prop::sample::Index; 2]>()) {
        let (one, other) = (pair[0].index(rows.len()), pair[1].index(rows.len()));
        prop_assume!(one != other);
        let mut texts: Vec<_> =
            rows.into_iter().enumerate().map(|(i, (cells, _))| [vec![format!("s{i}")], cells].concat()).collect();
        texts[one][0] = texts[other][0].clone();
        let (first, again) = (one.min(other) + 2, one.max(other) + 2);
        let error = swarms(input(&plain().write(&SWARMS, &texts)), Some(&known())).err().map(|error| error.to_string());
        let wanted = format!("line {again}, column `id`: {:?} is on line {first} already", texts[other][0]);
        prop_assert!(error.as_ref().is_some_and(|error| error.contains(&wanted)), "{error:?}");
    }
}

/// As few bytes as possible.
fn plain() -> Dialect {
    let [quotes, spaces, crlf, mark, blank_lines, capitals, last_newline, extra] = [false; 8];
    let order = (0..11).collect();
    Dialect { order, quotes, spaces, crlf, mark, blank_lines, capitals, last_newline, extra }
}

#[test]
fn more_clusters_than_a_set_holds_are_refused() {
    let rows: String = (0..=videocloud_scheduler::model::MAX_CLUSTERS).map(|i| format!("c{i},1\n")).collect();
    let error = clusters(input(&format!("id,capacity\n{rows}"))).err();
    assert!(matches!(&error, Some(TableError::Cell(cell)) if cell.problem == "is one cluster too many"), "{error:?}");
}
