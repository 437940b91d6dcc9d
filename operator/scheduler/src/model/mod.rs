//! What a swarm makes of the bandwidth it is given, and what is worth maximising.
//!
//! [`Law`] is the promise `D(S)`: concave, non-decreasing. [`PowerLaw`] is the paper's, [`RegimeLaw`]
//! follows from how swarms work, [`SoloLaw`] is a lone viewer; [`SwarmLaw`] is the one a
//! swarm was found to follow. [`Objective`] says what the pool's owner wants. Estimating laws
//! lives in [`crate::estimator`], allocating in [`crate::solver`] and [`crate::policy`].

mod law;
mod objective;
mod power;
mod regimes;
mod swarm;

pub use law::{Law, SoloLaw, SwarmLaw};
pub use objective::{DEFAULT_TARGET, Objective};
pub use power::{LawError, PowerLaw};
pub use regimes::RegimeLaw;
pub use swarm::{ClusterSet, MAX_CLUSTERS, SOLO_FLOOR, Swarm, TenantId};
