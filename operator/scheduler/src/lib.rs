//! The bandwidth scheduler of videocloud: which swarm gets how much of the cloud's upload.
//!
//! Egress is the money of a video cloud, and a byte uploaded to one swarm multiplies more than to
//! another (the bandwidth multiplier effect: Li et al., IEEE IWQoS 2012). This crate models that
//! ([`model`]), learns it from what was measured ([`estimator`]), shares capacity exactly ([`solver`]) by
//! one of several policies ([`policy`]), keeps the paper's own algorithms to compare with ([`baseline`]), and
//! plays worlds to compare in ([`simulator`]). It is pure: no input or output, no clock, no Kubernetes.

pub mod baseline;
pub mod estimator;
pub mod model;
pub mod policy;
pub mod simulator;
pub mod solver;
pub mod units;
