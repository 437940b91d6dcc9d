//! What a node consists of: its addresses, certificates, configuration files, programs and first objects.

pub(crate) mod certificates;
pub mod component;
pub(crate) mod dns;
pub(crate) mod kubelet;
pub(crate) mod objects;
pub mod plan;
pub(crate) mod runtime;
