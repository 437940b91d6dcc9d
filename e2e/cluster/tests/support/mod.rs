//! What the tests share: clusters that are removed even when a test fails, and a small image with a shell.

use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use videocloud_cluster::images::archive;
use videocloud_cluster::{Cluster, Options};

/// The name of the image with busybox.
pub const IMAGE: &str = "localhost/videocloud/busybox:1";

/// A cluster of one test, removed at its end.
pub struct TestCluster {
    name: String,
    cluster: Cluster,
}

impl TestCluster {
    /// Brings up a cluster of this name and process.
    pub async fn up(name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let guard = Removal(name.clone());
        let cluster = Cluster::up(&name, &Options::default()).await.unwrap();
        std::mem::forget(guard);
        Self { name, cluster }
    }

    /// Gives it the image with busybox.
    pub async fn load_busybox(&self) {
        let program = Path::new("/usr/bin/busybox");
        let program = if program.exists() { program } else { Path::new("/bin/busybox") };
        assert!(program.exists(), "busybox is absent: apt-get install busybox-static");
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("busybox.tar");
        archive::of_program(IMAGE, program, "bin/busybox", &image).unwrap();
        self.cluster.load(&[&image]).await.unwrap();
    }

    /// Applies a manifest.
    pub async fn apply(&self, manifest: &str) {
        self.kubectl_with(&["apply", "--filename=-"], manifest.as_bytes()).await.unwrap();
    }

    /// Applies a manifest that makes the Job `name`, and returns what it said once it is complete.
    pub async fn run_job(&self, name: &str, manifest: &str) -> String {
        self.apply(manifest).await;
        self.finish_job(name).await
    }

    /// Waits until a Job is complete, and returns what it said.
    pub async fn finish_job(&self, name: &str) -> String {
        let job = format!("job/{name}");
        let waited = self.kubectl(&["wait", "--for=condition=Complete", &job, "--timeout=60s"]).await;
        let said = self.kubectl(&["logs", &job]).await;
        if let Err(error) = waited {
            let told = self.kubectl(&["describe", "pods"]).await;
            panic!("{error}\n{said:?}\n{}", told.unwrap_or_default());
        }
        said.unwrap()
    }

    /// Brings it up once more, as a user would after something broke.
    pub async fn up_again(&self) {
        Cluster::up(&self.name, &Options::default()).await.unwrap();
    }
}

impl Deref for TestCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        drop(Removal(self.name.clone()));
    }
}

/// Removes a cluster by the command, which works without a runtime.
pub struct Removal(pub String);

impl Drop for Removal {
    fn drop(&mut self) {
        let status = Command::new(env!("CARGO_BIN_EXE_videocloud-cluster")).args(["down", &self.0]).status();
        if !std::thread::panicking() {
            assert!(status.unwrap().success(), "cluster {} was not removed", self.0);
        }
    }
}

/// A Job that runs a shell script in the busybox image.
pub fn job(name: &str, script: &str) -> String {
    job_of(name, IMAGE, &["/bin/busybox", "sh", "-c", script], &json!([]), &json!([])).to_string()
}

/// A Job that runs a command in an image.
pub fn job_running(name: &str, image: &str, command: &[&str]) -> String {
    job_of(name, image, command, &json!([]), &json!([])).to_string()
}

/// A Job that runs a shell script with a volume of a storage class at `/data`; Jobs of one class share the claim.
pub fn job_with_claim(name: &str, script: &str, class: &str) -> String {
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": class}}]);
    let mounts = json!([{"name": "data", "mountPath": "/data"}]);
    let job = job_of(name, IMAGE, &["/bin/busybox", "sh", "-c", script], &volumes, &mounts);
    let claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": class},
        "spec": {
            "storageClassName": class,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Mi"}},
        },
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [claim, job]}).to_string()
}

/// Under the restricted Pod Security level, as the user that the project's images have.
fn job_of(name: &str, image: &str, command: &[&str], volumes: &Value, mounts: &Value) -> Value {
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": volumes,
            "containers": [{
                "name": "main",
                "image": image,
                "command": command,
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": mounts,
            }],
        }}},
    })
}
