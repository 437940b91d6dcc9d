//! The hub operator: one controller per kind, each a pipeline of dereference, validate, build, apply and update status.
//!
//! Watches feed a compact index ([`index`]); controllers read it and never the API server; one writer admits Jobs
//! ([`admission`]); one sweeper removes what nobody owns ([`sweep`]). Only the holder of the Lease ([`leader`]) writes.

pub mod admission;
pub mod apiserver;
pub mod config;
pub mod controllers;
pub mod events;
pub mod http;
pub mod index;
pub mod jobs;
pub mod leader;
pub mod metrics;
pub mod operator;
pub mod predict;
pub mod status;
pub mod sweep;
pub mod work;
