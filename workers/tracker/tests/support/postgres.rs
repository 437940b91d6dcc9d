//! A PostgreSQL server of the test's own: a fresh cluster in a folder, on a Unix socket there.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;
use videocloud_tracker::database::DatabaseLocation;

pub struct Postgres {
    folder: TempDir,
    bin: PathBuf,
}

impl Postgres {
    pub fn start() -> Self {
        let server = Self { folder: TempDir::new().unwrap(), bin: binaries() };
        let path = server.folder.path();
        // The server refuses to run as root, so its user must reach the folder.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
        let data = path.join("data");
        let init = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "--pgdata"];
        server.run("initdb", &[&init[..], &[data.to_str().unwrap()]].concat());
        server.up();
        server
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.folder.path().display())
    }

    pub fn location(&self) -> DatabaseLocation {
        self.url().parse().unwrap()
    }

    pub fn up(&self) {
        let path = self.folder.path();
        let options = format!("-c listen_addresses='' -c unix_socket_directories='{}'", path.display());
        let (data, log) = (path.join("data"), path.join("log"));
        let arguments = ["start", "-w", "-D", data.to_str().unwrap(), "-l", log.to_str().unwrap(), "-o", &options];
        self.run("pg_ctl", &arguments);
    }

    pub fn down(&self) {
        let data = self.folder.path().join("data");
        self.run("pg_ctl", &["stop", "-w", "-m", "immediate", "-D", data.to_str().unwrap()]);
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let program = self.bin.join(program);
        let mut command = if nix::unistd::geteuid().is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        // A server started here must not keep the pipes of this test open.
        let log = tempfile::NamedTempFile::new().unwrap();
        let (out, error) = (log.reopen().unwrap(), log.reopen().unwrap());
        let status = command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("LC_ALL", "C")
            .stdin(std::process::Stdio::null())
            .stdout(out)
            .stderr(error)
            .status()
            .unwrap();
        let text = std::fs::read_to_string(log.path()).unwrap();
        assert!(status.success(), "{} {arguments:?}: {text}", program.display());
        Output { status, stdout: text.into_bytes(), stderr: Vec::new() }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.folder.path().join("data/postmaster.pid").exists() {
            self.down();
        }
    }
}

/// Debian keeps the server's programs out of PATH, one folder per version.
fn binaries() -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.retain(|bin| bin.join("initdb").exists());
    versions.sort();
    versions.pop().unwrap_or_else(|| {
        assert!(Path::new("/usr/bin/initdb").exists(), "PostgreSQL is needed: apt-get install postgresql");
        PathBuf::from("/usr/bin")
    })
}
