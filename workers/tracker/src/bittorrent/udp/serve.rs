//! The sockets: one per thread on the same port (SO_REUSEPORT: the kernel spreads addresses over them), datagrams received and sent
//! many at a time.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg},
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    connection::ConnectionIds,
    handle::{Batch, Handler},
};
use crate::{bittorrent::Counts, swarms::Swarms};

/// Datagrams of one system call.
const BATCH: usize = 64;
/// Longest request that is read: a scrape of 74 hashes, or an announce with a path.
const MAX_REQUEST: usize = 1536;
/// How long a thread without work sleeps before it looks whether to end.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Room in the kernel for bursts.
const BUFFER: usize = 4 << 20;

/// The UDP side could not start.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on udp {address}: {source}; choose another --udp")]
pub struct UdpError {
    address: SocketAddr,
    source: io::Error,
}

/// Threads that serve UDP. They end with [`UdpServer::stop`].
#[derive(Debug)]
pub struct UdpServer {
    address: SocketAddr,
    closing: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl UdpServer {
    /// Serves `address` on `threads` threads. Port 0 takes a free one.
    ///
    /// # Errors
    /// [`UdpError`] when the address cannot be had, or no thread.
    pub fn start(
        address: SocketAddr,
        threads: usize,
        swarms: &Arc<Swarms>,
        counts: &Arc<Counts>,
    ) -> Result<Self, UdpError> {
        let failed = |source| UdpError { address, source };
        let ids = ConnectionIds::new(rand::random());
        let closing = Arc::new(AtomicBool::new(false));
        let mut server = Self { address, closing: Arc::clone(&closing), threads: Vec::new() };
        for number in 0..threads.max(1) {
            let socket = bind(server.address).map_err(failed)?;
            // The others share the port that the first was given.
            server.address = socket.local_addr().map_err(failed)?;
            let handler = Handler::new(Arc::clone(swarms), Arc::clone(counts), ids);
            let (swarms, closing) = (Arc::clone(swarms), Arc::clone(&closing));
            let thread = std::thread::Builder::new().name(format!("udp-{number}"));
            let run = move || serve(&socket, handler, &swarms, &closing);
            server.threads.push(thread.spawn(run).map_err(failed)?);
        }
        Ok(server)
    }

    /// The address that is served.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the threads and waits for them.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for UdpServer {
    fn drop(&mut self) {
        self.end();
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // [::] takes IPv4 too.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_port(true)?;
    // As much as the system allows.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    socket.set_read_timeout(Some(LOOK_EVERY))?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn serve(socket: &UdpSocket, mut handler: Handler, swarms: &Swarms, closing: &AtomicBool) {
    let fd = socket.as_raw_fd();
    let mut buffers = vec![[0_u8; MAX_REQUEST]; BATCH];
    let mut receiving = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let mut sending = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let mut batch = Batch::default();
    let mut lengths: Vec<(usize, SocketAddr)> = Vec::with_capacity(BATCH);
    while !closing.load(Ordering::Relaxed) {
        lengths.clear();
        {
            let mut slices: Vec<[IoSliceMut<'_>; 1]> = buffers.iter_mut().map(|b| [IoSliceMut::new(b)]).collect();
            match recvmmsg(fd, &mut receiving, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None) {
                Ok(received) => {
                    lengths.extend(
                        received
                            .map(|message| (message.bytes, message.address.and_then(address)))
                            .map(|(length, from)| (length, from.unwrap_or(NOWHERE))),
                    );
                }
                Err(Errno::EAGAIN | Errno::EINTR) => continue,
                // Errors of earlier datagrams (unreachable ports) come back here; anything lasting must not spin.
                Err(Errno::ECONNREFUSED) => continue,
                Err(error) => {
                    tracing::warn!(%error, "failed to receive datagrams");
                    std::thread::sleep(LOOK_EVERY);
                    continue;
                }
            }
        }
        let now = swarms.now();
        batch.clear();
        for (buffer, (length, from)) in buffers.iter().zip(&lengths) {
            // One that fills the buffer was cut.
            if *length < MAX_REQUEST {
                handler.handle(&buffer[..*length], *from, now, &mut batch);
            }
        }
        handler.settle();
        send(fd, &batch, &mut sending);
    }
}

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

fn address(storage: SockaddrStorage) -> Option<SocketAddr> {
    if let Some(address) = storage.as_sockaddr_in() {
        return Some(SocketAddr::V4((*address).into()));
    }
    storage.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into()))
}

/// Sends all of a batch. What the kernel has no room for is lost, as datagrams may be: clients ask again.
fn send(fd: i32, batch: &Batch, headers: &mut MultiHeaders<SockaddrStorage>) {
    let slices: Vec<[IoSlice<'_>; 1]> = batch.iter().map(|(bytes, _)| [IoSlice::new(bytes)]).collect();
    let to: Vec<Option<SockaddrStorage>> = batch.iter().map(|(_, to)| Some(SockaddrStorage::from(to))).collect();
    let mut sent = 0;
    while sent < slices.len() {
        match sendmmsg(fd, headers, &slices[sent..], &to[sent..], [], MsgFlags::MSG_DONTWAIT) {
            // The call ends early at a datagram that cannot be sent; the next call tells why.
            Ok(results) => sent += results.count().max(1),
            Err(Errno::EINTR) => {}
            Err(_) => sent += 1,
        }
    }
}
