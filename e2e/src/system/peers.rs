//! Machines of viewers beside a local cluster: each a network namespace of its own on the clusters' bridge, with an address that pods
//! see and a way to pods and services through the node. Removed when dropped.

use std::{
    net::Ipv4Addr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};

/// The bridge that joins local clusters.
const BRIDGE: &str = "vc-bridge";
/// The last part of the first machine's address; nodes are numbered from the other end.
const FIRST: u8 = 200;

/// A machine with programs on it.
#[derive(Debug)]
pub struct Machine {
    name: String,
    cable: String,
    /// Its address.
    pub address: Ipv4Addr,
    running: Vec<Child>,
}

impl Machine {
    /// Makes machine `number` (0 to 50) beside the node at `node`.
    ///
    /// # Errors
    /// `ip` is missing or refuses; what it said.
    pub fn start(number: u8, node: Ipv4Addr) -> anyhow::Result<Self> {
        let [a, b, c, _] = node.octets();
        let address = Ipv4Addr::new(a, b, c, FIRST + number);
        let machine = Self {
            name: format!("vc-viewer-{number}"),
            cable: format!("vc-viewer{number}"),
            address,
            running: Vec::new(),
        };
        machine.remove();
        ip(&["netns", "add", &machine.name])?;
        ip(&["link", "add", &machine.cable, "type", "veth", "peer", "name", "eth0", "netns", &machine.name])?;
        ip(&["link", "set", &machine.cable, "master", BRIDGE, "up"])?;
        for arguments in [
            &["link", "set", "lo", "up"][..],
            &["address", "add", &format!("{address}/24"), "dev", "eth0"],
            &["link", "set", "eth0", "up"],
            &["route", "add", "default", "via", &node.to_string()],
        ] {
            ip(&[&["-n", &machine.name], arguments].concat())?;
        }
        Ok(machine)
    }

    /// Starts a program on it; it is ended with the machine.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn run(&mut self, program: &str, arguments: &[String]) -> anyhow::Result<()> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("failed to run {program}: .ci/setup installs it"))?;
        self.running.push(child);
        Ok(())
    }

    /// Bytes that arrived at it, headers included.
    ///
    /// # Errors
    /// Its interface cannot be asked.
    pub fn received(&self) -> anyhow::Result<u64> {
        let said = ip(&["-n", &self.name, "-j", "-s", "link", "show", "eth0"])?;
        let links: serde_json::Value = serde_json::from_str(&said)?;
        links[0]["stats64"]["rx"]["bytes"].as_u64().context("the interface counts nothing")
    }

    fn remove(&self) {
        // Neither is there the first time.
        let _ = ip(&["link", "delete", &self.cable]);
        let _ = ip(&["netns", "delete", &self.name]);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.remove();
    }
}

/// A client of BitTorrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// aria2.
    Aria2,
    /// Transmission.
    Transmission,
    /// libtorrent, in the Python environment of this folder.
    Libtorrent,
}

/// Files a client goes by.
#[derive(Debug, Clone)]
pub struct Order {
    /// The torrent.
    pub torrent: PathBuf,
    /// Where it writes.
    pub folder: PathBuf,
    /// Python with libtorrent.
    pub python: PathBuf,
}

impl Client {
    /// Has it fetch a torrent on a machine and give next to nothing to others, so that what it receives is what it is sent.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn fetch(self, machine: &mut Machine, order: &Order) -> anyhow::Result<()> {
        std::fs::create_dir_all(&order.folder)?;
        let (torrent, folder) = (order.torrent.display().to_string(), order.folder.display().to_string());
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        match self {
            Self::Aria2 => {
                let flags = "--no-conf --quiet --enable-dht=false --bt-enable-lpd=false --seed-time=0 --file-allocation=none \
                             --max-upload-limit=1K --bt-tracker-interval=5 --listen-port=6882 --dir";
                machine.run("aria2c", &[words(flags), vec![folder, torrent]].concat())
            }
            Self::Transmission => {
                let config = order.folder.join("config");
                std::fs::create_dir_all(&config)?;
                let settings = serde_json::json!({
                    "bind-address-ipv4": machine.address.to_string(), "dht-enabled": false, "lpd-enabled": false,
                    "pex-enabled": false, "port-forwarding-enabled": false, "utp-enabled": false,
                    "speed-limit-up": 1, "speed-limit-up-enabled": true,
                });
                std::fs::write(config.join("settings.json"), settings.to_string())?;
                let flags = words("-p 6882 -u 1 -g");
                let places = vec![config.display().to_string(), "-w".into(), folder, torrent];
                machine.run("transmission-cli", &[flags, places].concat())
            }
            Self::Libtorrent => {
                let script = "import libtorrent as lt, sys, time\n\
                    session = lt.session({'listen_interfaces': '0.0.0.0:6882', 'enable_dht': False, 'enable_lsd': False,\n\
                    \x20   'enable_upnp': False, 'enable_natpmp': False, 'upload_rate_limit': 1000,\n\
                    \x20   'min_announce_interval': 5, 'rate_limit_ip_overhead': False})\n\
                    params = lt.add_torrent_params()\n\
                    params.ti = lt.torrent_info(sys.argv[1])\n\
                    params.save_path = sys.argv[2]\n\
                    handle = session.add_torrent(params)\n\
                    time.sleep(100000)\n";
                let python = order.python.display().to_string();
                machine.run(&python, &["-W".into(), "ignore".into(), "-c".into(), script.into(), torrent, folder])
            }
        }
    }
}

fn ip(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("ip").args(arguments).output().context("failed to run ip: .ci/setup installs it")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {} failed: {}", arguments.join(" "), said.trim());
    Ok(String::from_utf8(output.stdout)?)
}
