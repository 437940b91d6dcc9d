//! The objects every cluster starts with: cluster DNS, the default StorageClass and its volumes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::dns;
use super::plan::Plan;
use crate::name::ClusterName;
use crate::paths::{self, Folders, PathError};

/// How many claims can be bound at once.
const VOLUMES: u8 = 16;

/// The storage class of claims that name none.
const DEFAULT_CLASS: &str = "standard";

/// The folder of a volume on the host.
pub(crate) fn volume_folder(folders: &Folders, volume: &str) -> PathBuf {
    folders.state("volumes").join(volume)
}

/// Makes the volumes' folders, which any user may write to, as with a disk fresh from a provisioner.
pub(crate) fn make_volumes(folders: &Folders) -> Result<(), PathError> {
    for volume in volumes() {
        let folder = volume_folder(folders, &volume);
        if !folder.exists() {
            paths::make_folder(&folder)?;
            let everybody = fs::Permissions::from_mode(0o777);
            fs::set_permissions(&folder, everybody).map_err(PathError::io("open up", &folder))?;
        }
    }
    Ok(())
}

fn volumes() -> impl Iterator<Item = String> {
    (0..VOLUMES).map(|number| format!("local-{number:02}"))
}

/// All first objects as one list.
pub(crate) fn all(name: &ClusterName, plan: &Plan, folders: &Folders) -> Value {
    let default = storage_class(DEFAULT_CLASS, true);
    let mut items = vec![dns_role(), dns_binding(), dns_service(plan), dns_endpoints(name, plan), default];
    items.extend(volumes().map(|volume| persistent_volume(name, folders, DEFAULT_CLASS, &volume, "1Ti")));
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// A storage class of one volume, both called `class`, of `bytes` bytes.
pub(crate) fn disk(name: &ClusterName, folders: &Folders, class: &str, bytes: u64) -> Value {
    let volume = persistent_volume(name, folders, class, class, &bytes.to_string());
    json!({"apiVersion": "v1", "kind": "List", "items": [storage_class(class, false), volume]})
}

fn dns_role() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": dns::USER},
        "rules": [
            {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ],
    })
}

fn dns_binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": dns::USER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": dns::USER},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": dns::USER}],
    })
}

/// A service without a selector: its endpoint is the node itself.
fn dns_service(plan: &Plan) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "spec": {
            "clusterIP": plan.dns(),
            "ports": [
                {"name": "dns", "protocol": "UDP", "port": 53},
                {"name": "dns-tcp", "protocol": "TCP", "port": 53},
            ],
        },
    })
}

fn dns_endpoints(name: &ClusterName, plan: &Plan) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns-node",
            "namespace": "kube-system",
            "labels": {
                "kubernetes.io/service-name": "kube-dns",
                "endpointslice.kubernetes.io/managed-by": "videocloud-cluster",
            },
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [plan.node()], "conditions": {"ready": true}, "nodeName": name.as_str()}],
        "ports": [
            {"name": "dns", "protocol": "UDP", "port": 53},
            {"name": "dns-tcp", "protocol": "TCP", "port": 53},
        ],
    })
}

fn storage_class(class: &str, default: bool) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": class,
            "annotations": {"storageclass.kubernetes.io/is-default-class": default.to_string()},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    })
}

/// A folder of the node as a volume; on one node it can be shared by any number of pods.
fn persistent_volume(name: &ClusterName, folders: &Folders, class: &str, volume: &str, capacity: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume},
        "spec": {
            "storageClassName": class,
            "capacity": {"storage": capacity},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": volume_folder(folders, volume)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [name.as_str()]},
            ]}]}},
        },
    })
}
