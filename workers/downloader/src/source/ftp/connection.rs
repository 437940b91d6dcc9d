//! One lane to an ftp or ftps link: a control connection that is kept, a data connection per answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use videocloud_protocol::failure::reason;

use super::Shared;
use super::control::{Control, broken};
use super::facts;
use super::judge::Step;
use super::wire::Wire;
use crate::source::{Ask, BoxFuture, Connection, Opened, SourceError, Validator};

/// Largest single read.
const READ: usize = 256 << 10;
/// How long the reply to a transfer that we ended may take before a new connection is cheaper.
const LAST_REPLY: Duration = Duration::from_secs(3);

/// See the module documentation.
pub(super) struct FtpConnection {
    shared: Arc<Shared>,
    control: Option<Control>,
    transfer: Option<Transfer>,
}

/// An answer that is being read.
struct Transfer {
    /// `None` when it ended and the reply is awaited.
    data: Option<Wire>,
    buffer: BytesMut,
    /// Bytes to come, when the size is known.
    left: Option<u64>,
}

/// What a server says of the file before it is sent.
struct Facts {
    size: Option<u64>,
    validator: Validator,
}

/// What a server does with `REST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Honoured,
    /// It says that it cannot.
    Refused,
    /// It says that it does, and does not.
    Ignored,
}

impl FtpConnection {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, control: None, transfer: None }
    }

    /// Size and date without a transfer.
    pub(super) async fn probe(&mut self) -> Result<Opened, SourceError> {
        let mut control = Control::open(&self.shared, self.shared.place()?).await?;
        let facts = self.facts(&mut control).await?;
        let ranges = self.shared.rest() == Some(true);
        Ok(Opened { start: 0, size: facts.size, ranges, validator: facts.validator, mime: None })
    }

    async fn request(&mut self, ask: Ask) -> Result<Opened, SourceError> {
        let kept = self.settle().await;
        let (mut control, facts) = match kept {
            // A server may have closed it while it was idle: that is no fault of the source.
            Some(mut control) => match self.facts(&mut control).await {
                Ok(facts) => (control, facts),
                Err(_) => self.begin().await?,
            },
            None => self.begin().await?,
        };
        let host = &self.shared.place()?.host;
        if ask.pin.as_ref().is_some_and(|pin| !pin.agrees_with(&facts.validator)) {
            let message = format!("the content behind the link at {host} changed during the download");
            return Err(SourceError::gone(reason::CHANGED, message));
        }
        match facts.size {
            Some(0) => {
                return Err(SourceError::gone(reason::EMPTY, format!("{host} has no bytes under this link")));
            }
            Some(size) if ask.span.start() >= size => {
                return Err(SourceError::short(&host.to_string(), size));
            }
            _ => {}
        }
        let ranges = match (facts.size, self.shared.rest()) {
            (Some(size), None) => {
                let rest = self.try_rest(&mut control, size).await?;
                if rest == Rest::Ignored {
                    control = Control::open(&self.shared, self.shared.place()?).await?;
                }
                self.shared.learn_rest(rest == Rest::Honoured);
                rest == Rest::Honoured
            }
            (Some(_), Some(rest)) => rest,
            // Where the file ends nobody knows, so nothing would show that an offset was ignored.
            (None, _) => false,
        };
        let start = if ranges { ask.span.start() } else { 0 };
        let left = facts.size.map(|size| size - start);
        self.transfer = Some(self.retrieve(&mut control, start, left).await?);
        self.control = Some(control);
        Ok(Opened { start, size: facts.size, ranges, validator: facts.validator, mime: None })
    }

    async fn begin(&self) -> Result<(Control, Facts), SourceError> {
        let mut control = Control::open(&self.shared, self.shared.place()?).await?;
        let facts = self.facts(&mut control).await?;
        Ok((control, facts))
    }

    /// Ends an open transfer; returns the control connection if it can be used again.
    async fn settle(&mut self) -> Option<Control> {
        let transfer = self.transfer.take();
        let mut control = self.control.take()?;
        if let Some(transfer) = transfer {
            drop(transfer);
            tokio::time::timeout(LAST_REPLY, control.reply()).await.ok()?.ok()?;
            control.binary().await.ok()?;
        }
        Some(control)
    }

    async fn facts(&self, control: &mut Control) -> Result<Facts, SourceError> {
        let path = &self.shared.place()?.path;
        let size = control.ask(&[b"SIZE ", &path[..]].concat()).await?;
        let date = control.ask(&[b"MDTM ", &path[..]].concat()).await?;
        if size.code == 550 && date.code == 550 {
            return Err(control.refuse(Step::Transfer, &size));
        }
        let size = (size.code == 213).then(|| facts::size(&size.text)).flatten();
        let last_modified = (date.code == 213).then(|| facts::modified(&date.text)).flatten();
        Ok(Facts { size, validator: Validator { etag: None, last_modified } })
    }

    /// Whether the server begins where it is told to, shown with the last byte of the file: the first bytes of a server that takes
    /// the command and then sends the whole file would be written at an offset.
    async fn try_rest(&self, control: &mut Control, size: u64) -> Result<Rest, SourceError> {
        if size < 2 || control.ask(b"REST 1").await?.code != 350 {
            return Ok(Rest::Refused);
        }
        let mut transfer = self.retrieve(control, size - 1, None).await?;
        let mut came = 0;
        while let Some(data) = &mut transfer.data {
            match data.read_buf(&mut transfer.buffer).await {
                Ok(0) => break,
                Ok(length) => came += length,
                Err(_) if came == 1 => break,
                Err(error) => return Err(broken(&self.shared.place()?.host, &error.to_string())),
            }
            if came > 1 {
                return Ok(Rest::Ignored);
            }
        }
        drop(transfer);
        match tokio::time::timeout(LAST_REPLY, control.reply()).await {
            Ok(reply) => {
                let reply = reply?;
                if reply.class() != 2 {
                    return Err(control.refuse(Step::Transfer, &reply));
                }
            }
            // The byte came; a server that says nothing behind it is spoken to anew.
            Err(_) if came == 1 => *control = Control::open(&self.shared, self.shared.place()?).await?,
            Err(_) => return Err(broken(&self.shared.place()?.host, "it says nothing behind a transfer")),
        }
        Ok(if came == 1 { Rest::Honoured } else { Rest::Refused })
    }

    async fn retrieve(&self, control: &mut Control, start: u64, left: Option<u64>) -> Result<Transfer, SourceError> {
        let tcp = control.data(&self.shared).await?;
        if start > 0 {
            control.expect(format!("REST {start}").as_bytes(), Step::Setup, &[350]).await?;
        }
        let line = [b"RETR ", &self.shared.place()?.path[..]].concat();
        let reply = control.ask(&line).await?;
        if reply.class() != 1 {
            return Err(control.refuse(Step::Transfer, &reply));
        }
        let data = control.protect(tcp).await?;
        Ok(Transfer { data: Some(data), buffer: BytesMut::new(), left })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        let (Some(transfer), Some(control)) = (&mut self.transfer, &mut self.control) else { return Ok(None) };
        let host = &self.shared.place()?.host;
        if let Some(data) = &mut transfer.data {
            transfer.buffer.reserve(READ);
            match data.read_buf(&mut transfer.buffer).await {
                Ok(0) => transfer.data = None,
                Ok(length) => {
                    let length = length as u64;
                    if transfer.left.is_some_and(|left| left < length) {
                        let message = format!("{host} sends more bytes than its file has");
                        return Err(SourceError::gone(reason::SIZE_MISMATCH, message));
                    }
                    transfer.left = transfer.left.map(|left| left - length);
                    return Ok(Some(transfer.buffer.split().freeze()));
                }
                // Some servers end TLS by closing; the count of bytes and the reply say whether that was the end.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && transfer.left == Some(0) => {
                    transfer.data = None;
                }
                Err(error) => return Err(broken(host, &error.to_string())),
            }
        }
        let complete = transfer.left == Some(0);
        let reply = control.reply().await;
        self.transfer = None;
        match reply {
            Ok(reply) if reply.class() == 2 => Ok(None),
            // The last byte came; what the server says or fails to say behind it changes nothing.
            _ if complete => {
                self.control = None;
                Ok(None)
            }
            Ok(reply) => {
                let error = control.refuse(Step::Transfer, &reply);
                self.control = None;
                Err(error)
            }
            Err(error) => {
                self.control = None;
                Err(error)
            }
        }
    }
}

impl Connection for FtpConnection {
    fn open(&mut self, ask: Ask) -> BoxFuture<'_, Result<Opened, SourceError>> {
        Box::pin(self.request(ask))
    }

    fn read(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(self.next())
    }
}
