//! Going through a proxy: HTTP `CONNECT` (RFC 9110, section 9.3.6) and SOCKS5 (RFC 1928, RFC 1929).
//!
//! The proxy itself is reached under the address policy. What lies behind it is the proxy's network, so names go to it
//! unresolved; an address in the link itself is still judged.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::{Host, Url};
use videocloud_protocol::failure::reason;

use super::SourceError;

/// How long the proxy may take to open a way.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Longest head of a proxy's answer, bytes.
const MAX_HEAD: usize = 8 << 10;

/// A text that names no proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to read a proxy: expected http://[USER:PASSWORD@]HOST:PORT or socks5://[USER:PASSWORD@]HOST:PORT")]
pub struct InvalidProxy;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Socks5,
}

/// A proxy and how to be let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    host: Host,
    port: u16,
    user: Option<(String, String)>,
}

impl fmt::Debug for Proxy {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidProxy)?;
        let kind = match url.scheme() {
            "http" => Kind::Http,
            "socks5" | "socks5h" => Kind::Socks5,
            _ => return Err(InvalidProxy),
        };
        let host = Host::parse(url.host_str().ok_or(InvalidProxy)?).map_err(|_| InvalidProxy)?;
        let port = url.port_or_known_default().unwrap_or(1080);
        let plain = |text: &str| {
            let bytes: Vec<u8> = percent(text);
            String::from_utf8(bytes).map_err(|_| InvalidProxy)
        };
        let user = match url.username() {
            "" => None,
            name => Some((plain(name)?, plain(url.password().unwrap_or_default())?)),
        };
        if user.as_ref().is_some_and(|(name, password)| name.len() > 255 || password.len() > 255) {
            return Err(InvalidProxy);
        }
        Ok(Self { kind, host, port, user })
    }
}

/// Decodes percent escapes; what is none stays.
fn percent(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| hex::decode(digits).ok());
        match (first, digits.as_deref()) {
            (b'%', Some(&[byte])) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    bytes
}

impl Proxy {
    /// Where it is.
    #[must_use]
    pub fn host(&self) -> Host<&str> {
        match &self.host {
            Host::Domain(name) => Host::Domain(name),
            Host::Ipv4(ip) => Host::Ipv4(*ip),
            Host::Ipv6(ip) => Host::Ipv6(*ip),
        }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Asks the proxy at the other end of `stream` for a way to `host`.
    ///
    /// # Errors
    /// [`SourceError`] when it refuses or breaks the protocol.
    pub async fn pass(&self, stream: &mut TcpStream, host: &Host<&str>, port: u16) -> Result<(), SourceError> {
        let asked = async {
            match self.kind {
                Kind::Http => self.connect(stream, host, port).await,
                Kind::Socks5 => self.socks(stream, host, port).await,
            }
        };
        let failed = |why: &str| {
            let message = format!("failed to reach {host} through the proxy: {why}");
            SourceError::transient(reason::UNREACHABLE, message)
        };
        match tokio::time::timeout(TIMEOUT, asked).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Refusal::Io(error))) => Err(failed(&error.to_string())),
            Ok(Err(Refusal::Said(why))) => Err(failed(&why)),
            Ok(Err(Refusal::Credentials)) => {
                let message = "the proxy does not accept the user name and password";
                Err(SourceError::gone(reason::FORBIDDEN, message))
            }
            Ok(Err(Refusal::Rule)) => {
                let message =
                    format!("the proxy does not lead to port {port} of {host}; its rules would have to allow it");
                Err(SourceError::gone(reason::FORBIDDEN, message))
            }
            Err(_) => Err(failed("no answer in time")),
        }
    }

    async fn connect(&self, stream: &mut TcpStream, host: &Host<&str>, port: u16) -> Result<(), Refusal> {
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some((name, password)) = &self.user {
            let pair = BASE64.encode(format!("{name}:{password}"));
            request.push_str(&format!("Proxy-Authorization: Basic {pair}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        // Byte by byte, because what follows the head belongs to the server behind the proxy.
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= MAX_HEAD {
                return Err(Refusal::Said("its answer is too long".to_owned()));
            }
            head.push(stream.read_u8().await?);
        }
        let line = String::from_utf8_lossy(&head);
        match line.split_whitespace().nth(1) {
            Some(status) if status.len() == 3 && status.starts_with('2') => Ok(()),
            // 401 is what a server says, and some proxies.
            Some("401" | "407") => Err(Refusal::Credentials),
            Some("403" | "405" | "501") => Err(Refusal::Rule),
            status => Err(Refusal::Said(format!("it answered {}", status.unwrap_or("nonsense")))),
        }
    }

    async fn socks(&self, stream: &mut TcpStream, host: &Host<&str>, port: u16) -> Result<(), Refusal> {
        let method = if self.user.is_some() { 2 } else { 0 };
        stream.write_all(&[5, 1, method]).await?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).await?;
        match (chosen, &self.user) {
            ([5, 0], _) => {}
            ([5, 2], Some((name, password))) => {
                let mut login = vec![1];
                for text in [name, password] {
                    login.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
                    login.extend_from_slice(text.as_bytes());
                }
                stream.write_all(&login).await?;
                stream.read_exact(&mut chosen).await?;
                if chosen[1] != 0 {
                    return Err(Refusal::Credentials);
                }
            }
            ([5, _], _) => return Err(Refusal::Credentials),
            _ => return Err(Refusal::Said("it does not speak SOCKS5".to_owned())),
        }
        let mut request = vec![5, 1, 0];
        match host {
            Host::Ipv4(ip) => {
                request.push(1);
                request.extend_from_slice(&ip.octets());
            }
            Host::Ipv6(ip) => {
                request.push(4);
                request.extend_from_slice(&ip.octets());
            }
            Host::Domain(name) => {
                let length = u8::try_from(name.len()).map_err(|_| Refusal::Said("the name is too long".to_owned()))?;
                request.extend_from_slice(&[3, length]);
                request.extend_from_slice(name.as_bytes());
            }
        }
        request.extend_from_slice(&port.to_be_bytes());
        stream.write_all(&request).await?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        if answer[..2] == [5, 2] {
            return Err(Refusal::Rule);
        }
        if answer[..2] != [5, 0] {
            return Err(Refusal::Said(format!("it answered with code {}", answer[1])));
        }
        // The bound address means nothing to a client.
        let length = match answer[3] {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await?),
            _ => return Err(Refusal::Said("its answer has no valid address".to_owned())),
        };
        stream.read_exact(&mut vec![0; length + 2]).await?;
        Ok(())
    }
}

enum Refusal {
    Io(std::io::Error),
    Said(String),
    Credentials,
    /// It does not lead there, and will not a minute later.
    Rule,
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::schedule::Fault;

    #[test]
    fn what_names_a_proxy() {
        let proxy: Proxy = "socks5://us%65r:p%40ss@proxy.example:9050".parse().unwrap();
        assert_eq!((proxy.port(), proxy.user.clone()), (9050, Some(("user".to_owned(), "p@ss".to_owned()))));
        assert!(!format!("{proxy:?}").contains("p@ss"));
        assert_eq!("http://[::1]:3128".parse::<Proxy>().unwrap().port(), 3128);
        for bad in ["", "proxy:3128", "ftp://a:1", "https://a:1", "socks4://a:1"] {
            assert_eq!(bad.parse::<Proxy>(), Err(InvalidProxy), "{bad}");
        }
    }

    /// Lets `proxy` pass against a server that answers each write with the next of `answers`.
    async fn against(proxy: &str, answers: &'static [&'static [u8]]) -> (Result<(), SourceError>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
            for answer in answers {
                let length = stream.read(&mut buffer).await.unwrap();
                seen.extend_from_slice(&buffer[..length]);
                stream.write_all(answer).await.unwrap();
            }
            seen
        });
        let mut stream = TcpStream::connect(address).await.unwrap();
        let proxy: Proxy = proxy.parse().unwrap();
        let passed = proxy.pass(&mut stream, &Host::Domain("a.example"), 80).await;
        drop(stream);
        (passed, server.await.unwrap())
    }

    #[tokio::test]
    async fn socks_with_and_without_a_user() {
        let answers: &[&[u8]] = &[&[5, 2], &[1, 0], &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]];
        let (passed, seen) = against("socks5://u:pw@h", answers).await;
        assert!(passed.is_ok());
        assert_eq!(seen, b"\x05\x01\x02\x01\x01u\x02pw\x05\x01\x00\x03\x09a.example\x00\x50");
        let (passed, _) = against("socks5://u:pw@h", &[&[5, 2], &[1, 1]]).await;
        assert_eq!(passed.unwrap_err().reason, reason::FORBIDDEN);
        for (code, fault, word) in [(4, Fault::Transient, reason::UNREACHABLE), (2, Fault::Gone, reason::FORBIDDEN)] {
            let answers: &[&[u8]] = if code == 4 { &[&[5, 0], &[5, 4, 0, 1]] } else { &[&[5, 0], &[5, 2, 0, 1]] };
            let error = against("socks5://h", answers).await.0.unwrap_err();
            assert_eq!((error.fault, error.reason), (fault, word));
        }
    }

    #[tokio::test]
    async fn connect_is_answered_or_refused() {
        let (passed, seen) = against("http://u:pw@h:1", &[b"HTTP/1.1 200 fine\r\nA: b\r\n\r\n"]).await;
        assert!(passed.is_ok());
        let seen = String::from_utf8(seen).unwrap();
        assert!(seen.starts_with("CONNECT a.example:80 HTTP/1.1\r\n") && seen.contains("Basic dTpwdw=="), "{seen}");
        let refused: [&'static [&'static [u8]]; 3] =
            [&[b"HTTP/1.1 407 no\r\n\r\n"], &[b"HTTP/1.0 401 no\r\n\r\n"], &[b"HTTP/1.1 403 no\r\n\r\n"]];
        for answers in refused {
            let error = against("http://h:1", answers).await.0.unwrap_err();
            assert_eq!((error.fault, error.reason), (Fault::Gone, reason::FORBIDDEN));
        }
        let error = against("http://h:1", &[b"HTTP/1.1 503 later\r\n\r\n"]).await.0.unwrap_err();
        assert_eq!((error.fault, error.reason), (Fault::Transient, reason::UNREACHABLE));
    }
}
