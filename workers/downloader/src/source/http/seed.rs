//! HTTP seeds of BEP 17: a script that gives parts of one piece of a torrent per request, `URL?info_hash=H&piece=N&ranges=A-B`.
//!
//! To the scheduler it is one more source with ranges: a run becomes one request after another, a piece each. Its bytes are not
//! proven here; that is done by whoever proves those of every mirror.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use url::Url;
use videocloud_protocol::failure::reason;
use videocloud_protocol::torrent::InfoHash;

use super::connection::HttpConnection;
use super::{HttpSource, head};
use crate::schedule::{Fault, Span};
use crate::source::{Ask, BoxFuture, Connection, Manner, Opened, Source, SourceError, Validator};
use crate::torrent::Plan;

/// Most bytes of the number of seconds that a busy seed asks to be left alone.
const MAX_NUMBER: usize = 20;
/// How long that number is waited for.
const NUMBER_WITHIN: Duration = Duration::from_secs(5);
/// Connections that a script may be asked on.
const LANES: usize = 2;

/// One HTTP seed, for one file of a torrent.
pub struct HttpSeed {
    source: HttpSource,
    seed: Arc<Seed>,
}

/// What its lanes share.
struct Seed {
    link: Url,
    swarm: InfoHash,
    plan: Arc<Plan>,
}

impl HttpSeed {
    /// The seed that `source` leads to, for the file of `plan`; `swarm` is the hash it knows the torrent by.
    #[must_use]
    pub fn new(source: HttpSource, swarm: InfoHash, plan: Arc<Plan>) -> Self {
        let link = source.link().clone();
        Self { source, seed: Arc::new(Seed { link, swarm, plan }) }
    }
}

impl Source for HttpSeed {
    fn host(&self) -> String {
        self.source.host()
    }

    fn manner(&self) -> Manner {
        Manner { lanes: Some(LANES), ..Manner::default() }
    }

    fn connect(&self) -> Box<dyn Connection> {
        let connection = self.source.plain();
        Box::new(SeedConnection { connection, seed: Arc::clone(&self.seed), position: 0, end: 0, left: 0 })
    }

    fn probe(&self) -> BoxFuture<'_, Result<Opened, SourceError>> {
        Box::pin(async move { Ok(self.seed.opened(0)) })
    }
}

impl Seed {
    fn opened(&self, start: u64) -> Opened {
        let size = Some(self.plan.file().length);
        Opened { start, size, ranges: true, validator: Validator::default(), mime: None }
    }

    /// The next request for `span`: its URL, and how many bytes it brings.
    fn request(&self, span: Span) -> Option<(Url, u64)> {
        let piece = self.plan.piece(self.plan.pieces_of(span).start)?;
        let part = piece.content.overlap(span)?;
        let begin = u64::from(piece.skip) + (part.start() - piece.content.start());
        let hash: String = self.swarm.0.iter().map(|byte| format!("%{byte:02x}")).collect();
        let mut query = self.link.query().map(|query| format!("{query}&")).unwrap_or_default();
        query += &format!("info_hash={hash}&piece={}&ranges={begin}-{}", piece.index, begin + part.len() - 1);
        let mut url = self.link.clone();
        url.set_query(Some(&query));
        Some((url, part.len()))
    }
}

/// One lane.
struct SeedConnection {
    connection: HttpConnection,
    seed: Arc<Seed>,
    /// Next byte of the file.
    position: u64,
    end: u64,
    /// Bytes that the answer under way still has to bring.
    left: u64,
}

impl SeedConnection {
    /// Asks for the part of the next piece.
    async fn ask(&mut self) -> Result<(), SourceError> {
        let wanted = Span::new(self.position, self.end).and_then(|span| self.seed.request(span).map(|of| (span, of)));
        let (span, (url, length)) =
            wanted.ok_or_else(|| SourceError::gone(reason::INTERNAL, "the seed has no such bytes"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let ask = Ask { span, pin: None };
        let (status, headers) = self.connection.get(&url, &ask).await?;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let after = tokio::time::timeout(NUMBER_WITHIN, self.number()).await.ok().flatten();
            let message = format!("the HTTP seed at {host} is busy");
            let fault = Fault::Throttled { after };
            return Err(SourceError { fault, ..SourceError::transient(reason::UNREACHABLE, message) });
        }
        // The whole of its answer is what was asked for.
        let opened = head::judge(&host, &ask, status, &headers)?;
        if status != StatusCode::OK || opened.size.is_some_and(|size| size != length) {
            let message = format!("the HTTP seed at {host} answers with another length than asked for");
            return Err(SourceError::gone(reason::PROTOCOL_ERROR, message));
        }
        self.left = length;
        Ok(())
    }

    /// The seconds in the body of an answer that says the seed is busy.
    async fn number(&mut self) -> Option<Duration> {
        let mut text = Vec::new();
        while let Ok(Some(bytes)) = self.connection.read().await {
            text.extend_from_slice(&bytes);
            if text.len() > MAX_NUMBER {
                return None;
            }
        }
        let seconds = std::str::from_utf8(&text).ok()?.trim().parse::<u32>().ok()?;
        Some(Duration::from_secs(seconds.into()))
    }
}

impl Connection for SeedConnection {
    fn open(&mut self, ask: Ask) -> BoxFuture<'_, Result<Opened, SourceError>> {
        Box::pin(async move {
            (self.position, self.end) = (ask.span.start(), ask.span.end().min(self.seed.plan.file().length));
            self.ask().await?;
            Ok(self.seed.opened(self.position))
        })
    }

    fn read(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            loop {
                match self.connection.read().await? {
                    Some(bytes) if bytes.len() as u64 > self.left => {
                        let message = "the HTTP seed gives more bytes than asked for";
                        return Err(SourceError::gone(reason::PROTOCOL_ERROR, message));
                    }
                    Some(bytes) => {
                        self.left -= bytes.len() as u64;
                        self.position += bytes.len() as u64;
                        return Ok(Some(bytes));
                    }
                    None if self.left > 0 => {
                        let message = "the HTTP seed's answer ended early";
                        return Err(SourceError::transient(reason::UNREACHABLE, message));
                    }
                    None if self.position >= self.end => return Ok(None),
                    None => self.ask().await?,
                }
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use videocloud_protocol::torrent::Metainfo;

    use super::*;

    /// A file of 70 KiB behind one of 30, in pieces of 32.
    fn plan() -> Arc<Plan> {
        let hashes = "x".repeat(4 * 20);
        let files = "ld6:lengthi30720e4:pathl1:aeed6:lengthi71680e4:pathl1:beee";
        let info = format!("d5:files{files}4:name1:n12:piece lengthi32768e6:pieces80:{hashes}e");
        let torrent = Metainfo::parse(&format!("d4:info{info}e").into_bytes().into()).unwrap();
        Arc::new(Plan::new(Arc::new(torrent.info), 1, None).unwrap())
    }

    #[test]
    fn each_request_is_for_one_piece_and_counts_within_it() {
        let link = "http://s.example/seed.php?key=1".parse().unwrap();
        let seed = Seed { link, swarm: InfoHash([0xa7; 20]), plan: plan() };
        let hash = "%a7".repeat(20);
        let ask =
            |start, end| seed.request(Span::new(start, end).unwrap()).map(|(url, length)| (url.to_string(), length));
        let url = |rest: &str| format!("http://s.example/seed.php?key=1&info_hash={hash}&{rest}");
        // 2 KiB of the file lie in piece 0, at its end.
        assert_eq!(ask(0, 71_680), Some((url("piece=0&ranges=30720-32767"), 2048)));
        assert_eq!(ask(2048, 71_680), Some((url("piece=1&ranges=0-32767"), 32_768)));
        assert_eq!(ask(2058, 2068), Some((url("piece=1&ranges=10-19"), 10)));
        assert_eq!(ask(71_676, 71_680), Some((url("piece=3&ranges=4092-4095"), 4)));
    }
}
