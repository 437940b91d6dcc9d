//! The paper's day, synthetic: 1,457 swarms in 5-minute periods whose truth is the power law.
//!
//! Published are the marginals only (peers and capacity over the day, how many swarms, how well
//! the law fits, the multipliers): spreads of the parameters are inputs, and [`calibrate()`] finds
//! those that reproduce the multipliers. What a policy gains here is a property of the
//! spreads, not a measurement; the independent truth is [`super::pieces`].

mod calibrate;
mod play;
mod scenario;
mod trace;

pub use calibrate::{Calibration, PaperMultipliers, calibrate};
pub(crate) use play::HUNGRY;
pub use play::{DayResult, Knowledge, Period, play};
pub use scenario::{Day, Spread};
pub use trace::Trace;
