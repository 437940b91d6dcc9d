//! What runs in a local cluster: Jobs, services, DNS, volumes, logs, exec, Pod Security, and a neighbour's NodePorts.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]

mod support;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use support::{IMAGE, TestCluster, job};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The size of a big file, in bytes.
const BIG: u64 = 1_000_000;

/// A web server with a volume of its own, as the charts make them: stateful, not root, headless and by NodePort.
fn web_server() -> String {
    format!(
        r#"
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: web}}
spec:
  serviceName: web
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 0
      securityContext: {{runAsNonRoot: true, runAsUser: 1234, fsGroup: 5678, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
      - name: main
        image: {IMAGE}
        command: [/bin/busybox, sh, -c, "echo hello > /data/index.html && head -c {BIG} /dev/zero > /data/big && echo serving && exec httpd -f -p 8080 -h /data"]
        ports: [{{containerPort: 8080}}]
        readinessProbe: {{httpGet: {{port: 8080, path: /}}, periodSeconds: 1}}
        securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
        volumeMounts: [{{name: data, mountPath: /data}}]
  volumeClaimTemplates:
  - metadata: {{name: data}}
    spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{clusterIP: None, selector: {{app: web}}, ports: [{{port: 8080}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: front}}
spec: {{type: NodePort, selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080, nodePort: 30080}}]}}
"#
    )
}

/// Looks names up and fetches by what it found; then from a server outside the cluster.
const PROBE: &str = r#"
address() { nslookup -type=a "$1" | sed -n 's/^Address: //p' | grep -v :; }
echo "api $(address kubernetes.default.svc.cluster.local)"
echo "pod $(wget -q -O - http://$(address web-0.web.default.svc.cluster.local):8080/)"
echo "service $(wget -q -O - http://$(address front.default.svc.cluster.local)/)"
echo "named $(address origin.test)"
nslookup -type=a nowhere.test 2>&1 | grep -o NXDOMAIN | head -n 1
echo "host $(wget -q -O - http://$HOST/)"
"#;

#[tokio::test]
async fn workloads_run_and_a_neighbour_reaches_them() {
    let (first, second) = tokio::join!(TestCluster::up("work"), TestCluster::up("near"));
    tokio::join!(first.load_busybox(), second.load_busybox());
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    first.kubectl(&["label", "namespace", "default", restricted]).await.unwrap();

    first.apply(&web_server()).await;
    first.kubectl(&["rollout", "status", "statefulset/web", "--timeout=60s"]).await.unwrap();
    let named = Ipv4Addr::new(198, 18, 7, 7);
    first.set_hosts(&[("origin.test", named)]).await.unwrap();
    let listener = TcpListener::bind((first.host_ip(), 0)).await.unwrap();
    let script = format!("HOST={}\n{PROBE}", listener.local_addr().unwrap());
    let manifest = job("probe", &script);
    let (said, ()) = tokio::join!(first.run_job("probe", &manifest), answer_once(listener, "outside"));
    let api = first.plan().services.address(1);
    assert_eq!(said, format!("api {api}\npod hello\nservice hello\nnamed {named}\nNXDOMAIN\nhost outside\n"));

    assert_eq!(get(first.node_ip(), "/").await.unwrap(), "hello\n", "the host reaches a NodePort");
    let from_near = format!("wget -q -O - http://{}:30080/", first.node_ip());
    assert_eq!(second.run_job("near", &job("near", &from_near)).await, "hello\n", "the neighbour reaches a NodePort");

    assert_eq!(first.kubectl(&["logs", "web-0"]).await.unwrap(), "serving\n");
    let inside = ["exec", "web-0", "--", "/bin/busybox", "stat", "-c", "%u:%g", "/data/index.html"];
    assert_eq!(first.kubectl(&inside).await.unwrap(), "1234:5678\n", "user and volume group");

    let privileged =
        ["run", "bad", "--image", IMAGE, "--overrides", r#"{"spec": {"hostNetwork": true}}"#, "--restart=Never"];
    let refusal = first.kubectl(&privileged).await.unwrap_err().to_string();
    assert!(refusal.contains("violates PodSecurity"), "{refusal}");

    networks_are_cut_and_joined(&first, &second).await;
    a_slow_cable_is_slow(&first).await;
    volumes_are_reused(&first).await;
}

async fn volumes_are_reused(cluster: &TestCluster) {
    let volume = ["get", "persistentvolumeclaim", "data-web-0", "--output=jsonpath={.spec.volumeName}"];
    let volume = cluster.kubectl(&volume).await.unwrap();
    let folder = cluster.folders().state.join("volumes").join(&volume);
    assert!(folder.join("index.html").exists());
    cluster.kubectl(&["delete", "statefulset/web", "persistentvolumeclaim/data-web-0"]).await.unwrap();
    let object = format!("persistentvolume/{volume}");
    cluster.kubectl(&["wait", "--for=jsonpath={.status.phase}=Released", &object, "--timeout=60s"]).await.unwrap();
    cluster.up_again().await;
    cluster.kubectl(&["wait", "--for=jsonpath={.status.phase}=Available", &object, "--timeout=60s"]).await.unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "a volume given back is empty");
}

async fn networks_are_cut_and_joined(first: &TestCluster, second: &TestCluster) {
    let ask = format!("nc -w 2 {} 30080 < /dev/null > /dev/null 2>&1 && echo open || echo cut", first.node_ip());
    first.part_from(second).await.unwrap();
    assert_eq!(second.run_job("parted", &job("parted", &ask)).await, "cut\n");
    assert_eq!(get(first.node_ip(), "/").await.unwrap(), "hello\n", "the host reaches both");
    first.rejoin(second).await.unwrap();
    assert_eq!(second.run_job("joined", &job("joined", &ask)).await, "open\n");
    first.disconnect().await.unwrap();
    assert_eq!(second.run_job("unplugged", &job("unplugged", &ask)).await, "cut\n");
    assert!(!first.node_ready().await, "the host does not reach it");
    first.connect().await.unwrap();
    assert!(first.node_ready().await);
}

async fn a_slow_cable_is_slow(cluster: &TestCluster) {
    const RATE: u64 = 500_000;
    cluster.limit_rate(Some(RATE)).await.unwrap();
    let started = Instant::now();
    assert_eq!(get(cluster.node_ip(), "/big").await.unwrap().len() as u64, BIG);
    // A lower bound holds on any machine: what did not fit into the bucket had to wait for it.
    let least = Duration::from_secs_f64((BIG - (128 << 10)) as f64 / RATE as f64);
    assert!(started.elapsed() >= least, "{:?}", started.elapsed());
    cluster.limit_rate(None).await.unwrap();
    assert_eq!(get(cluster.node_ip(), "/").await.unwrap(), "hello\n");
}

/// Answers one HTTP request with a body.
async fn answer_once(listener: TcpListener, body: &str) {
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        assert_ne!(connection.read_buf(&mut request).await.unwrap(), 0, "the request ended early");
    }
    let answer = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    connection.write_all(answer.as_bytes()).await.unwrap();
}

/// The body of an HTTP answer from the NodePort.
async fn get(address: Ipv4Addr, path: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect((address, 30080)).await?;
    connection.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}
