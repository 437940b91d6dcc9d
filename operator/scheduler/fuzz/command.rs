//! The command's readers, compiled from their sources: a program has no library to link.

#[path = "../src/command/progress.rs"]
pub(crate) mod progress;
#[path = "../src/command/read/mod.rs"]
pub(crate) mod read;
