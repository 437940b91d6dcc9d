//! The command, run as anybody would: files in, files out, exit codes, and what is said of bad input.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, text: &str) -> &Self {
        fs::write(self.0.path().join(name), text).unwrap();
        self
    }

    fn get(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    fn run(&self, arguments: &str) -> Output {
        self.fed(arguments, "")
    }

    fn fed(&self, arguments: &str, input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_videocloud-scheduler"));
        command.current_dir(self.0.path()).args(arguments.split_whitespace());
        let input_path = self.0.path().join(".input");
        fs::write(&input_path, input).unwrap();
        command.stdin(Stdio::from(fs::File::open(input_path).unwrap())).output().unwrap()
    }

    /// Runs what must succeed.
    fn good(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Solves these swarms and returns what is said when it fails with this exit code.
    fn bad(&self, code: i32, arguments: &str) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}: {text}");
        text
    }

    fn refused(&self, swarms: &str) -> String {
        self.put("swarms.csv", swarms);
        let text = self.bad(20, "solve --swarms swarms.csv --capacity 1e6 --out out.csv");
        assert!(!self.0.path().join("out.csv").exists(), "half a result was left behind");
        text
    }
}

/// Rows of a result, by column name.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| header.iter().map(|h| h.to_string()).zip(line.split(',').map(str::to_owned)).collect();
    lines.map(row).collect()
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap()
}

/// The exact sum of decimals, as digits: whole rates and 40 digits behind the point.
fn exact_sum<'a>(numbers: impl Iterator<Item = &'a str>) -> (u128, u128) {
    const PLACES: usize = 36;
    let (mut whole, mut rest) = (0_u128, 0_u128);
    for number in numbers {
        let (before, after) = number.split_once('.').unwrap_or((number, ""));
        assert!(after.len() <= PLACES || after[PLACES..].bytes().all(|b| b == b'0'), "{number} has too many digits");
        whole += before.parse::<u128>().unwrap();
        rest += format!("{after:0<PLACES$}")[..PLACES].parse::<u128>().unwrap();
        let unit = 10_u128.pow(PLACES as u32);
        whole += rest / unit;
        rest %= unit;
    }
    (whole, rest)
}

const PLAIN: &str = "id,seeders,leechers,a,b,f\none,3,40,0.5,0.2,300\ntwo,0,7,0.3,0.1,2000\nthree,12,200,0.7,0.3,60\n";

#[test]
fn marginal_utilities_are_equal_and_the_sum_is_the_capacity() {
    let desk = Desk::new();
    desk.put("swarms.csv", PLAIN).good("solve --swarms swarms.csv --capacity 1000000 --out out.csv");
    let found = rows(&desk.get("out.csv"));
    let mu: Vec<f64> = found.iter().map(|row| number(row, "marginal")).collect();
    assert!(mu.iter().all(|m| (m / mu[0] - 1.0).abs() < 1e-9), "{mu:?}");
    let sum: f64 = found.iter().map(|row| number(row, "rate")).sum();
    assert!(sum <= 1e6 && sum > 1e6 * (1.0 - 1e-9), "{sum}");
    for (row, (s, l, a, b, f)) in found.iter().zip([
        (3.0, 40.0, 0.5, 0.2, 300.0_f64),
        (0.0, 7.0, 0.3, 0.1, 2000.0),
        (12.0, 200.0, 0.7, 0.3, 60.0),
    ]) {
        let rate = number(row, "rate");
        let law = l * (rate / l).powf(a) * (l / (s + 1.0_f64)).powf(-b) * f;
        assert!((number(row, "download") / law - 1.0).abs() < 1e-9, "{row:?}: the law says {law}");
    }
}

#[test]
fn columns_stand_in_any_order_and_files_come_from_anywhere() {
    let desk = Desk::new();
    desk.put("plain.csv", PLAIN).good("solve --swarms plain.csv --capacity 5e5 --out plain.out");
    let odd = "\u{feff}f,weight, ID ,leechers,\"b\",a,ceiling,seeders\r\n\r\n300,,one,40,0.2,0.5,,3\r\n2000,1,\"two\",7,0.1,0.3,,0\r\n,,,,,,,\r\n60, 1 ,three,200,0.3,0.7,,12\r\n\r\n";
    desk.put("odd.csv", odd).good("solve --swarms odd.csv --capacity 5e5 --out odd.out");
    assert_eq!(desk.get("plain.out"), desk.get("odd.out"));
    let piped = desk.fed("solve --swarms - --capacity 5e5", PLAIN);
    assert_eq!(String::from_utf8(piped.stdout).unwrap(), desk.get("plain.out"));
}

#[test]
fn names_with_commas_and_quotes_come_back() {
    let desk = Desk::new();
    desk.put("s.csv", "id,seeders,leechers,a,b,f\n\"a, \"\"b\"\"\",1,5,0.5,0,100\n");
    assert!(desk.good("solve --swarms s.csv --capacity 100").contains("\n\"a, \"\"b\"\"\",pool,"));
}

#[test]
fn clusters_masks_and_exact_decimal_sums() {
    let desk = Desk::new();
    let mut swarms = "clusters,id,seeders,leechers,a,b,f\n".to_owned();
    for i in 0..300 {
        let mask = ["", "east", "west;north", "north", "east; west"][i % 5];
        swarms += &format!("{mask},s{i},{},{},0.{},0.1,{}\n", i % 7, 1 + i % 90, 2 + i % 7, 50 + i);
    }
    desk.put("swarms.csv", &swarms).put("clusters.csv", "capacity,id\n100000.7,east\n3,west\n250000,north\n");
    for cap in ["", "--capacity 300000.3", "--capacity 0.1", "--capacity 1"] {
        desk.good(&format!("solve --swarms swarms.csv --clusters clusters.csv {cap} --out out.csv"));
        let found = rows(&desk.get("out.csv"));
        let unit = 10_u128.pow(35);
        for (cluster, most) in [("east", (100_000, 7 * unit)), ("west", (3, 0)), ("north", (250_000, 0))] {
            let mine = found.iter().filter(|row| row["cluster"] == cluster);
            let sum = exact_sum(mine.map(|row| row["rate"].as_str()));
            assert!(sum <= most, "{cluster} {cap}: {sum:?}");
        }
        let sum = exact_sum(found.iter().map(|row| row["rate"].as_str()));
        let most = match cap {
            "--capacity 300000.3" => (300_000, 3 * unit),
            "--capacity 0.1" => (0, unit),
            "--capacity 1" => (1, 0),
            _ => (350_003, 7 * unit),
        };
        assert!(sum <= most, "{cap}: {sum:?} above {most:?}");
        let ids: std::collections::BTreeSet<&String> = found.iter().map(|row| &row["id"]).collect();
        assert_eq!(ids.len(), 300, "every swarm has a row");
        for row in &found {
            let place: usize = row["id"][1..].parse().unwrap();
            let mask = ["east;west;north", "east", "west;north", "north", "east; west"][place % 5];
            assert!(mask.contains(row["cluster"].as_str()), "{row:?} outside {mask}");
        }
    }
}

#[test]
fn ceilings_that_add_up_to_the_capacity_are_not_exceeded_in_decimals() {
    let desk = Desk::new();
    let mut swarms = "id,seeders,leechers,a,b,f,ceiling\n".to_owned();
    (0..10).for_each(|i| swarms += &format!("s{i},1,50,0.5,0.1,1000,0.{}\n", i + 1));
    desk.put("s.csv", &swarms);
    for capacity in ["5.5", "3.3", "0.7", "5.1"] {
        let out = desk.good(&format!("solve --swarms s.csv --capacity {capacity}"));
        let sum = exact_sum(rows(&out).iter().map(|row| row["rate"].as_str()));
        assert!(sum <= exact_sum([capacity].into_iter()), "{capacity}: {sum:?}");
    }
}

#[test]
fn bad_cells_are_named_by_file_line_column_and_value() {
    let desk = Desk::new();
    let head = "id,seeders,leechers,a,b,f,weight,floor,ceiling,clusters\n";
    for (row, column, value, says) in [
        ("x,NaN,5,0.5,0.1,9,,,,", "seeders", "NaN", "is not a finite number"),
        ("x,1,inf,0.5,0.1,9,,,,", "leechers", "inf", "is not a finite number"),
        ("x,-1,5,0.5,0.1,9,,,,", "seeders", "-1", "is negative"),
        ("x,1,5,1.2,0.1,9,,,,", "a", "1.2", "is not below 1"),
        ("x,1,5,1,0.1,9,,,,", "a", "1", "is not below 1"),
        ("x,1,5,0,0.1,9,,,,", "a", "0", "is not above 0"),
        ("x,1,5,0.5,-0.1,9,,,,", "b", "-0.1", "is negative"),
        ("x,1,5,0.5,0.1,0,,,,", "f", "0", "is not above 0"),
        ("x,1,5,0.5,0.1,,,,,", "f", "", "is empty"),
        ("x,1,five,0.5,0.1,9,,,,", "leechers", "five", "is not a number"),
        ("x,1,5,0.5,0.1,9,-2,,,", "weight", "-2", "is negative"),
        ("x,1,5,0.5,0.1,9,,1e30,,", "floor", "1e30", "is no rate"),
        ("x,1,5,0.5,0.1,9,,,-1,", "ceiling", "-1", "is negative"),
        (",1,5,0.5,0.1,9,,,,", "id", "", "is empty"),
        ("x,1,5,0.5,0.1,9,,,,east", "clusters", "east", "none are given"),
    ] {
        let text = desk.refused(&format!("{head}ok,1,5,0.5,0.1,9,,,,\n{row}\n"));
        let place = format!("swarms.csv, line 3, column `{column}`: \"{value}\"");
        assert!(text.contains(&place) && text.contains(says), "{row}: {text}");
    }
    let twice = desk.refused("id,seeders,leechers,a,b,f\nx,1,5,0.5,0.1,9\ny,1,5,0.5,0.1,9\nx,2,5,0.5,0.1,9\n");
    assert!(twice.contains("line 4, column `id`: \"x\" is on line 2 already"), "{twice}");
}

#[test]
fn bad_tables_are_refused_with_what_to_do() {
    let desk = Desk::new();
    assert!(desk.refused("").contains("swarms.csv: it is empty; its first line must name the columns: id,seeders"));
    assert!(desk.refused("x,1,5,0.5,0.1,9\n").contains("line 1: it has no header"));
    assert!(desk.refused("id,seeders,leechers,a,b\nx,1,5,0.5,0.1\n").contains("the header lacks `f`"));
    assert!(desk.refused("id,id,seeders,leechers,a,b,f\n").contains("the column `id` twice"));
    assert!(
        desk.refused("id,seeders,leechers,a,b,f\nx,1,5,0.5,0.1\n")
            .contains("line 2: it has 5 cells where the header has 6")
    );
    desk.put("s.csv", "id,seeders,leechers,a,b,f,clusters\nx,1,5,0.5,0.1,9,west\n");
    desk.put("c.csv", "id,capacity\neast,5\n")
        .put("empty.csv", "id,capacity\n")
        .put("neg.csv", "id,capacity\neast,-5\n");
    let unknown = desk.bad(20, "solve --swarms s.csv --clusters c.csv");
    assert!(unknown.contains("\"west\"") && unknown.contains("known are east"), "{unknown}");
    assert!(desk.bad(20, "solve --swarms s.csv --clusters empty.csv").contains("it names no cluster"));
    assert!(desk.bad(20, "solve --swarms s.csv --clusters neg.csv").contains("is negative"));
    desk.put("s.csv", "id,seeders,leechers,a,b,f,clusters\nx,1,5,0.5,0.1,9,;\n");
    assert!(desk.bad(20, "solve --swarms s.csv --clusters c.csv").contains("names no cluster"));
    assert!(desk.bad(1, "solve --swarms missing.csv --capacity 1").contains("missing.csv"));
    for wrong in ["", "--capacity NaN", "--capacity -1", "--capacity inf", "--capacity 10MB"] {
        desk.bad(2, &format!("solve --swarms s.csv {wrong}"));
    }
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is_written() {
    let desk = Desk::new();
    desk.put("s.csv", PLAIN).put("none.csv", "id,seeders,leechers,a,b,f\n");
    assert!(desk.bad(2, "solve --swarms s.csv --capacity -5").contains("'-5' for '--capacity"));
    assert!(desk.bad(2, "simulate --swarms 0").contains("error: failed to set up the simulation: swarms = 0"));
    for (out, says) in [(".", "is a directory"), ("nowhere/out.csv", "failed to write nowhere/out.csv: No such file")] {
        for command in ["solve --swarms s.csv --capacity 5", "compare --swarms s.csv --capacity 5"] {
            let said = desk.bad(1, &format!("{command} --out {out}"));
            assert!(said.contains(says) && !said.contains(".videocloud-scheduler-"), "{said}");
        }
    }
    let few = desk.bad(2, "compare --swarms none.csv --capacity 5 --solvers --out out.csv");
    assert!(few.contains("not on 0 swarms") && !desk.0.path().join("out.csv").exists(), "{few}");
    // Nothing is 0, not -0.
    for command in ["solve --swarms none.csv --capacity 0", "compare --swarms none.csv --capacity 0"] {
        let output = desk.run(command);
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success() && !String::from_utf8_lossy(&said).contains("-0"), "{command}");
    }
    // What a policy would give first is no floor that somebody asked for.
    let output = desk.run("solve --swarms s.csv --capacity 5 --policy injection-first --out out.csv");
    assert!(output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("floor"));
}

#[test]
fn extremes_have_the_documented_result() {
    let desk = Desk::new();
    // No capacity, nobody there, a lone viewer, one swarm, all alike, floors above the capacity.
    desk.put("s.csv", PLAIN);
    let nothing = desk.good("solve --swarms s.csv --capacity 0");
    assert!(rows(&nothing).iter().all(|row| number(row, "rate") == 0.0), "{nothing}");
    desk.put("s.csv", "id,seeders,leechers,a,b,f\nidle,5,0,0.5,0.1,9\nsolo,0,1,,,\ncrowd,1,90,0.5,0.1,900\n");
    let found = rows(&desk.good("solve --swarms s.csv --capacity 1e5"));
    assert_eq!((number(&found[0], "rate"), number(&found[0], "download")), (0.0, 0.0));
    assert!(number(&found[1], "rate") >= 30_000.0 && found[1]["download"] == found[1]["rate"], "{found:?}");
    desk.put("s.csv", "id,seeders,leechers,a,b,f\nonly,1,5,0.5,0.1,1e6\n");
    let only = rows(&desk.good("solve --swarms s.csv --capacity 12345"));
    assert!((number(&only[0], "rate") - 12_345.0).abs() < 1e-6);
    let alike: String = (0..1000).map(|i| format!("s{i},1,5,0.5,0.1,1e4\n")).collect();
    desk.put("s.csv", &format!("id,seeders,leechers,a,b,f\n{alike}"));
    let out = desk.good("solve --swarms s.csv --capacity 1");
    let rates: Vec<f64> = rows(&out).iter().map(|row| number(row, "rate")).collect();
    assert!(rates.iter().all(|rate| rate == &rates[0]) && rates.iter().sum::<f64>() <= 1.0);
    desk.put("s.csv", "id,seeders,leechers,a,b,f,floor\nx,1,50,0.5,0.1,9000,3000\ny,1,50,0.5,0.1,9000,1000\n");
    let output = desk.run("solve --swarms s.csv --capacity 1000 --out out.csv --json");
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("swarm x: its floor of 3000 B/s does not fit"), "{said}");
    let found = rows(&desk.get("out.csv"));
    assert!((number(&found[0], "rate") / number(&found[1], "rate") - 3.0).abs() < 1e-6, "{found:?}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["scaled_floors"], 2);
    desk.put("s.csv", "id,seeders,leechers,a,b,f\n");
    assert_eq!(desk.good("solve --swarms s.csv --capacity 5"), "id,cluster,rate,download,marginal\n");
}

#[test]
fn every_policy_and_objective_answers_and_a_warm_start_changes_nothing() {
    let desk = Desk::new();
    desk.put("s.csv", PLAIN);
    let cold = desk.good("solve --swarms s.csv --capacity 1e6 --out a.csv --json");
    let summary: serde_json::Value = serde_json::from_str(&cold).unwrap();
    assert!(summary["duality_gap"].as_f64().unwrap() <= 1e-9);
    desk.good(&format!("solve --swarms s.csv --capacity 1e6 --out b.csv --warm-start {}", summary["warm"]));
    for (a, b) in rows(&desk.get("a.csv")).iter().zip(rows(&desk.get("b.csv"))) {
        assert!((number(a, "rate") / number(&b, "rate") - 1.0).abs() < 1e-9);
    }
    for policy in ["free-competitive", "proportional", "ration", "injection-first"] {
        assert_eq!(rows(&desk.good(&format!("solve --swarms s.csv --capacity 1e6 --policy {policy}"))).len(), 3);
    }
    for objective in ["balanced", "delay", "target --target-rate 5e3"] {
        let out = desk.good(&format!("solve --swarms s.csv --capacity 1e6 --objective {objective}"));
        let sum: f64 = rows(&out).iter().map(|row| number(row, "rate")).sum();
        assert!(sum > 0.0 && sum <= 1e6, "{objective}: {sum}");
    }
}

#[test]
fn fits_what_made_the_samples_and_solve_reads_the_fit() {
    let desk = Desk::new();
    let mut samples = "leechers,id,interval,upload,download,seeders\n".to_owned();
    let mut add = |id: &str, a: f64, b: f64, f: f64| {
        for t in 0..40 {
            let (s, l) = (2.0 + f64::from(t % 7), 50.0 + 11.0 * f64::from(t % 13));
            let upload = l * 1000.0 * (1.0 + f64::from(t * t % 17));
            let download = l * (upload / l).powf(a) * (l / (s + 1.0)).powf(-b) * f;
            samples += &format!("{l},{id},{},{upload},{download},{s}\n", 300 * t);
        }
    };
    add("good", 0.45, 0.15, 700.0);
    add("steep", 1.3, 0.2, 0.01);
    samples += "1,lone,0,40000,40000,0\n20,few,0,40000,90000,3\n";
    desk.put("samples.csv", &samples);
    let text = desk.good("fit --samples samples.csv --out fit.csv --json");
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(summary["clamped"], 1, "{summary}");
    let found = rows(&desk.get("fit.csv"));
    for (column, truth) in [("a", 0.45), ("b", 0.15), ("f", 700.0)] {
        assert!((number(&found[0], column) / truth - 1.0).abs() < 1e-4, "{column}: {found:?}");
    }
    assert_eq!((found[1]["a"].as_str(), found[1]["source"].as_str()), ("0.9", "clamped"));
    assert_eq!((found[2]["a"].as_str(), found[2]["source"].as_str()), ("", "solo"));
    assert_eq!(found[3]["source"], "population");
    let out = desk.good("solve --swarms fit.csv --capacity 1e6");
    assert_eq!(rows(&out).len(), 4);
    desk.good("fit --samples samples.csv --method kalman --out kalman.csv");
    let a = number(&rows(&desk.get("kalman.csv"))[0], "a");
    assert!((a - 0.45).abs() < 0.1, "{a}");
    desk.put("samples.csv", "id,interval,upload,download,seeders,leechers\nx,1,5,9,1,2\nx,1,6,9,1,2\n");
    let text = desk.bad(20, "fit --samples samples.csv");
    assert!(text.contains("line 3, column `interval`") && text.contains("line 2 already"), "{text}");
}

#[test]
fn simulates_a_day_the_same_for_the_same_seed() {
    let desk = Desk::new();
    desk.good("simulate --swarms 30 --seed 5 --out a.csv --plots plots --pool pool.csv");
    desk.good("simulate --swarms 30 --seed 5 --out b.csv");
    assert_eq!(desk.get("a.csv"), desk.get("b.csv"));
    assert!(desk.get("plots/day.svg").starts_with("<svg"));
    desk.good("compare --swarms pool.csv --capacity 2e7 --out c.csv --solvers --plots plots");
    assert_eq!(rows(&desk.get("c.csv")).len(), 7);
    assert!(desk.get("plots/convergence.svg").contains("FA (conditional gradient)"));
    assert!(desk.get("plots/marginals.svg").contains("proportional"));
}

/// The table of docs/scheduler.md is what the shipped sample gives.
#[test]
fn the_sample_reproduces_the_table_of_the_page() {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = fs::read_to_string(docs.join("scheduler.md")).unwrap();
    let desk = Desk::new();
    fs::copy(docs.join("samples/scheduler/swarms.csv"), desk.0.path().join("swarms.csv")).unwrap();
    let output = desk.run("compare --swarms swarms.csv --capacity 2.25e9 --out out.csv --solvers");
    assert!(output.status.success());
    let printed = String::from_utf8(output.stderr).unwrap();
    let shown: Vec<&str> = printed.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    assert!(shown.len() >= 12, "{printed}");
    for line in shown {
        assert!(page.contains(line), "docs/scheduler.md lacks this line of `videocloud-scheduler compare`:\n{line}");
    }
}

#[test]
fn an_existing_result_is_replaced_whole_or_not_at_all() {
    let desk = Desk::new();
    desk.put("s.csv", PLAIN).put("out.csv", "precious\n").put("bad.csv", "id,seeders,leechers,a,b,f\nx,1,5,2,0.1,9\n");
    desk.bad(20, "solve --swarms bad.csv --capacity 5 --out out.csv");
    assert_eq!(desk.get("out.csv"), "precious\n");
    desk.bad(1, "solve --swarms s.csv --capacity 5 --out nowhere/out.csv");
    desk.good("solve --swarms s.csv --capacity 5 --out out.csv");
    assert!(desk.get("out.csv").starts_with("id,cluster"));
    let left: Vec<_> = fs::read_dir(desk.0.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("videocloud-scheduler-")), "{left:?}");
}

mod strange {
    use proptest::prelude::*;

    use super::{Desk, PLAIN, exact_sum, rows};

    /// Cells that somebody might write.
    fn cell() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => (0.0..1e3_f64).prop_map(|x| x.to_string()),
            2 => (-320.0..320.0_f64).prop_map(|x| format!("{:e}", 10_f64.powf(x))),
            1 => prop::sample::select(vec!["", "NaN", "-inf", "-0", "0", "1", "1e400", "\"", "\"\"", "\u{fffd}", ";", "pool", "0x10"])
                .prop_map(str::to_owned),
        ]
    }

    /// A row that is usually fine, and sometimes far out.
    fn row() -> impl Strategy<Value = Vec<String>> {
        let mostly = |low: f64, high: f64| prop_oneof![30 => (low..high).prop_map(|x| x.to_string()), 1 => cell()];
        let power = |low: i32, high: i32| prop_oneof![20 => (low..high).prop_map(|e| format!("1e{e}")), 1 => cell()];
        let perhaps = || prop_oneof![2 => Just(String::new()), 1 => (-9..12).prop_map(|e| format!("3e{e}"))];
        (
            mostly(0.0, 50.0),
            mostly(0.0, 500.0),
            mostly(0.01, 0.99),
            mostly(0.0, 3.0),
            power(-290, 300),
            perhaps(),
            perhaps(),
        )
            .prop_map(|(s, l, a, b, f, floor, ceiling)| vec![s, l, a, b, f, floor, ceiling, String::new()])
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_end_in_a_result_or_a_refusal(
            bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..100, header in any::<bool>(),
        ) {
            let desk = Desk::new();
            let mut text = if header { PLAIN.as_bytes().to_vec() } else { Vec::new() };
            let at = at.min(text.len());
            text.splice(at..at, bytes);
            std::fs::write(desk.0.path().join("s.csv"), text).unwrap();
            for command in ["solve --swarms s.csv --capacity 7.7", "fit --samples s.csv", "solve --swarms s.csv --clusters s.csv"] {
                let code = desk.run(command).status.code();
                prop_assert!(matches!(code, Some(0 | 20)), "{command}: {code:?}");
            }
        }

        #[test]
        fn any_table_is_shared_within_the_capacity_or_refused(
            table in prop::collection::vec(row(), 1..6), capacity in 0.0..1e6_f64,
        ) {
            let desk = Desk::new();
            let mut text = "id,seeders,leechers,a,b,f,floor,ceiling,weight\n".to_owned();
            for (i, cells) in table.iter().enumerate() {
                text += &format!("s{i},{}\n", cells.join(","));
            }
            desk.put("s.csv", &text);
            let capacity = format!("{capacity}");
            let output = desk.run(&format!("solve --swarms s.csv --capacity {capacity}"));
            match output.status.code() {
                Some(0) => {
                    let found = rows(std::str::from_utf8(&output.stdout).unwrap());
                    prop_assert_eq!(found.len(), table.len());
                    let short = found.iter().map(|row| row["rate"].as_str()).map(|rate| &rate[..rate.len().min(30)]);
                    prop_assert!(exact_sum(short) <= exact_sum([capacity.as_str()].into_iter()), "{text}");
                }
                code => prop_assert_eq!(code, Some(20), "{}{}", text, String::from_utf8_lossy(&output.stderr)),
            }
        }
    }
}
