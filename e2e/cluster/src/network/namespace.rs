//! One node's network namespace and the cable from it to the bridge.

use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::thread;

use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{NSFS_MAGIC, statfs};

use super::address::Range;
use super::bridge::{self, ip};
use super::{LIMIT, NetworkError};
use crate::command::{command, run};
use crate::name::ClusterName;
use crate::paths;

/// A node's network namespace.
#[derive(Debug, Clone)]
pub struct Namespace {
    name: String,
    cable: String,
}

/// Bytes per second on a cable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate(pub(crate) u64);

impl Rate {
    /// A token bucket filter; its bucket holds a fiftieth of a second, but no less than a segment offloaded whole.
    fn filter(self) -> Vec<String> {
        let (rate, burst) = (self.0.max(1), (self.0 / 50).max(128 << 10));
        ["tbf", "rate", &format!("{rate}bps"), "burst", &format!("{burst}b"), "latency", "100ms"]
            .map(str::to_owned)
            .into()
    }
}

impl Namespace {
    /// The namespace of a cluster's node; `index` names its cable.
    pub(crate) fn of(cluster: &ClusterName, index: u8) -> Self {
        Self { name: format!("videocloud-{cluster}"), cable: format!("vc-node{index}") }
    }

    /// Its name for `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that keeps it and by which it is entered.
    pub fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// Whether it is there: after a reboot the file may be left, with nothing behind it.
    pub(crate) fn exists(&self) -> bool {
        statfs(&self.path()).is_ok_and(|found| found.filesystem_type() == NSFS_MAGIC)
    }

    /// Makes the namespace and everything in it that is absent.
    pub(crate) async fn ensure(&self, node: Ipv4Addr, nodes: Range, pods: Range) -> Result<(), NetworkError> {
        if !self.exists() {
            paths::remove(&self.path())?;
            ip(&["netns", "add", &self.name]).await?;
        }
        let inside = ["-n", &self.name];
        let joined =
            bridge::exists(&self.cable) && ip(&[&inside[..], &["link", "show", "eth0"]].concat()).await.is_ok();
        if !joined {
            if bridge::exists(&self.cable) {
                ip(&["link", "delete", &self.cable]).await?;
            }
            let end = ["type", "veth", "peer", "name", "eth0", "netns", &self.name];
            ip(&[&["link", "add", &self.cable], &end[..]].concat()).await?;
        }
        ip(&["link", "set", &self.cable, "master", bridge::NAME, "up"]).await?;
        let (address, gateway) = (format!("{node}/{}", nodes.length()), bridge::gateway(nodes).to_string());
        for arguments in [
            &["link", "set", "lo", "up"][..],
            &["address", "replace", &address, "dev", "eth0"],
            &["link", "set", "eth0", "up"],
            &["route", "replace", "default", "via", &gateway],
            &["route", "flush", "type", "blackhole"],
        ] {
            ip(&[&inside[..], arguments].concat()).await?;
        }
        self.within(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1"))?;
        self.masquerade(pods).await
    }

    /// Pods leave the node under its address. One rule here costs less than one for each pod by its CNI plugin.
    async fn masquerade(&self, pods: Range) -> Result<(), NetworkError> {
        let pods = pods.to_string();
        let rule = ["POSTROUTING", "-s", &pods, "!", "-d", &pods, "-j", "MASQUERADE"];
        if self.iptables("-C", &rule).await.is_err() {
            self.iptables("-A", &rule).await?;
        }
        Ok(())
    }

    async fn iptables(&self, action: &str, rule: &[&str]) -> Result<(), NetworkError> {
        let enter = format!("--net={}", self.path().display());
        let arguments = [&[&enter, "iptables", "-w", "-t", "nat", action], rule].concat();
        run(command("nsenter", arguments), b"", LIMIT).await?;
        Ok(())
    }

    /// Plugs the node's cable in or out: unplugged, neither the host nor another node reaches it.
    pub(crate) async fn plug(&self, plugged: bool) -> Result<(), NetworkError> {
        ip(&["link", "set", &self.cable, if plugged { "up" } else { "down" }]).await?;
        Ok(())
    }

    /// Makes packets to another node vanish.
    pub(crate) async fn lose(&self, other: Ipv4Addr) -> Result<(), NetworkError> {
        ip(&["-n", &self.name, "route", "replace", "blackhole", &format!("{other}/32")]).await?;
        Ok(())
    }

    /// Lets packets to another node go their way again.
    pub(crate) async fn regain(&self, other: Ipv4Addr) -> Result<(), NetworkError> {
        ip(&["-n", &self.name, "route", "flush", "type", "blackhole", "exact", &format!("{other}/32")]).await?;
        Ok(())
    }

    /// Holds both directions of the cable to a rate, or to none.
    pub(crate) async fn limit(&self, rate: Option<Rate>) -> Result<(), NetworkError> {
        let ends = [vec!["-n", &self.name, "qdisc"], vec!["qdisc"]];
        for (end, device) in ends.into_iter().zip(["eth0", &self.cable]) {
            // The plain queue takes a filter's place, so that there is always one to replace.
            let queue = rate.map_or_else(|| vec!["pfifo".to_owned()], Rate::filter);
            let queue: Vec<_> = queue.iter().map(String::as_str).collect();
            let arguments = [&end[..], &["replace", "dev", device, "root"], &queue].concat();
            run(command("tc", arguments), b"", LIMIT).await?;
        }
        Ok(())
    }

    /// Runs `action` on a thread inside the namespace; the calling thread stays where it is.
    fn within<T: Send>(&self, action: impl FnOnce() -> io::Result<T> + Send) -> Result<T, NetworkError> {
        let enter_and_act = || {
            setns(File::open(self.path())?, CloneFlags::CLONE_NEWNET)?;
            action()
        };
        thread::scope(|scope| scope.spawn(enter_and_act).join())
            .unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
            .map_err(|source| NetworkError::Enter { name: self.name.clone(), source })
    }

    /// Removes the namespace and its cable; absence is success.
    pub(crate) async fn remove(&self) -> Result<(), NetworkError> {
        if bridge::exists(&self.cable) {
            ip(&["link", "delete", &self.cable]).await?;
        }
        if self.exists() {
            ip(&["netns", "delete", &self.name]).await?;
        }
        Ok(paths::remove(&self.path())?)
    }
}
