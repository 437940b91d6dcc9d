//! Kubelet's configuration file.

use serde_json::json;

use super::plan::Plan;
use crate::cgroup::Tree;
use crate::paths::{self, Folders, PathError};

/// Writes the configuration. Nothing of the node is evicted or collected: images are loaded by hand and cannot be pulled
/// again, and a developer's disk may be nearly full.
pub(crate) fn configure(plan: &Plan, folders: &Folders, tree: &Tree) -> Result<(), PathError> {
    let pki = folders.state("pki");
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": pki.join("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": pki.join("kubelet.crt"),
        "tlsPrivateKeyFile": pki.join("kubelet.key"),
        "containerRuntimeEndpoint": format!("unix://{}", folders.containerd_socket().display()),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": tree.kubelet_root(),
        "failCgroupV1": false,
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "oomScoreAdj": 0,
        "clusterDomain": "cluster.local",
        "clusterDNS": [plan.dns()],
        "resolvConf": "",
        "podLogsDir": folders.state("pods"),
        "staticPodPath": folders.state("manifests"),
        "volumePluginDir": folders.state("kubelet/volume-plugins"),
        "maxPods": 200,
        "serializeImagePulls": false,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%", "nodefs.inodesFree": "0%"},
        "nodeStatusUpdateFrequency": "4s",
        "fileCheckFrequency": "5s",
    });
    for folder in ["kubelet", "manifests", "pods"] {
        paths::make_folder(&folders.state(folder))?;
    }
    paths::write(&folders.state("kubelet.json"), format!("{config:#}\n"))
}
