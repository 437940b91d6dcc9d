//! Seeds of BEP 17: a script over HTTP that gives parts of pieces. One request for each piece, addresses checked as for any link.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use url::Url;
use videocloud_protocol::failure::reason;
use videocloud_protocol::torrent::InfoHash;

use super::Network;
use crate::schedule::Span;
use crate::source::http::HttpSource;
use crate::source::{Ask, BoxFuture, Connection, Manner, Opened, Source, SourceError, Validator};
use crate::torrent::{Plan, piece_url};

/// Requests at once: the specification asks to be sparing.
const LANES: usize = 2;

/// See the module documentation.
#[derive(Clone)]
pub(super) struct HttpSeed {
    pub(super) url: Url,
    pub(super) swarm: InfoHash,
    pub(super) plan: Arc<Plan>,
    pub(super) network: Network,
}

impl Source for HttpSeed {
    fn host(&self) -> String {
        let port = self.url.port_or_known_default().unwrap_or_default();
        format!("{}:{port}", self.url.host_str().unwrap_or_default())
    }

    fn manner(&self) -> Manner {
        Manner { lanes: Some(LANES), longest: None, verified: false }
    }

    fn connect(&self) -> Box<dyn Connection> {
        Box::new(Lane { seed: self.clone(), position: 0, end: 0, answer: None })
    }

    fn probe(&self) -> BoxFuture<'_, Result<Opened, SourceError>> {
        Box::pin(async move { Ok(self.opened(0)) })
    }
}

impl HttpSeed {
    fn opened(&self, start: u64) -> Opened {
        let size = Some(self.plan.file().length);
        Opened { start, size, ranges: true, validator: Validator::default(), mime: None }
    }
}

struct Lane {
    seed: HttpSeed,
    position: u64,
    end: u64,
    /// The answer that is being read, and the end of what it should bring.
    answer: Option<(Box<dyn Connection>, u64)>,
}

impl Lane {
    /// Asks for what the piece at the position holds of the span.
    async fn ask(&mut self) -> Result<(), SourceError> {
        let gone = |why: &str| SourceError::gone(reason::PROTOCOL_ERROR, why);
        let seed = &self.seed;
        let wanted = Span::new(self.position, self.end).ok_or_else(|| gone("an empty request"))?;
        let piece = seed.plan.piece(seed.plan.pieces_of(wanted).start).ok_or_else(|| gone("no such piece"))?;
        let part = wanted.overlap(piece.content).ok_or_else(|| gone("no such piece"))?;
        let inside = part.start() - piece.content.start() + u64::from(piece.skip);
        let range = Span::new(inside, inside + part.len()).ok_or_else(|| gone("an empty request"))?;
        let url = piece_url(&seed.url, seed.swarm, piece.index, range);
        let tls = Arc::clone(&seed.network.tls);
        let mut answer = HttpSource::new(url, HeaderMap::new(), seed.network.resolver.clone(), tls).connect();
        let all = Span::new(0, u64::MAX).ok_or_else(|| gone("an empty request"))?;
        let opened = answer.open(Ask { span: all, pin: None }).await?;
        if opened.size.is_some_and(|size| size != part.len()) {
            return Err(gone("a seed over HTTP gives another number of bytes than it was asked for"));
        }
        self.answer = Some((answer, part.end()));
        Ok(())
    }
}

impl Connection for Lane {
    fn open(&mut self, ask: Ask) -> BoxFuture<'_, Result<Opened, SourceError>> {
        Box::pin(async move {
            self.position = ask.span.start();
            self.end = ask.span.end().min(self.seed.plan.file().length);
            self.ask().await?;
            Ok(self.seed.opened(self.position))
        })
    }

    fn read(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            loop {
                if self.position >= self.end {
                    return Ok(None);
                }
                let Some((answer, end)) = &mut self.answer else {
                    self.ask().await?;
                    continue;
                };
                let Some(mut bytes) = answer.read().await? else {
                    let message = "the answer of a seed over HTTP ended early";
                    return Err(SourceError::transient(reason::UNREACHABLE, message));
                };
                bytes.truncate(usize::try_from(*end - self.position).unwrap_or(usize::MAX));
                self.position += bytes.len() as u64;
                if self.position == *end {
                    self.answer = None;
                }
                if !bytes.is_empty() {
                    return Ok(Some(bytes));
                }
            }
        })
    }
}
