//! See `checks/snapshot.rs`.
#![no_main]

#[path = "../checks/snapshot.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::snapshot(bytes));
