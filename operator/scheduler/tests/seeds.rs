//! The seeds of the fuzz targets, and broken variants of each, in an ordinary test: for machines without a fuzzer.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code, unused_imports)]

#[path = "../fuzz/command.rs"]
mod command;
#[path = "../../../workers/downloader/tests/support/replay.rs"]
mod replay;
#[path = "../fuzz/checks/snapshot.rs"]
mod snapshot;
#[path = "../fuzz/checks/tables.rs"]
mod tables;

fn replay(target: &str, check: fn(&[u8])) {
    replay::replay(env!("CARGO_MANIFEST_DIR"), target, (1024, &[0x01, 0x04, 0x10, 0x1c, 0x80, 0xff]), check);
}

#[test]
fn snapshots() {
    replay("snapshot", snapshot::snapshot);
}

#[test]
fn tables_of_the_command() {
    replay("tables", tables::tables);
}
