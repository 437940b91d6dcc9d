//! CSV files into the library's types, with every refusal naming file, line, column and value.

mod clusters;
mod number;
mod samples;
mod swarms;
mod table;

pub(crate) use clusters::{Clusters, clusters};
pub(crate) use number::capacity;
pub(crate) use samples::{Samples, samples};
pub(crate) use swarms::{Swarms, swarms};
pub(crate) use table::{Column, Row, Table};
