//! Announces and scrapes as nearly all peers make them: a plain request of a few hundred bytes, read, answered and written by the
//! connection's own task without the machinery of the API. Whatever else comes is left to that, with all its bytes.

use std::{net::IpAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{query::Target, service::body};
use crate::{Tracker, bittorrent::Protocol};

/// Longest request that is read here; a longer one is not refused, only left to the API.
const MAX_REQUEST: usize = 4096;
/// Headers beyond which a request is left to the API.
const MAX_HEADERS: usize = 24;
/// Room a connection begins with.
const ROOM: usize = 512;

/// What the bytes that came are.
#[derive(Debug, PartialEq, Eq)]
enum Request<'a> {
    /// Not whole yet.
    Partial,
    /// Nothing for us.
    Other,
    /// An announce or a scrape.
    Plain {
        target: Target<'a>,
        query: &'a str,
        /// Another request may follow.
        keep: bool,
        /// Bytes of it.
        length: usize,
    },
}

/// Serves a connection from `address` for as long as it brings announces, each within `patience`. What it brings instead, with the
/// connection; `None` when it has ended.
pub(crate) async fn serve(
    mut stream: TcpStream,
    tracker: &Tracker,
    address: IpAddr,
    patience: Duration,
    closing: &CancellationToken,
) -> Option<(TcpStream, Vec<u8>)> {
    let mut buffer = Vec::with_capacity(ROOM);
    let mut deadline = Instant::now() + patience;
    loop {
        match read(&buffer) {
            Request::Other => return Some((stream, buffer)),
            Request::Partial => {
                let idle = buffer.is_empty();
                let more = timeout_at(deadline, stream.read_buf(&mut buffer));
                let read = tokio::select! {
                    biased;
                    read = more => read,
                    // Whoever has begun a request is answered.
                    () = closing.cancelled(), if idle => return None,
                };
                if !matches!(read, Ok(Ok(1..))) {
                    return None;
                }
            }
            Request::Plain { target, query, keep, length } => {
                let (outcome, body) = body(&tracker.swarms, target, query, address);
                tracker.counts.add(Protocol::Http, outcome, 1);
                let keep = keep && !closing.is_cancelled();
                let written = timeout_at(Instant::now() + patience, stream.write_all(&answer(&body, keep))).await;
                if !matches!(written, Ok(Ok(()))) || !keep {
                    return None;
                }
                buffer.drain(..length);
                deadline = Instant::now() + patience;
            }
        }
    }
}

fn answer(body: &[u8], keep: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(96 + body.len());
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n");
    if !keep {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    out.extend_from_slice(body);
    out
}

fn read(bytes: &[u8]) -> Request<'_> {
    const GET: &[u8] = b"GET /";
    let known = bytes.len().min(GET.len());
    if bytes[..known] != GET[..known] {
        return Request::Other;
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_REQUEST => return Request::Partial,
        _ => return Request::Other,
    };
    let (path, query) = request.path.map_or(("", ""), |path| path.split_once('?').unwrap_or((path, "")));
    let (Some(target), Some(minor)) = (Target::parse(path), request.version) else { return Request::Other };
    let mut keep = minor == 1;
    for header in request.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("upgrade") || is("content-length") || is("transfer-encoding") || is("expect") {
            return Request::Other;
        }
        if is("connection") {
            let options = header.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            for option in options {
                keep = match option {
                    _ if option.eq_ignore_ascii_case(b"close") => false,
                    _ if option.eq_ignore_ascii_case(b"keep-alive") => true,
                    _ => keep,
                };
            }
        }
    }
    Request::Plain { target, query, keep, length }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANNOUNCE: &str = "GET /announce?info_hash=abc&x=%zz HTTP/1.1\r\nHost: a\r\n";

    fn keeps(text: &str) -> Option<bool> {
        match read(text.as_bytes()) {
            Request::Plain { keep, length, .. } => {
                assert_eq!(length, text.len());
                Some(keep)
            }
            _ => None,
        }
    }

    #[test]
    fn plain_announces_are_ours_and_all_else_is_not() {
        let whole = format!("{ANNOUNCE}\r\n");
        let Request::Plain { target, query, .. } = read(whole.as_bytes()) else { panic!() };
        assert_eq!((target, query), (Target::Announce(None), "info_hash=abc&x=%zz"));
        for end in 0..whole.len() {
            assert_eq!(read(&whole.as_bytes()[..end]), Request::Partial, "{end}");
        }
        let others = [
            "GET /v1/pools HTTP/1.1\r\n\r\n",
            "POST /announce HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET /announce HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            "GET /announce HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
            "GET /announce HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET /announce\r\n\r\n",
            "GET http://a/announce HTTP/1.1\r\n\r\n",
            "GET /announce HTTP/1.1\r\nno header\r\n\r\n",
        ];
        assert!(others.iter().all(|other| read(other.as_bytes()) == Request::Other));
        let long = format!("GET /announce?{}", "x".repeat(MAX_REQUEST));
        assert_eq!(read(long.as_bytes()), Request::Other);
        let many = format!("{ANNOUNCE}{}\r\n", "a: b\r\n".repeat(MAX_HEADERS));
        assert_eq!(read(many.as_bytes()), Request::Other);
    }

    #[test]
    fn a_connection_is_kept_as_its_client_says() {
        assert_eq!(keeps(&format!("{ANNOUNCE}\r\n")), Some(true));
        assert_eq!(keeps(&format!("{ANNOUNCE}Connection: foo, Close\r\n\r\n")), Some(false));
        assert_eq!(keeps("GET /scrape?info_hash=a HTTP/1.0\r\n\r\n"), Some(false));
        assert_eq!(keeps("GET /secret/announce HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n"), Some(true));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_bounds(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), ours in any::<bool>()) {
            if ours {
                bytes.splice(0..0, ANNOUNCE.bytes());
            }
            if let Request::Plain { length, .. } = read(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
