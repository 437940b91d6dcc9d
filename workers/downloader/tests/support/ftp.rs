//! Real FTP servers on free ports of the loopback: vsftpd for what most servers do, pyftpdlib for what some do wrong.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::venv::environment;

const SERVER: &str = include_str!("ftp_server.py");

/// A certificate for 127.0.0.1 and its key in one file, made for the test; it is its own authority.
pub fn certificate(folder: &Path) -> String {
    let path = folder.join("tls.pem").display().to_string();
    let key = folder.join("tls.key").display().to_string();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", &key, "-out", &path])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .stderr(Stdio::null())
        .status()
        .expect("openssl runs: install the Debian package openssl");
    assert!(made.success());
    let both = std::fs::read_to_string(&path).unwrap() + &std::fs::read_to_string(&key).unwrap();
    std::fs::write(&path, both).unwrap();
    path
}

/// A running vsftpd with an anonymous root.
pub struct Vsftpd {
    child: Child,
    host: String,
    port: u16,
    folder: tempfile::TempDir,
}

impl Vsftpd {
    /// Starts it with more lines of configuration; `{tls}` in them becomes the path of a certificate.
    pub fn start(lines: &str) -> Self {
        Self::start_on("127.0.0.1", lines)
    }

    /// The same on another address of the loopback, to be another host.
    pub fn start_on(host: &str, lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        // The anonymous root must not be writable, and it must be reachable for the user ftp.
        std::fs::create_dir(at("root")).unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let tls = if lines.contains("{tls}") { certificate(folder.path()) } else { String::new() };
        let port = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().port();
        let user = if std::fs::metadata("/proc/self").unwrap().uid() == 0 { "" } else { "run_as_launching_user=YES\n" };
        std::fs::create_dir(at("empty")).unwrap();
        let text = format!(
            "background=NO\nlisten=YES\nlisten_address={host}\nlisten_port={port}\nanonymous_enable=YES\n\
             local_enable=NO\nno_anon_password=NO\nanon_root={root}\nsecure_chroot_dir={empty}\nseccomp_sandbox=NO\n\
             xferlog_enable=YES\nxferlog_file={log}\nvsftpd_log_file={log}\nuse_localtime=NO\n{user}{}\n",
            lines.replace("{tls}", &tls),
            root = at("root"),
            empty = at("empty"),
            log = at("log"),
        );
        std::fs::write(at("vsftpd.conf"), text).unwrap();
        let child = Command::new("vsftpd")
            .arg(at("vsftpd.conf"))
            .stdout(Stdio::null())
            .spawn()
            .expect("vsftpd runs: install the Debian package vsftpd");
        let mut server = Self { child, host: host.to_owned(), port, folder };
        let limit = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect((host, port)).is_err() {
            assert!(server.child.try_wait().unwrap().is_none() && Instant::now() < limit, "vsftpd does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join("root").join(name), bytes).unwrap();
    }

    pub fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}:{}/{path}", self.host, self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn ca_file(&self) -> String {
        self.folder.path().join("tls.pem").display().to_string()
    }
}

impl Drop for Vsftpd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running pyftpdlib with faults.
pub struct Faulty {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
    log: Arc<Mutex<Vec<String>>>,
}

impl Faulty {
    /// Starts it; `faults` are words of `ftp_server.py`.
    pub fn start(faults: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("root")).unwrap();
        let tls = if faults.iter().any(|fault| fault.starts_with("tls")) {
            certificate(folder.path())
        } else {
            String::new()
        };
        let mut child =
            Command::new(environment("pyftpdlib", &["pyftpdlib==2.2.0", "pyopenssl==26.4.0"]).join("bin/python"))
                .args(["-u", "-c", SERVER])
                .arg(folder.path().join("root"))
                .arg(tls)
                .args(faults)
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit())
                .spawn()
                .expect("pyftpdlib starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.next().expect("pyftpdlib says where it listens").parse().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || lines.for_each(|line| kept.lock().unwrap().push(line)));
        Self { child, port, folder, log }
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join("root").join(name), bytes).unwrap();
    }

    pub fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/{path}", self.port)
    }

    pub fn ca_file(&self) -> String {
        self.folder.path().join("tls.pem").display().to_string()
    }

    /// Commands it was given, without their arguments.
    pub fn commands(&self, verb: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.split(' ').next() == Some(verb)).count()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
