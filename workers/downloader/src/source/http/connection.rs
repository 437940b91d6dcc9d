//! One lane to an http or https link: requests, redirects, and the body as bytes.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, HOST, IF_RANGE, LOCATION, RANGE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use url::{Position, Url};
use videocloud_protocol::failure::reason;

use super::connect::{Body, Wire, broken, unreachable_host};
use super::{Shared, head, redirect};
use crate::schedule::Span;
use crate::source::{Ask, BoxFuture, Connection, Opened, SourceError};

/// Name and version, as servers' logs show it.
const AGENT: &str = concat!("videocloud-downloader/", env!("CARGO_PKG_VERSION"));

/// See the module documentation.
pub(super) struct HttpConnection {
    shared: Arc<Shared>,
    wire: Option<Wire>,
    /// Of the answer that is being read, and where it came from.
    body: Option<(Body, Url)>,
    /// The server keeps the connection behind that answer.
    keeps: bool,
    /// Whole answers are asked for, no ranges.
    plain: bool,
}

impl HttpConnection {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, wire: None, body: None, keeps: false, plain: false }
    }

    /// A HEAD request; servers that refuse it are asked for the first byte instead.
    pub(super) async fn probe(&mut self) -> Result<Opened, SourceError> {
        let first = Span::new(0, u64::MAX).ok_or_else(|| SourceError::gone(reason::INTERNAL, "no span"))?;
        let ask = Ask { span: first, pin: None };
        let (answer, url) = self.ask(&Method::HEAD, &ask).await?;
        match answer.status() {
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => self.request(ask).await,
            status => head::judge(host(&url), &ask, status, answer.headers()),
        }
    }

    async fn request(&mut self, ask: Ask) -> Result<Opened, SourceError> {
        let (answer, url) = self.ask(&Method::GET, &ask).await?;
        let opened = head::judge(host(&url), &ask, answer.status(), answer.headers())?;
        self.take_body(answer, url, opened.start).await;
        Ok(opened)
    }

    /// Asks for all that is at `url`, which is of the link's origin; what comes is read as the body of any answer. `ask` says what
    /// that stands for.
    pub(super) async fn get(&mut self, url: &Url, ask: &Ask) -> Result<(StatusCode, HeaderMap), SourceError> {
        self.plain = true;
        self.finish_body();
        let (answer, url) = self.hops(&Method::GET, ask, url.clone()).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        self.take_body(answer, url, ask.span.start()).await;
        Ok((status, headers))
    }

    async fn take_body(&mut self, answer: Response<Incoming>, url: Url, at: u64) {
        let Some(wire) = &mut self.wire else { return };
        let closes =
            answer.headers().get(CONNECTION).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"keep-alive"));
        self.keeps = answer.version() == Version::HTTP_11 && !closes;
        self.body = Some((wire.body(answer.into_body(), at).await, url));
    }

    fn finish_body(&mut self) {
        if self.body.take().is_some() {
            // Bytes of the answer before are still on their way; reading them away costs more than a new connection.
            self.wire = None;
        }
    }

    /// Sends the request, from the last landing place or through all redirects.
    async fn ask(&mut self, method: &Method, ask: &Ask) -> Result<(Response<Incoming>, Url), SourceError> {
        self.finish_body();
        if let Some(landing) = self.shared.landing() {
            let answer = self.hops(method, ask, landing).await;
            match &answer {
                // A landing place may be signed for a short time: ask the link itself again.
                Ok((answer, _))
                    if answer.status().is_client_error() && answer.status() != 429 && answer.status() != 416 =>
                {
                    self.shared.set_landing(None);
                }
                _ => return answer,
            }
            self.wire = None;
        }
        let link = self.shared.link.clone();
        self.hops(method, ask, link).await
    }

    async fn hops(&mut self, method: &Method, ask: &Ask, from: Url) -> Result<(Response<Incoming>, Url), SourceError> {
        let mut url = from;
        for hop in 0..=redirect::MAX_HOPS {
            let answer = self.exchange(method, ask, &url).await?;
            let status = answer.status();
            let Some(location) = answer.headers().get(LOCATION).filter(|_| is_redirect(status)) else {
                if hop > 0 && status.is_success() && !self.plain {
                    self.shared.set_landing(Some(url.clone()));
                }
                return Ok((answer, url));
            };
            url = redirect::target(&url, location.as_bytes())?;
            // The body of a redirect is not worth reading.
            self.wire = None;
        }
        let message =
            format!("failed to follow the redirects of {}: more than {}", host(&self.shared.link), redirect::MAX_HOPS);
        Err(SourceError::gone(reason::BAD_REDIRECT, message))
    }

    /// One request, one answer. A kept connection that turns out closed is replaced once.
    async fn exchange(&mut self, method: &Method, ask: &Ask, url: &Url) -> Result<Response<Incoming>, SourceError> {
        let mut kept = self.wire.take().filter(|wire| wire.serves(url));
        loop {
            let reused = kept.is_some();
            let mut wire = match kept.take() {
                Some(wire) => wire,
                None => Wire::open(&self.shared, url).await?,
            };
            let request = self.build(method, ask, url, wire.wants_absolute())?;
            match wire.send(request).await {
                Ok(answer) => {
                    self.wire = Some(wire);
                    return Ok(answer);
                }
                Err(_) if reused => {}
                Err(error) => return Err(unreachable_host(url, &error)),
            }
        }
    }

    fn build(
        &self,
        method: &Method,
        ask: &Ask,
        url: &Url,
        absolute: bool,
    ) -> Result<Request<Empty<Bytes>>, SourceError> {
        let uri =
            if absolute { &url[..Position::AfterQuery] } else { &url[Position::BeforePath..Position::AfterQuery] };
        let mut request = Request::builder().method(method).uri(uri);
        if !absolute {
            request = request.header(HOST, &url[Position::BeforeHost..Position::AfterPort]);
        }
        request = request.header(USER_AGENT, AGENT).header(ACCEPT, "*/*").header(ACCEPT_ENCODING, "identity");
        if method == Method::GET && !self.plain {
            request = request.header(RANGE, range(ask.span));
            if let Some(value) = ask.pin.as_ref().and_then(|pin| pin.if_range()) {
                request = request.header(IF_RANGE, value);
            }
        }
        if url.origin() == self.shared.link.origin() {
            for (name, value) in &self.shared.headers {
                request = request.header(name, value);
            }
        }
        request.body(Empty::new()).map_err(|error| {
            SourceError::gone(reason::BAD_SPEC, format!("failed to write a request to {}: {error}", host(url)))
        })
    }
}

impl Connection for HttpConnection {
    fn open(&mut self, ask: Ask) -> BoxFuture<'_, Result<Opened, SourceError>> {
        Box::pin(self.request(ask))
    }

    fn read(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            let (Some((body, url)), Some(wire)) = (&mut self.body, &mut self.wire) else { return Ok(None) };
            let read = match body {
                Body::Framed(body) => framed(wire, body).await.map_err(|error| unreachable_host(url, &error)),
                Body::Plain(body) => body.read().await.map_err(|error| broken(url, &error)),
            };
            match read {
                Ok(Some(bytes)) => Ok(Some(bytes)),
                Ok(None) => {
                    let ended = self.body.take();
                    if let Some((Body::Plain(body), _)) = ended
                        && !(self.keeps && wire.resume(*body).await)
                    {
                        self.wire = None;
                    }
                    Ok(None)
                }
                Err(error) => {
                    (self.body, self.wire) = (None, None);
                    Err(error)
                }
            }
        })
    }
}

/// The next bytes of a body whose parts hyper tells apart.
async fn framed(wire: &mut Wire, body: &mut Incoming) -> hyper::Result<Option<Bytes>> {
    while let Some(frame) = wire.drive(body.frame()).await.transpose()? {
        if let Ok(bytes) = frame.into_data()
            && !bytes.is_empty()
        {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn range(span: Span) -> HeaderValue {
    let text = match span.end() {
        u64::MAX => format!("bytes={}-", span.start()),
        end => format!("bytes={}-{}", span.start(), end - 1),
    };
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("bytes=0-"))
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}
