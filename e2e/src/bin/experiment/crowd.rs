//! The peers: one process that runs all of them, told by lines of JSON what to do, answering by lines of JSON.

use std::{collections::VecDeque, path::Path, process::Stdio};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::place::{HUB, ip};

const SCRIPT: &str = include_str!("crowd.py");

/// What a peer's program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Libtorrent,
    Aria2,
}

/// A peer's line, bytes per second.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    pub up: u64,
    pub down: u64,
}

/// Payload a peer has received, and the seconds it took to get everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    pub down: u64,
    pub ended: Option<f64>,
}

/// What a peer is to do.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    pub torrent: &'a Path,
    pub folder: &'a Path,
    pub size: u64,
    pub seed: bool,
    pub client: Client,
    /// Seconds between announces.
    pub pace: u64,
}

/// All peers.
pub struct Crowd {
    _process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// Said before it was asked for.
    heard: VecDeque<Value>,
}

impl Crowd {
    /// Starts it, and a peer for each of `lines`, wired to the hub.
    pub async fn start(python: &Path, lines: &[Line]) -> anyhow::Result<Self> {
        let mut process = Command::new(python)
            .args(["-W", "ignore", "-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("failed to start the peers")?;
        let input = process.stdin.take().context("no input")?;
        let output = BufReader::new(process.stdout.take().context("no output")?).lines();
        let mut crowd = Self { _process: process, input, output, heard: VecDeque::new() };
        for (number, line) in lines.iter().enumerate() {
            crowd.say(&json!({ "do": "make", "peer": number })).await?;
            let thread = crowd.hear("made", number).await?["thread"].to_string();
            let cable = format!("peer{number}");
            ip(&format!("link add {cable} type veth peer name eth0 netns {thread}"))?;
            ip(&format!("link set {cable} gso_max_segs 1 master {HUB} up"))?;
            super::place::shape(&cable, line.down)?;
            let address = format!("10.80.{}.{}", 1 + number / 200, 1 + number % 200);
            crowd.tell(number, json!({ "do": "wire", "address": address, "up": line.up })).await?;
        }
        Ok(crowd)
    }

    /// Starts a peer's client.
    pub async fn begin(&mut self, peer: usize, order: Order<'_>) -> anyhow::Result<()> {
        let client = if order.client == Client::Aria2 { "aria2" } else { "libtorrent" };
        let order = json!({
            "do": "start", "torrent": order.torrent, "folder": order.folder, "size": order.size, "seed": order.seed,
            "client": client, "pace": order.pace,
        });
        self.tell(peer, order).await
    }

    /// Ends it; what it had is gone.
    pub async fn end(&mut self, peer: usize) -> anyhow::Result<()> {
        self.tell(peer, json!({ "do": "stop" })).await
    }

    /// What all have received since they began.
    pub async fn counts(&mut self) -> anyhow::Result<Vec<Count>> {
        self.say(&json!({ "do": "poll" })).await?;
        let answer = self.find(|said| said["event"] == "poll").await?;
        let peers = answer["peers"].as_array().context("no peers")?;
        let mut counts = vec![Count::default(); peers.len()];
        for peer in peers {
            let number = peer[0].as_u64().context("no number")? as usize;
            let count = counts.get_mut(number).context("an unknown peer")?;
            *count = Count { down: peer[1].as_u64().unwrap_or(0), ended: peer[2].as_f64() };
        }
        Ok(counts)
    }

    async fn tell(&mut self, peer: usize, mut order: Value) -> anyhow::Result<()> {
        order["peer"] = peer.into();
        self.say(&order).await?;
        let what = order["do"].as_str().unwrap_or_default().to_owned();
        self.hear(&what, peer).await.map(drop)
    }

    async fn say(&mut self, order: &Value) -> anyhow::Result<()> {
        self.input.write_all(format!("{order}\n").as_bytes()).await.context("the peers have ended")
    }

    async fn hear(&mut self, event: &str, peer: usize) -> anyhow::Result<Value> {
        self.find(|said| said["event"] == event && said["peer"] == peer).await
    }

    async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        if let Some(found) = self.heard.iter().position(&wanted).and_then(|at| self.heard.remove(at)) {
            return Ok(found);
        }
        while let Some(line) = self.output.next_line().await? {
            let said: Value = serde_json::from_str(&line)?;
            if wanted(&said) {
                return Ok(said);
            }
            self.heard.push_back(said);
        }
        bail!("the peers have ended; what they said is above")
    }
}
