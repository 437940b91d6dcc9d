//! The seeds of a fuzz target in an ordinary test: for machines without a fuzzer.

use std::path::Path;

/// Every seed of `target` below `crate_folder`, each cut at every length up to `most` bytes, and with every byte of those changed by
/// each of `bits`.
pub fn replay(crate_folder: &str, target: &str, (most, bits): (usize, &[u8]), check: fn(&[u8])) {
    let folder = Path::new(crate_folder).join("fuzz/corpus").join(target);
    let mut seeds = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let seed = std::fs::read(entry.unwrap().path()).unwrap();
        check(&seed);
        for at in 0..seed.len().min(most) {
            check(&seed[..at]);
            for bits in bits {
                let mut changed = seed.clone();
                changed[at] ^= bits;
                check(&changed);
            }
        }
        seeds += 1;
    }
    assert!(seeds > 0, "{target} has no seed");
}
