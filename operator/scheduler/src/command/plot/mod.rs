//! Line charts as SVG: what is drawn of days, gains, solvers and marginal utilities.

mod chart;

pub(crate) use chart::{Axis, Chart, Line};
