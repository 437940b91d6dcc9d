//! The real uploader as a child process on free ports.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{SIGNING_KEY, tracker::UPLOADER_TOKEN};

pub struct Process {
    pub http: SocketAddr,
    pub metrics: SocketAddr,
    /// Where it seeds, if it does.
    pub bittorrent: Option<SocketAddr>,
    child: Child,
}

impl Process {
    /// Starts it on the store in `folder`.
    pub fn start(folder: &Path, tracker: Option<&str>, flags: &[&str]) -> Self {
        Self::on(folder.join("store").to_str().unwrap(), folder, tracker, flags)
    }

    /// Starts it on the store at a URL, with its files in `folder`.
    pub fn on(store: &str, folder: &Path, tracker: Option<&str>, flags: &[&str]) -> Self {
        Self::at("127.0.0.1", store, folder, tracker, flags)
    }

    /// As [`Process::on`], serving at the address `host`.
    pub fn at(host: &str, store: &str, folder: &Path, tracker: Option<&str>, flags: &[&str]) -> Self {
        Self::spawn(&mut Self::command(host, store, folder, tracker, flags))
    }

    /// How it is started.
    pub fn command(host: &str, store: &str, folder: &Path, tracker: Option<&str>, flags: &[&str]) -> Command {
        let any_port = format!("{host}:0");
        let (token, key) = (folder.join("uploader.token"), folder.join("signing.key"));
        std::fs::write(&token, UPLOADER_TOKEN).unwrap();
        std::fs::write(&key, SIGNING_KEY).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_videocloud-uploader"));
        command.args(["--store", store]).arg("--token-file").arg(token).arg("--signing-key-file").arg(key);
        if let Some(tracker) = tracker {
            command.args(["--tracker", tracker]);
        }
        if !flags.contains(&"--report-interval") {
            command.args(["--report-interval", "200ms"]);
        }
        command
            .args(["--http", &any_port, "--metrics", &any_port, "--name", "edge-0", "--log-format", "json"])
            .args(["--drain-delay", "0s"])
            .args(flags)
            .env("RUST_LOG", "info")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .stderr(Stdio::piped());
        command
    }

    /// Starts it, and waits until it serves.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut log = Vec::new();
        let (http, metrics, bittorrent) = loop {
            let line = lines.next().unwrap_or_else(|| panic!("the uploader ended: {log:?}")).unwrap();
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            let said = |name: &str| entry["fields"][name].as_str().filter(|text| !text.is_empty());
            let address = |name: &str| said(name).map(|text| text.parse().unwrap());
            if let (Some(http), Some(metrics)) = (address("http"), address("metrics")) {
                break (http, metrics, address("bittorrent"));
            }
            log.push(line);
        };
        // Ends with the child: its end of the pipe closes.
        std::thread::spawn(move || lines.for_each(drop));
        Self { http, metrics, bittorrent, child }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// The value of a metric, all labels summed up.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = super::client().get(format!("http://{}/metrics", self.metrics)).send().await.unwrap();
        let text = text.text().await.unwrap();
        let of = |line: &str| line.split([' ', '{']).next() == Some(name);
        let values = text.lines().filter(|line| of(line)).map(|line| line.rsplit(' ').next().unwrap());
        values.map(|value| value.parse::<f64>().unwrap()).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone in tests that end it themselves.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
