//! CSV into the library's types, with every refusal naming file, line, column and value.
//!
//! Needs nothing else of the command but its bars: the fuzz target and `tests/tables.rs` are built from these files.

mod clusters;
mod error;
mod input;
mod lines;
mod number;
mod samples;
mod swarms;
mod table;

pub(crate) use clusters::{Clusters, clusters};
pub(crate) use error::{CellError, TableError};
pub(crate) use input::Input;
pub(crate) use number::capacity;
pub(crate) use samples::{Samples, samples};
pub(crate) use swarms::{Swarms, swarms};
pub(crate) use table::{Column, Row, Table};
