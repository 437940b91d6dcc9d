//! A control connection: greeting, TLS, login, and commands one at a time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::either::Either;
use url::Host;
use videocloud_protocol::failure::reason;

use super::Shared;
use super::facts::{extended_port, passive_port};
use super::judge::{Step, refusal};
use super::place::{Place, Privacy};
use super::reply::{Reply, ReplyReader};
use super::wire::{Unsafe, Wire, secure, session};
use crate::source::SourceError;

/// How long a reply may take.
pub(super) const REPLY_TIMEOUT: Duration = Duration::from_secs(20);

/// A logged-in control connection.
pub(super) struct Control {
    wire: Wire,
    replies: ReplyReader,
    host: Host<String>,
    /// Where the control connection leads; data connections go to the same address, or behind a proxy to the same host.
    peer: Host<String>,
    /// Set when data connections are private, too.
    tls: Option<Arc<ClientConfig>>,
    quiet: bool,
}

impl Control {
    /// Connects and logs in.
    pub(super) async fn open(shared: &Shared, place: &Place) -> Result<Self, SourceError> {
        let mut control = match shared.privacy(place) {
            Privacy::Clear => Self::connect(shared, place).await?,
            Privacy::Implicit => match Self::implicit(shared, place).await? {
                Some(control) => control,
                // It greeted in clear: TLS is asked for there, and nothing goes over it before.
                None => {
                    shared.learn_explicit();
                    Self::explicit(shared, place).await?
                }
            },
            Privacy::Explicit => Self::explicit(shared, place).await?,
        };
        control.login(shared).await?;
        if control.tls.is_some() {
            control.expect(b"PBSZ 0", Step::Privacy, &[200]).await?;
            control.expect(b"PROT P", Step::Privacy, &[200]).await?;
        }
        if !place.path.is_ascii() {
            // Servers that keep to RFC 2640 need it; others refuse it, and that is their way of saying the same.
            control.ask(b"OPTS UTF8 ON").await?;
        }
        control.binary().await?;
        Ok(control)
    }

    async fn dial(shared: &Shared, place: &Place) -> Result<(TcpStream, Host<String>), SourceError> {
        let tcp = shared.route.connect(&borrowed(&place.host), place.port).await?;
        if shared.route.direct().is_none() {
            return Ok((tcp, place.host.clone()));
        }
        let peer = tcp.peer_addr().map_err(|error| broken(&place.host, &error.to_string()))?;
        let peer = match peer.ip() {
            IpAddr::V4(ip) => Host::Ipv4(ip),
            IpAddr::V6(ip) => Host::Ipv6(ip),
        };
        Ok((tcp, peer))
    }

    fn over(wire: Wire, place: &Place, peer: Host<String>, tls: Option<Arc<ClientConfig>>) -> Self {
        let (host, replies) = (place.host.clone(), ReplyReader::default());
        Self { wire, replies, host, peer, tls, quiet: place.quiet }
    }

    async fn connect(shared: &Shared, place: &Place) -> Result<Self, SourceError> {
        let (tcp, peer) = Self::dial(shared, place).await?;
        let mut control = Self::over(Either::Left(tcp), place, peer, None);
        control.greeting().await?;
        Ok(control)
    }

    /// `None` when the server does not begin with TLS.
    async fn implicit(shared: &Shared, place: &Place) -> Result<Option<Self>, SourceError> {
        let (tcp, peer) = Self::dial(shared, place).await?;
        let tls = session(&shared.tls);
        let wire = match secure(tcp, &place.host, &tls).await {
            Ok(wire) => wire,
            Err(Unsafe::Clear) => return Ok(None),
            Err(Unsafe::Failed(error)) => return Err(error),
        };
        let mut control = Self::over(wire, place, peer, Some(tls));
        control.greeting().await?;
        Ok(Some(control))
    }

    async fn explicit(shared: &Shared, place: &Place) -> Result<Self, SourceError> {
        let mut control = Self::connect(shared, place).await?;
        control.expect(b"AUTH TLS", Step::Privacy, &[234]).await?;
        let failed = |why: &str| {
            SourceError::gone(reason::TLS_FAILED, format!("failed to set up TLS with {}: {why}", place.host))
        };
        // Somebody in between could have put replies here that would then count as private.
        if !control.replies.is_empty() {
            return Err(failed("bytes in clear behind its consent"));
        }
        let Either::Left(tcp) = control.wire else { return Err(failed("it began before")) };
        let tls = session(&shared.tls);
        match secure(tcp, &place.host, &tls).await {
            Ok(wire) => Ok(Self::over(wire, place, control.peer, Some(tls))),
            Err(Unsafe::Clear) => Err(failed("it goes on in clear")),
            Err(Unsafe::Failed(error)) => Err(error),
        }
    }

    async fn greeting(&mut self) -> Result<(), SourceError> {
        let reply = self.reply().await?;
        if reply.code == 220 { Ok(()) } else { Err(self.refuse(Step::Greeting, &reply)) }
    }

    async fn login(&mut self, shared: &Shared) -> Result<(), SourceError> {
        let line = [b"USER ", shared.login.user.as_bytes()].concat();
        if self.expect(&line, Step::Login, &[230, 232, 331]).await?.code != 331 {
            return Ok(());
        }
        let line = [b"PASS ", shared.login.password.as_bytes()].concat();
        self.expect(&line, Step::Login, &[230, 202]).await.map(drop)
    }

    /// Bytes as they are. Also a way to see that command and reply are in step: nothing else answers 200.
    pub(super) async fn binary(&mut self) -> Result<(), SourceError> {
        self.expect(b"TYPE I", Step::Setup, &[200]).await.map(drop)
    }

    /// Sends a command and waits for its reply, whatever it is, but for "closing".
    pub(super) async fn ask(&mut self, line: &[u8]) -> Result<Reply, SourceError> {
        let line = [line, b"\r\n"].concat();
        let wire = &mut self.wire;
        let send = async {
            wire.write_all(&line).await?;
            wire.flush().await
        };
        match tokio::time::timeout(REPLY_TIMEOUT, send).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(broken(&self.host, &error.to_string())),
            Err(_) => return Err(broken(&self.host, "it takes no command")),
        }
        let reply = self.reply().await?;
        if reply.code == 421 { Err(self.refuse(Step::Setup, &reply)) } else { Ok(reply) }
    }

    /// Sends a command whose reply must be one of `codes`.
    pub(super) async fn expect(&mut self, line: &[u8], step: Step, codes: &[u16]) -> Result<Reply, SourceError> {
        let reply = self.ask(line).await?;
        if codes.contains(&reply.code) { Ok(reply) } else { Err(self.refuse(step, &reply)) }
    }

    /// The next reply. Safe to drop and call again.
    pub(super) async fn reply(&mut self) -> Result<Reply, SourceError> {
        match tokio::time::timeout(REPLY_TIMEOUT, self.read_reply()).await {
            Ok(reply) => reply,
            Err(_) => Err(broken(&self.host, "no reply in time")),
        }
    }

    async fn read_reply(&mut self) -> Result<Reply, SourceError> {
        let mut buffer = [0; 1024];
        loop {
            match self.replies.next_reply() {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {}
                Err(error) => {
                    let message = format!("failed to understand {}: {error}", self.host);
                    return Err(SourceError::gone(reason::PROTOCOL_ERROR, message));
                }
            }
            match self.wire.read(&mut buffer).await {
                Ok(0) => return Err(broken(&self.host, "it closed the connection")),
                Ok(length) => self.replies.push(&buffer[..length]),
                Err(error) => return Err(broken(&self.host, &error.to_string())),
            }
        }
    }

    /// A data connection, not yet private. It goes to the address of the control connection, whatever a reply says: that one was
    /// checked, and a server cannot use us to reach a third machine.
    pub(super) async fn data(&mut self, shared: &Shared) -> Result<TcpStream, SourceError> {
        let port = self.passive(shared).await?;
        shared.route.connect(&borrowed(&self.peer), port).await
    }

    async fn passive(&mut self, shared: &Shared) -> Result<u16, SourceError> {
        let unread = |host: &Host<String>| {
            let message = format!("failed to understand {host}: its data port cannot be read");
            SourceError::gone(reason::PROTOCOL_ERROR, message)
        };
        if shared.knows_extended() {
            let reply = self.ask(b"EPSV").await?;
            match reply.code {
                229 => return extended_port(&reply.text).ok_or_else(|| unread(&self.host)),
                500..=599 if !matches!(self.peer, Host::Ipv6(_)) => shared.learn_passive_only(),
                _ => return Err(self.refuse(Step::Setup, &reply)),
            }
        }
        let reply = self.expect(b"PASV", Step::Setup, &[227]).await?;
        passive_port(&reply.text).ok_or_else(|| unread(&self.host))
    }

    /// Makes a data connection private when the control connection is.
    pub(super) async fn protect(&self, tcp: TcpStream) -> Result<Wire, SourceError> {
        let Some(tls) = &self.tls else { return Ok(Either::Left(tcp)) };
        secure(tcp, &self.host, tls).await.map_err(|error| match error {
            Unsafe::Failed(error) => error,
            Unsafe::Clear => {
                let message = format!("failed to set up TLS with {}: its data connection is in clear", self.host);
                SourceError::gone(reason::TLS_FAILED, message)
            }
        })
    }

    /// The error that a reply means.
    pub(super) fn refuse(&self, step: Step, reply: &Reply) -> SourceError {
        refusal(&self.host.to_string(), step, reply, self.quiet)
    }
}

fn borrowed(host: &Host<String>) -> Host<&str> {
    match host {
        Host::Domain(name) => Host::Domain(name),
        Host::Ipv4(ip) => Host::Ipv4(*ip),
        Host::Ipv6(ip) => Host::Ipv6(*ip),
    }
}

/// A connection that broke: it may work again.
pub(super) fn broken(host: &Host<String>, why: &str) -> SourceError {
    SourceError::transient(reason::UNREACHABLE, format!("failed to talk to {host}: {why}"))
}
