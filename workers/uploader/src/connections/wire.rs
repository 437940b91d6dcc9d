//! What the kernel knows of a connection: what of it went out, in how many packets, and what waits.

use std::os::fd::AsRawFd;

use nix::libc;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::rates::{UNLIMITED, Wire};

/// Most bytes the kernel may hold that are not on their way yet.
const NOT_SENT: u64 = 64 << 10;
/// Least of them: below it the kernel would go idle between two wake-ups.
const LEAST_NOT_SENT: u64 = 4 << 10;
/// Part of a second of the capacity that one connection may hold.
const PART: u64 = 256;

/// Where the counts are in Linux's `struct tcp_info` (linux/tcp.h), which only ever grows at its end.
mod at {
    pub(super) const SEGMENT: usize = 16;
    pub(super) const SEGMENTS: usize = 136;
    pub(super) const WAITING: usize = 144;
    pub(super) const BYTES: usize = 200;
    pub(super) const END: usize = 208;
}

/// Has the kernel hold little of what it is given: what waits there goes out at a rate nobody allowed, once a stuck reader reads on.
pub fn hold_little(stream: &TcpStream, capacity: u64) {
    let most = if capacity == UNLIMITED { NOT_SENT } else { (capacity / PART).clamp(LEAST_NOT_SENT, NOT_SENT) };
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    if let Err(error) = SockRef::from(stream).set_tcp_notsent_lowat(most) {
        tracing::debug!(%error, "failed to set TCP_NOTSENT_LOWAT");
    }
}

/// What went out on a connection; `None` where the kernel does not say.
#[must_use]
pub fn wire(stream: &TcpStream) -> Option<Wire> {
    let info = info(stream)?;
    let word = |from: usize| info.get(from..from + 4)?.try_into().ok().map(u32::from_ne_bytes);
    let long = |from: usize| info.get(from..from + 8)?.try_into().ok().map(u64::from_ne_bytes);
    Some(Wire {
        bytes: long(at::BYTES)?,
        segments: word(at::SEGMENTS)?,
        waiting: u64::from(word(at::WAITING)?),
        segment: u64::from(word(at::SEGMENT)?),
    })
}

#[allow(unsafe_code, reason = "no crate in use asks for TCP_INFO")]
fn info(stream: &TcpStream) -> Option<[u8; at::END]> {
    let mut info = [0_u8; at::END];
    let mut length = libc::socklen_t::try_from(info.len()).ok()?;
    // SAFETY: the descriptor is open as long as `stream` is borrowed. The kernel writes at most `length` bytes to `info`, which has as
    // many and is valid whatever they are, and the length it wrote to `length`; it keeps neither pointer.
    let done = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    // An older kernel knows less and says so.
    (done == 0 && length as usize == info.len()).then_some(info)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn the_kernel_counts_bytes_and_packets() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        hold_little(&server, 1_000_000);
        assert_eq!(SockRef::from(&server).tcp_notsent_lowat().unwrap(), 4 << 10);
        server.write_all(&[7; 5000]).await.unwrap();
        client.read_exact(&mut [0; 5000]).await.unwrap();
        let first = wire(&server).unwrap();
        assert_eq!((first.bytes, first.waiting), (5000, 0));
        assert!(first.segments >= 1 && first.segment > 500, "{first:?}");
        client.write_all(&[1]).await.unwrap();
        server.read_exact(&mut [0; 1]).await.unwrap();
        server.write_all(&[7; 100]).await.unwrap();
        client.read_exact(&mut [0; 100]).await.unwrap();
        let second = wire(&server).unwrap();
        assert!(second.bytes == 5100 && second.segments > first.segments, "{second:?}");
    }
}
