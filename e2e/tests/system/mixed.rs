//! One video behind links of every kind, most of which are no good: what comes is right all the same.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use videocloud_crds::videoobject::{SourceState, Verification};
use videocloud_e2e::system::follow::{is_ready, summary};

use crate::world::World;

const NAMESPACE: &str = "default";
/// Bytes that the FTP server gives before it dies.
const LAST_WORDS: u64 = 100_000;

/// A corrupt mirror, a good one, an FTP mirror that dies in the middle, and a magnet whose only peer is aria2: Ready, with the
/// file's digest, proven by the torrent's pieces; the corrupt mirror is banned.
pub async fn links_of_every_kind_give_the_right_bytes(world: &World) -> anyhow::Result<()> {
    let objects = world.objects().await?;
    let host = world.host()?;
    let file = world.fresh_clip("mixed", 90, 7).await?;
    let (folder, right) = (world.origin().folder(), world.origin().folder().join(&file));
    let bytes = tokio::fs::read(&right).await?;
    let digest = output("sha256sum", &[&right.to_string_lossy()]).await?[..64].to_owned();
    let mut wrong = bytes.clone();
    // One byte in each 16 KiB, so that no piece of it is right.
    wrong.iter_mut().step_by(16 << 10).for_each(|byte| *byte ^= 1);
    tokio::fs::write(folder.join("mixed-corrupt.mp4"), &wrong).await?;
    let dying = DyingFtp::start(host, bytes).await?;
    let (_seed, magnet) = seed(host, folder, &file, None).await?;
    let corrupt = world.origin().url("mixed-corrupt.mp4");
    let links = [&corrupt, &world.origin().url(&file), &dying.url, &magnet];
    objects.apply(&world.video("mixed", &links.map(String::as_str), &[]), NAMESPACE).await?;
    let video = objects.watch_video(NAMESPACE, "mixed", Duration::from_secs(240), is_ready).await?;
    let status = video.status.clone().context("no status")?;
    let content = status.content.context("no content in status")?;
    ensure!(content.id == digest, "content id is {}, not {digest}", content.id);
    ensure!(status.verification == Some(Verification::PieceHashes), "verification: {:?}", status.verification);
    let liar =
        status.sources.iter().find(|source| &*source.name == "link-0").context("no state of the corrupt mirror")?;
    ensure!(
        liar.state == SourceState::Banned && liar.reason.as_deref() == Some("WrongBytes"),
        "the corrupt mirror: {liar:?}"
    );
    println!("{}; the dying mirror was asked {} times", summary(&video), dying.sessions.load(Ordering::SeqCst));
    Ok(())
}

/// aria2 as the only seed of a torrent of `file`, of so many bytes per second at most, and a magnet link that names it.
pub async fn seed(host: Ipv4Addr, folder: &Path, file: &str, limit: Option<u64>) -> anyhow::Result<(Child, String)> {
    let aside = folder.join(format!("{file}-seed"));
    tokio::fs::create_dir_all(&aside).await?;
    tokio::fs::copy(folder.join(file), aside.join(file)).await?;
    let torrent = aside.join("seed.torrent").display().to_string();
    // An older one would be kept.
    let _ = tokio::fs::remove_file(&torrent).await;
    let path = aside.join(file).display().to_string();
    output("transmission-create", &["--piecesize", "64", "--outfile", &torrent, &path]).await?;
    let magnet = output("transmission-show", &["--magnet", &torrent]).await?;
    let port = std::net::TcpListener::bind((host, 0))?.local_addr()?.port();
    let child = Command::new("aria2c")
        .args(["--no-conf", "--quiet", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"])
        .arg(format!("--max-upload-limit={}", limit.unwrap_or(0)))
        .args(["--seed-ratio=0", "--check-integrity=true", "--bt-seed-unverified=false"])
        .args([format!("--listen-port={port}"), format!("--dir={}", aside.display()), torrent])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("failed to run aria2c: install the Debian package aria2")?;
    let listens = async {
        while TcpStream::connect((host, port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), listens).await.context("aria2c does not listen")?;
    Ok((child, format!("{}&x.pe={host}:{port}", magnet.trim())))
}

pub async fn output(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let done = Command::new(program).args(arguments).kill_on_drop(true).output().await;
    let done = done.with_context(|| format!("failed to run {program}"))?;
    ensure!(done.status.success(), "{program} failed: {}", String::from_utf8_lossy(&done.stderr).trim());
    Ok(String::from_utf8(done.stdout)?)
}

/// An FTP server that gives the first bytes of a file, and then neither these nor any more.
struct DyingFtp {
    url: String,
    sessions: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl DyingFtp {
    async fn start(host: Ipv4Addr, bytes: Vec<u8>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((host, 0)).await?;
        let url = format!("ftp://{}/mixed.mp4", listener.local_addr()?);
        let sessions = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sessions);
        let task = tokio::spawn(async move {
            let (bytes, mut alive) = (Arc::new(bytes), true);
            while alive {
                let Ok((control, _)) = listener.accept().await else { return };
                counter.fetch_add(1, Ordering::SeqCst);
                // A client that breaks off is none of the server's business.
                alive = session(host, control, &bytes).await.unwrap_or(true);
            }
        });
        Ok(Self { url, sessions, task })
    }
}

impl Drop for DyingFtp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves one client (RFC 959, RFC 2428); false when the server dies over it.
async fn session(host: Ipv4Addr, control: TcpStream, bytes: &[u8]) -> anyhow::Result<bool> {
    let (reader, mut writer) = control.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 ready\r\n").await?;
    let (mut data, mut offset) = (None, 0);
    while let Some(line) = lines.next_line().await? {
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let reply = match verb.to_ascii_uppercase().as_str() {
            "USER" | "PASS" => "230 welcome".to_owned(),
            "TYPE" | "NOOP" => "200 well".to_owned(),
            "SIZE" => format!("213 {}", bytes.len()),
            "REST" => {
                offset = argument.parse().unwrap_or(0).min(bytes.len());
                "350 go on".to_owned()
            }
            "EPSV" => {
                let listener = TcpListener::bind((host, 0)).await?;
                let port = listener.local_addr()?.port();
                // A REST that no RETR followed was a question only.
                (data, offset) = (Some(listener), 0);
                format!("229 here (|||{port}|)")
            }
            "RETR" => {
                let listener = data.take().context("no data connection was asked for")?;
                writer.write_all(b"150 here it comes\r\n").await?;
                let (mut stream, _) = listener.accept().await?;
                let rest = &bytes[offset..];
                let end = rest.len().min(usize::try_from(LAST_WORDS)?);
                stream.write_all(&rest[..end]).await?;
                if end > 1 {
                    return Ok(false);
                }
                // With the last byte clients find out whether REST is honoured.
                drop(stream);
                "226 done".to_owned()
            }
            "QUIT" => return Ok(true),
            _ => "502 not here".to_owned(),
        };
        writer.write_all(format!("{reply}\r\n").as_bytes()).await?;
    }
    Ok(true)
}
