//! Hosts of links: downloads that ask one host at the same time share what all together may ask of it. Kept in memory only, for
//! shares last seconds, and whoever holds one says so with each renewal.

pub mod http;
mod leases;

pub use leases::{Full, Leases};
