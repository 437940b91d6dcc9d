//! Local Kubernetes clusters for tests and the demo: a real node (API server, controllers, scheduler, kubelet,
//! kube-proxy, DNS, container runtime, pod network) in a network namespace of its own, up in seconds, several at once.
//! Also the building of this project's images and their loading into a cluster. It knows nothing of what runs in them.
//!
//! [`Cluster::up`] converges: it finds what is there, starts what is missing, and makes anew what cannot be repaired.

pub mod assets;
pub mod cgroup;
mod cluster;
mod command;
pub mod faults;
pub mod images;
mod mounts;
pub mod name;
pub mod network;
pub mod node;
pub mod paths;
mod process;
pub mod progress;
mod ready;
mod teardown;

pub use cluster::{Cluster, Error, Options, names};
pub use command::CommandError;
pub use name::ClusterName;
pub use node::component::Component;
pub use progress::Progress;
