//! A control plane of its own: etcd, an API server with the project's kinds, and of the controller manager the Job controller
//! and the garbage collector. No kubelet: pods wait for [`super::workers`].

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{conditions::is_crd_established, wait::await_condition},
};
use serde_json::json;
use tempfile::TempDir;
use videocloud_cluster::{Progress, assets::Assets};

const TOKEN: &str = "administrator";
/// Longest a part may take to answer on a busy machine.
const START: Duration = Duration::from_secs(120);

/// Processes that end with this value.
pub struct Machine {
    folder: TempDir,
    processes: Vec<Child>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The control plane that tests of this process share while at least one of them runs.
pub fn shared() -> Arc<Machine> {
    static SHARED: Mutex<Weak<Machine>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(machine) = shared.upgrade() {
        return machine;
    }
    // On a thread of its own: the caller may be inside a runtime.
    let started = std::thread::spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(Machine::start()));
    let machine = Arc::new(started.join().unwrap());
    *shared = Arc::downgrade(&machine);
    machine
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Machine {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let assets = Assets::obtain(Progress::Told).await.unwrap();
        let mut machine = Self { folder: tempfile::tempdir().unwrap(), processes: Vec::new() };
        let [etcd, peers, api] = [(); 3].map(|()| free_port());
        let folder = machine.folder.path().to_owned();
        let path = |name: &str| folder.join(name).display().to_string();
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        machine.spawn(
            &assets.program("etcd"),
            &[
                format!("--data-dir={}", path("etcd")),
                format!("--listen-client-urls={}", url(etcd)),
                format!("--advertise-client-urls={}", url(etcd)),
                format!("--listen-peer-urls={}", url(peers)),
                format!("--initial-advertise-peer-urls={}", url(peers)),
                format!("--initial-cluster=default={}", url(peers)),
                "--unsafe-no-fsync".into(),
            ],
        );
        let key = rcgen::KeyPair::generate().unwrap();
        fs::write(path("sa.key"), key.serialize_pem()).unwrap();
        fs::write(path("sa.pub"), key.public_key_pem()).unwrap();
        fs::write(path("tokens.csv"), format!("{TOKEN},admin,admin,\"system:masters\"\n")).unwrap();
        machine.spawn(
            &assets.program("kube-apiserver"),
            &[
                format!("--etcd-servers={}", url(etcd)),
                "--bind-address=127.0.0.1".into(),
                "--advertise-address=127.0.0.1".into(),
                "--endpoint-reconciler-type=none".into(),
                format!("--secure-port={api}"),
                format!("--cert-dir={}", path("api")),
                "--service-cluster-ip-range=10.96.0.0/16".into(),
                format!("--service-account-key-file={}", path("sa.pub")),
                format!("--service-account-signing-key-file={}", path("sa.key")),
                "--service-account-issuer=https://kubernetes.default.svc".into(),
                format!("--token-auth-file={}", path("tokens.csv")),
                "--authorization-mode=RBAC".into(),
                // Nobody makes the default service accounts here.
                "--disable-admission-plugins=ServiceAccount".into(),
            ],
        );
        machine.write_kubeconfig(api);
        let client = machine.client().await;
        machine.answering(&client).await;
        install(&client).await;
        // Started last: the garbage collector knows the kinds that exist when it starts.
        machine.spawn(
            &assets.program("kube-controller-manager"),
            &[
                format!("--kubeconfig={}", path("kubeconfig")),
                "--controllers=garbage-collector-controller,job-controller".into(),
                "--leader-elect=false".into(),
                "--secure-port=0".into(),
                "--kube-api-qps=200".into(),
                "--kube-api-burst=400".into(),
            ],
        );
        machine
    }

    fn spawn(&mut self, program: &Path, arguments: &[String]) {
        let name = program.file_name().unwrap().to_string_lossy().into_owned();
        let log = fs::File::create(self.folder.path().join(format!("{name}.log"))).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap_or_else(|error| panic!("failed to start {}: {error}", program.display()));
        self.processes.push(child);
    }

    fn write_kubeconfig(&self, port: u16) {
        let certificate = self.folder.path().join("api/apiserver.crt");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{port}"), "certificate-authority": certificate,
            }}],
            "users": [{"name": "test", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        fs::write(self.folder.path().join("kubeconfig"), text.to_string()).unwrap();
        // The API server makes its certificate on its way up.
        let deadline = std::time::Instant::now() + START;
        while fs::metadata(&certificate).map_or(true, |file| file.len() == 0) {
            assert!(std::time::Instant::now() < deadline, "no certificate; the API server said:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("kube-apiserver.log")).unwrap_or_default()
    }

    async fn answering(&self, client: &Client) {
        let deadline = tokio::time::Instant::now() + START;
        loop {
            let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
            if client.request_text(request).await.is_ok() {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "not ready; the API server said:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The file with an administrator's credentials.
    pub fn kubeconfig(&self) -> std::path::PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// The configuration of an administrator's client.
    pub async fn config(&self) -> Config {
        let file = Kubeconfig::read_from(self.kubeconfig()).unwrap();
        Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap()
    }

    /// An administrator's client.
    pub async fn client(&self) -> Client {
        Client::try_from(self.config().await).unwrap()
    }
}

/// Applies the project's kinds.
async fn install(client: &Client) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/generated");
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let definition: CustomResourceDefinition = serde_yaml_ng::from_str(&text).unwrap();
        let name = definition.metadata.name.clone().unwrap();
        api.patch(&name, &PatchParams::apply("tests"), &Patch::Apply(&definition)).await.unwrap();
        tokio::time::timeout(START, await_condition(api.clone(), &name, is_crd_established())).await.unwrap().unwrap();
    }
}
