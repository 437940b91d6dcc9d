//! What can be made to go wrong on a node, what then happens, and that it can be put right.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]

mod support;

use support::{IMAGE, TestCluster, job, job_with_claim};
use videocloud_cluster::{Component, Options};

/// A web server that says when it is not answered.
fn server() -> String {
    format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: server}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: {IMAGE}
    command: [/bin/busybox, sh, -c, "mkdir /www && echo hello > /www/index.html && exec httpd -f -p 8080 -h /www"]
    readinessProbe: {{httpGet: {{port: 8080, path: /}}, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 1}}
    securityContext: {{runAsUser: 0}}
"#
    )
}

#[tokio::test]
async fn parts_containers_and_disks_fail_and_recover() {
    let cluster = TestCluster::up("fault").await;
    cluster.load_busybox().await;
    cluster.apply(&server()).await;
    becomes(&cluster, "condition=Ready").await;

    containers_crash_and_hang(&cluster).await;
    parts_restart_under_running_containers(&cluster).await;
    a_frozen_part_does_not_answer(&cluster).await;
    a_small_disk_fills_up(&cluster).await;
}

async fn containers_crash_and_hang(cluster: &TestCluster) {
    cluster.kill_container("default", "server", "main").await.unwrap();
    becomes(cluster, "jsonpath={.status.containerStatuses[0].restartCount}=1").await;
    becomes(cluster, "condition=Ready").await;
    cluster.freeze_container("default", "server", "main").await.unwrap();
    becomes(cluster, "condition=Ready=false").await;
    cluster.thaw_container("default", "server", "main").await.unwrap();
    becomes(cluster, "condition=Ready").await;
    let failure = cluster.kill_container("default", "server", "other").await.unwrap_err().to_string();
    assert!(failure.contains("container other of pod default/server"), "{failure}");
}

async fn parts_restart_under_running_containers(cluster: &TestCluster) {
    let identity = ["get", "pod", "server", "--output=jsonpath={.status.containerStatuses[0].containerID}"];
    let before = cluster.kubectl(&identity).await.unwrap();
    cluster.kill(Component::Kubelet).await.unwrap();
    cluster.apply(&job("later", "echo ran")).await;
    for component in [Component::Kubelet, Component::Runtime, Component::Scheduler, Component::Etcd] {
        cluster.restart(component, &Options::default()).await.unwrap();
        assert!(cluster.running(component), "{component}");
    }
    assert_eq!(cluster.finish_job("later").await, "ran\n");
    assert_eq!(cluster.kubectl(&identity).await.unwrap(), before, "a container outlives the node's parts");
}

async fn a_frozen_part_does_not_answer(cluster: &TestCluster) {
    cluster.freeze(Component::ApiServer).unwrap();
    assert!(cluster.running(Component::ApiServer), "frozen is not dead");
    let ask = ["get", "--raw=/healthz", "--request-timeout=1s"];
    cluster.kubectl(&ask).await.expect_err("nothing answers");
    cluster.thaw(Component::ApiServer).unwrap();
    cluster.kubectl(&["get", "--raw=/healthz"]).await.unwrap();
}

async fn a_small_disk_fills_up(cluster: &TestCluster) {
    const SIZE: u64 = 4 << 20;
    const LEFT: u64 = 64 << 10;
    let disk = cluster.small_disk("small", SIZE).await.unwrap();
    assert_eq!(disk.free().unwrap(), SIZE);
    disk.fill(LEFT).unwrap();
    assert_eq!(disk.free().unwrap(), LEFT);
    let write = "dd if=/dev/zero of=/data/file bs=64k count=16 2>&1 | grep -o 'No space left' || echo written";
    assert_eq!(cluster.run_job("full", &job_with_claim("full", write, "small")).await, "No space left\n");
    disk.drain().unwrap();
    assert_eq!(cluster.run_job("fits", &job_with_claim("fits", write, "small")).await, "written\n");
    assert_eq!(std::fs::metadata(disk.folder().join("file")).unwrap().len(), 1 << 20);
    let again = cluster.small_disk("small", SIZE).await.unwrap();
    assert!(again.free().unwrap() < SIZE, "the same disk is found again");
}

async fn becomes(cluster: &TestCluster, what: &str) {
    let condition = format!("--for={what}");
    cluster.kubectl(&["wait", &condition, "pod/server", "--timeout=60s"]).await.unwrap();
}
