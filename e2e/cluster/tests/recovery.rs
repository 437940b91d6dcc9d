//! What a local cluster survives, and that nothing of it stays.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]

mod support;

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use support::{Removal, TestCluster, job};
use videocloud_cluster::{Cluster, Component, Options};

#[tokio::test]
async fn up_repairs_what_was_killed_and_down_leaves_nothing() {
    let cluster = TestCluster::up("fall").await;
    cluster.load_busybox().await;
    cluster.kubectl(&["create", "configmap", "kept"]).await.unwrap();
    let before = cluster.run_job("before", &job("before", "echo alive")).await;
    assert_eq!(before, "alive\n");

    for component in Component::ALL {
        cluster.kill(component).await.unwrap();
        assert!(!cluster.running(component), "{component} was killed");
    }
    cluster.up_again().await;
    assert!(Component::ALL.into_iter().all(|component| cluster.running(component)));
    assert_eq!(cluster.run_job("after", &job("after", "echo alive")).await, "alive\n");

    // A power cut, and a boot that starts without namespaces and mounts.
    cluster.kill_node().await.unwrap();
    assert_eq!(cluster.cgroups().processes(), []);
    ip(&["netns", "delete", cluster.namespace().name()]);
    cluster.up_again().await;
    cluster.kubectl(&["get", "configmap", "kept"]).await.expect("what was stored is kept");
    assert_eq!(cluster.run_job("booted", &job("booted", "echo alive")).await, "alive\n");

    // A database that cannot be read is no reason to stay down.
    cluster.kill_node().await.unwrap();
    let database = cluster.folders().state.join("etcd/member/snap/db");
    std::fs::write(&database, "no database").unwrap();
    cluster.up_again().await;
    assert!(cluster.node_ready().await);
    cluster.kubectl(&["get", "configmap", "kept"]).await.expect_err("a new cluster is empty");

    let sleeper = ["run", "sleeper", "--image", support::IMAGE, "--command", "--", "/bin/busybox", "sleep", "600"];
    cluster.load_busybox().await;
    cluster.kubectl(&sleeper).await.unwrap();
    cluster.kubectl(&["wait", "--for=condition=Ready", "pod/sleeper", "--timeout=60s"]).await.unwrap();
    cluster.kill(Component::Runtime).await.unwrap();
    cluster.kill(Component::ApiServer).await.unwrap();
    let name = cluster.name().to_string();
    let (folders, groups) = (cluster.folders().clone(), cluster.cgroups().groups());
    let (namespace, processes) = (cluster.namespace().path(), cluster.cgroups().processes());
    assert!(!processes.is_empty() && !groups.is_empty() && namespace.exists(), "there is something to leave");
    Cluster::remove(&name).await.unwrap();

    for path in groups.iter().chain([&folders.state, &folders.run, &namespace]) {
        assert!(!path.exists(), "{} is left", path.display());
    }
    for process in processes {
        assert!(!alive(process.as_raw()), "process {process} is left");
    }
    assert!(!ip(&["address"]).contains(&cluster.plan().node().to_string()));
    for file in ["/proc/self/mounts", "/proc/net/unix"] {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(!text.contains(&name), "{file} still speaks of {name}");
    }
    for folder in ["/var/lib/cni/results", "/var/log/containers", "/run/netns", "/run/videocloud/claims"] {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let left: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| speaks_of(path, &name)).collect();
        assert!(left.is_empty(), "{left:?} is left");
    }
    Cluster::remove(&name).await.expect("removing nothing succeeds");
}

#[tokio::test]
async fn a_command_that_was_killed_can_be_given_again() {
    let name = format!("hasty-{}", std::process::id());
    let _removal = Removal(name.clone());
    for reached in [Component::Etcd, Component::Scheduler] {
        let mut up = command("up", &name);
        while !Cluster::find(&name).is_ok_and(|cluster| cluster.running(reached)) {
            assert!(up.try_wait().unwrap().is_none(), "it ended before {reached} ran");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        up.kill().unwrap();
        up.wait().unwrap();
    }
    let cluster = Cluster::up(&name, &Options::default()).await.unwrap();
    assert!(cluster.node_ready().await);

    let mut down = command("down", &name);
    while cluster.running(Component::ApiServer) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    down.kill().unwrap();
    down.wait().unwrap();
    Cluster::remove(&name).await.unwrap();
    assert!(!cluster.folders().state.exists() && !cluster.namespace().path().exists());
    assert_eq!((cluster.cgroups().processes(), cluster.cgroups().groups()), (vec![], vec![]));
}

fn command(action: &str, name: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_videocloud-cluster")).args(["--quiet", action, name]).spawn().unwrap()
}

#[tokio::test]
async fn names_that_cannot_be_and_clusters_that_are_not_are_told() {
    let failure = Cluster::find("never-made").unwrap_err().to_string();
    assert!(failure.contains("videocloud-cluster up never-made"), "{failure}");
    let failure = Cluster::remove("../etc").await.unwrap_err().to_string();
    assert!(failure.contains("lower-case letters"), "{failure}");
}

/// Whether a process exists and is not merely waiting to be reaped.
fn alive(process: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

/// Whether a file's name, its target or its content holds the cluster's name.
fn speaks_of(path: &Path, name: &str) -> bool {
    let target = std::fs::read_link(path).unwrap_or_default();
    let content = std::fs::read_to_string(path).unwrap_or_default();
    [path.to_string_lossy(), target.to_string_lossy(), content.into()].iter().any(|text| text.contains(name))
}

fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
