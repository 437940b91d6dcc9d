//! See `checks/tables.rs`.
#![no_main]

#[path = "../checks/tables.rs"]
mod checks;
#[path = "../command.rs"]
#[allow(dead_code, unused_imports)]
mod command;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::tables(bytes));
