//! The seeds of the fuzz targets, and broken variants of each, in an ordinary test: for machines without a fuzzer.
#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "../fuzz/checks.rs"]
mod checks;
#[path = "support/replay.rs"]
mod replay;

fn replay(target: &str, check: fn(&[u8])) {
    replay::replay(env!("CARGO_MANIFEST_DIR"), target, (4096, &[0x01, 0x10, 0x80, 0xff]), check);
}

#[test]
fn heads_of_answers() {
    replay("http_answer", checks::http_answer);
}

#[test]
fn control_connections() {
    replay("ftp", checks::ftp);
}

#[test]
fn metalinks() {
    replay("metalink", checks::metalink_document);
}
