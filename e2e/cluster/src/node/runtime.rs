//! The container runtime's configuration: containerd and the CNI network of the pods.

use serde_json::json;

use super::plan::Plan;
use crate::mounts;
use crate::name::ClusterName;
use crate::paths::{self, Folders, PathError};

/// The image that holds a pod's namespaces; it is made here, by [`crate::images::archive`].
pub(crate) const PAUSE: &str = "localhost/videocloud/pause:1";

/// The folder of what is known about registries, in a cluster's state folder.
pub(crate) const REGISTRIES: &str = "registries";

/// Writes containerd's and CNI's configuration.
pub(crate) fn configure(name: &ClusterName, plan: &Plan, folders: &Folders) -> Result<(), PathError> {
    for folder in [folders.state("cni"), folders.state("containerd"), folders.state(REGISTRIES), folders.run.clone()] {
        paths::make_folder(&folder)?;
    }
    paths::write(&folders.state("containerd.toml"), containerd(folders))?;
    paths::write(&folders.state("cni/10-videocloud.conflist"), cni(name, plan, folders))
}

/// Everything is kept in folders of this cluster, CNI's namespaces too, so that several runtimes share nothing.
/// Without CAP_SYS_RESOURCE the out-of-memory score cannot be lowered, and runc fails if it is told to.
fn containerd(folders: &Folders) -> String {
    let state = folders.state.display();
    let run = folders.run.display();
    let socket = folders.containerd_socket();
    let socket = socket.display();
    let snapshotter = if mounts::takes_overlays(&folders.state) { "overlayfs" } else { "native" };
    format!(
        r#"version = 2
root = "{state}/containerd"
state = "{run}/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]

[grpc]
  address = "{socket}"

[ttrpc]
  address = "{socket}.ttrpc"

[plugins."io.containerd.internal.v1.opt"]
  path = "{state}/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{state}/{REGISTRIES}"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{state}/cni"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = "{run}/runc"
        SystemdCgroup = false
"#
    )
}

/// Each pod gets a cable of its own to the node and is routed, not bridged: packets between two pods then always pass
/// the node's packet filter, as services need, also where the kernel cannot filter bridged ones.
fn cni(name: &ClusterName, plan: &Plan, folders: &Folders) -> String {
    let config = json!({
        "cniVersion": "1.0.0",
        "name": format!("videocloud-{name}"),
        "plugins": [
            {
                "type": "ptp",
                "ipam": {
                    "type": "host-local",
                    "dataDir": folders.run.join("addresses"),
                    "ranges": [[{"subnet": plan.pods}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    format!("{config:#}\n")
}
