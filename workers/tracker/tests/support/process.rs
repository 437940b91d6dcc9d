//! The real binary as a child process on a free port.

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

pub struct Process {
    pub address: SocketAddr,
    child: Child,
}

impl Process {
    /// Starts the tracker on `database`; `limits` is shell text run before it, for example `ulimit -f 100`.
    pub fn start(database: &str, key_file: &Path, limits: &str) -> Self {
        Self::start_with(database, key_file, limits, &["--http", "127.0.0.1:0"])
    }

    /// With these flags beside the log's, the database's and the key's.
    pub fn start_with(database: &str, key_file: &Path, limits: &str, flags: &[&str]) -> Self {
        let script = format!("{limits}\nexec \"$0\" \"$@\"");
        let mut child = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_videocloud-tracker")])
            .args(flags)
            .args(["--log-format", "json", "--database", database, "--key-file"])
            .arg(key_file)
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut log = Vec::new();
        let address = loop {
            let line = lines.next().unwrap_or_else(|| panic!("the tracker ended: {log:?}")).unwrap();
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(address) = entry["fields"]["http"].as_str() {
                break address.parse().unwrap();
            }
            log.push(line);
        };
        // Ends with the child: its end of the pipe closes.
        std::thread::spawn(move || lines.for_each(drop));
        Self { address, child }
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone in tests that end it themselves.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
