//! The seeds of the fuzz targets, and broken variants of each, in an ordinary test: for machines without a fuzzer.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code, unused_imports)]

#[path = "../fuzz/command.rs"]
mod command;
#[path = "../fuzz/checks/snapshot.rs"]
mod snapshot;
#[path = "../fuzz/checks/tables.rs"]
mod tables;

/// Every seed of `target`; cut at many lengths, and with many bytes changed.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut seeds = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let seed = std::fs::read(entry.unwrap().path()).unwrap();
        check(&seed);
        for at in 0..seed.len().min(1024) {
            check(&seed[..at]);
            for bits in [0x01, 0x04, 0x10, 0x1c, 0x80, 0xff] {
                let mut changed = seed.clone();
                changed[at] ^= bits;
                check(&changed);
            }
        }
        seeds += 1;
    }
    assert!(seeds > 0, "{target} has no seed");
}

#[test]
fn snapshots() {
    replay("snapshot", snapshot::snapshot);
}

#[test]
fn tables_of_the_command() {
    replay("tables", tables::tables);
}
