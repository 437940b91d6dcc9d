//! The seeds of the fuzz targets, and broken variants of each, in an ordinary test: for machines without a fuzzer.
#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "../fuzz/checks.rs"]
mod checks;

/// Every seed of `target`; cut at every length, and with every byte changed in turn.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut seeds = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let seed = std::fs::read(entry.unwrap().path()).unwrap();
        check(&seed);
        for at in 0..seed.len().min(4096) {
            check(&seed[..at]);
            for bits in [0x01, 0x10, 0x80, 0xff] {
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
