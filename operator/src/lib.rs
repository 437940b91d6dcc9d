//! The hub operator: one controller per kind, each a pipeline of dereference, validate, build, apply and update status.
//!
//! Watches feed a compact index ([`index`]); controllers read it and never the API server; one writer admits Jobs
//! ([`admission`]); one sweeper removes what nobody owns ([`sweep`]). Only the holder of the Lease ([`leader`]) writes.

pub mod config;
