//! Results into files: whole or not at all, and sums that hold to the last printed digit.

mod decimal;
mod sink;

pub(crate) use decimal::Decimals;
pub(crate) use sink::Sink;
