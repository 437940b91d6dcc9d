//! Waits until a part of the cluster really works: each wait asks the part itself, and names it when time runs out.

use std::fmt::Display;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time;

use crate::paths::Folders;

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest time one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// A part did not work in time.
#[derive(Debug, thiserror::Error)]
#[error("failed to see {what} {how}: {last} (its log: {log})")]
pub struct NotReady {
    what: &'static str,
    how: String,
    last: String,
    log: String,
}

/// What is waited for, and until when.
pub(crate) struct Wait<'a> {
    /// As the end of "failed to see ...".
    pub(crate) what: &'static str,
    /// The log that may tell why it does not come.
    pub(crate) log: PathBuf,
    /// How long it may take.
    pub(crate) limit: Duration,
    /// Whether there is still hope: the part's process lives.
    pub(crate) alive: &'a (dyn Fn() -> bool + Sync),
}

impl Wait<'_> {
    /// Attempts until one succeeds, the part dies, or time is up.
    pub(crate) async fn until<T, E: Display, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, NotReady>
    where
        F: Future<Output = Result<T, E>>,
    {
        let started = Instant::now();
        loop {
            let alive = (self.alive)();
            let last = match time::timeout(ATTEMPT, attempt()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            let late = started.elapsed() > self.limit;
            if late || !alive {
                let how = if alive { format!("within {:?}", self.limit) } else { "before it ended".to_owned() };
                return Err(NotReady { what: self.what, how, last, log: self.log.display().to_string() });
            }
            time::sleep(PAUSE).await;
        }
    }
}

/// Whether something accepts connections on a TCP port.
pub(crate) async fn listening(address: Ipv4Addr, port: u16) -> std::io::Result<()> {
    TcpStream::connect(SocketAddr::from((address, port))).await.map(drop)
}

/// Whether the container runtime accepts connections.
pub(crate) async fn runtime_listening(folders: &Folders) -> std::io::Result<()> {
    UnixStream::connect(folders.containerd_socket()).await.map(drop)
}

/// Whether kube-proxy says at its health port that the packet filter holds its rules.
pub(crate) async fn proxy_healthy(node: Ipv4Addr) -> std::io::Result<()> {
    let mut connection = TcpStream::connect(SocketAddr::from((node, 10256))).await?;
    connection.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let status = answer.lines().next().unwrap_or_default();
    if status.contains(" 200 ") { Ok(()) } else { Err(std::io::Error::other(status.to_owned())) }
}
