//! Cluster DNS: CoreDNS as a process of the node, behind the ordinary `kube-dns` service. Pods see no difference, and a
//! node is ready without an image being built or a pod being started.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time;

use crate::paths::{self, Folders, PathError};

/// The user CoreDNS authenticates as.
pub(crate) const USER: &str = "system:coredns";

/// How long one question waits for its answer.
const ANSWER: Duration = Duration::from_millis(500);

/// Writes the configuration: the cluster's names, then those in the file `hosts`, and a firm no to all others, since
/// no question can leave the machine.
pub(crate) fn configure(folders: &Folders) -> Result<(), PathError> {
    let kubeconfig = folders.state("pki/coredns.kubeconfig");
    let (kubeconfig, hosts) = (kubeconfig.display().to_string(), folders.state("hosts"));
    if !hosts.exists() {
        paths::write(&hosts, "")?;
    }
    let hosts = hosts.display();
    let corefile = format!(
        ".:53 {{
    errors
    ready 127.0.0.1:8181
    cache 5
    hosts \"{hosts}\" {{
        ttl 5
        reload 1s
        fallthrough
    }}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig \"{kubeconfig}\"
        pods insecure
        ttl 5
        fallthrough in-addr.arpa ip6.arpa
    }}
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
"
    );
    paths::write(&folders.state("Corefile"), corefile)
}

/// Asks the server at port 53 of `node` for the IPv4 address of `name`.
///
/// # Errors
/// The server does not answer in time, or its answer holds no address.
pub(crate) async fn lookup(node: Ipv4Addr, name: &str) -> io::Result<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect(SocketAddr::from((node, 53))).await?;
    socket.send(&question(name)).await?;
    let mut answer = [0; 512];
    let length = time::timeout(ANSWER, socket.recv(&mut answer)).await??;
    address(&answer[..length]).ok_or_else(|| io::Error::other(format!("no address for {name}")))
}

/// A question for an A record (RFC 1035 section 4.1).
fn question(name: &str) -> Vec<u8> {
    let mut packet = vec![0x56, 0x43, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        packet.push(label.len() as u8);
        packet.extend(label.as_bytes());
    }
    packet.extend([0, 0, 1, 0, 1]);
    packet
}

/// The address at the end of an answer of success with exactly one record.
fn address(packet: &[u8]) -> Option<Ipv4Addr> {
    let succeeded = packet.get(3)? & 0x0f == 0 && packet.get(6..8)? == [0, 1];
    let last: [u8; 4] = packet.last_chunk().copied()?;
    succeeded.then(|| Ipv4Addr::from(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_a_refusal_is_not() {
        let mut answer = question("a.test");
        answer[7] = 1;
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 201, 1, 1]);
        assert_eq!(address(&answer), Some(Ipv4Addr::new(10, 201, 1, 1)));
        answer[3] = 3;
        assert_eq!(address(&answer), None);
        assert_eq!(address(&[]), None);
    }
}
