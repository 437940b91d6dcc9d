//! A cluster, its API as raw requests, `helm` and `kubectl` of the same build.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use axum::http::{Method, Request};
use kube::Client;
use serde_json::Value;
use tokio::runtime::Runtime;
use videocloud_cluster::{Cluster, Options};
use videocloud_crds::definitions;
use videocloud_e2e::system::Objects;

/// Where the chart is installed.
pub const NAMESPACE: &str = "videocloud-system";

/// Everything a stage needs.
pub struct World {
    runtime: Runtime,
    name: String,
    cluster: Option<Cluster>,
    client: Client,
}

impl World {
    /// Brings the cluster up, with the chart installed under restricted Pod Security.
    pub fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Runtime::new().unwrap();
        let name = format!("vc-chart-{}", std::process::id());
        let (cluster, client) = runtime.block_on(async {
            let cluster = Cluster::up(&name, &Options::default()).await.unwrap();
            let client = Objects::open(&cluster.kubeconfig_path()).await.unwrap().client();
            (cluster, client)
        });
        let world = Self { runtime, name, cluster: Some(cluster), client };
        let namespace = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n  labels:\n    \
             pod-security.kubernetes.io/enforce: restricted\n    pod-security.kubernetes.io/warn: restricted\n"
        );
        world.must("kubectl", &["apply", "--filename=-"], &namespace);
        world.install("videocloud", &[]);
        world
    }

    fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().unwrap()
    }

    /// Runs `helm upgrade --install`. It does not wait: there are no images.
    pub fn install(&self, release: &str, more: &[&str]) {
        let chart = chart();
        let chart = chart.to_str().unwrap();
        let arguments = ["upgrade", "--install", release, chart, "--namespace", NAMESPACE];
        self.must("helm", &[&arguments[..], more].concat(), "");
    }

    /// Runs a program of the cluster's build as its administrator.
    pub fn run(&self, program: &str, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(self.cluster().program(program))
            .args(arguments)
            .env("KUBECONFIG", self.cluster().kubeconfig_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stdin, text) = (child.stdin.take().unwrap(), input.to_owned());
        // In a thread, so that neither side waits for the other with a full pipe.
        let writing = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
        let output = child.wait_with_output().unwrap();
        // A program that ends early does not read all of it.
        let _ = writing.join().unwrap();
        output
    }

    /// Runs it and answers what it printed; it has to succeed.
    pub fn must(&self, program: &str, arguments: &[&str], input: &str) -> String {
        let output = self.run(program, arguments, input);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// One request to the API server. A refusal is its message.
    pub fn request(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let body = if method == Method::GET { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.body(body).unwrap();
        match self.runtime.block_on(self.client.request::<Value>(request)) {
            Ok(value) => Ok(value),
            Err(kube::Error::Api(status)) => Err(status.message.clone()),
            Err(error) => panic!("the API server did not answer: {error}"),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.cluster.take());
        let removed = self.runtime.block_on(Cluster::remove(&self.name));
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The chart's folder.
pub fn chart() -> PathBuf {
    root().join("charts/videocloud")
}

/// Path of the collection an object of one of our kinds belongs to.
pub fn collection(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap();
    let definition = definitions().into_iter().find(|d| d.spec.names.kind == kind).unwrap();
    let plural = &definition.spec.names.plural;
    if definition.spec.scope == "Cluster" {
        return format!("/apis/videocloud.dev/v1alpha1/{plural}");
    }
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
    format!("/apis/videocloud.dev/v1alpha1/namespaces/{namespace}/{plural}")
}
