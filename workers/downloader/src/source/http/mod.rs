//! HTTP/1.1, HTTP/2 and HTTPS, straight on hyper: one connection per lane, so several lanes are several TCP flows.
//!
//! hyper and not a pooled client, because the lane must decide what it connects to (the checked address), when a connection
//! is closed, and how large reads are. Proxies of the environment are not looked at. Redirects are followed here, hop by hop.

pub(super) mod connect;
mod connection;
mod content_range;
mod head;
mod plain;
mod redirect;
mod retry_after;
mod seed;
mod tls;

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use url::Url;

pub use content_range::ContentRange;
pub use head::judge;
pub use retry_after::parse as parse_retry_after;
pub use seed::HttpSeed;
pub use tls::{TlsError, client_config};

use self::connection::HttpConnection;
use super::{BoxFuture, Connection, Opened, Route, Source, SourceError};

/// One http or https link.
#[derive(Clone)]
pub struct HttpSource {
    shared: Arc<Shared>,
}

/// What the lanes of one link share.
struct Shared {
    link: Url,
    /// Sent to the link's own origin.
    headers: HeaderMap,
    route: Route,
    tls: Arc<rustls::ClientConfig>,
    /// Where redirects ended last, so that only the first request pays for them.
    landing: Mutex<Option<Url>>,
}

impl HttpSource {
    /// A source for `link`. `headers` are sent with each request, but not to another origin a redirect leads to: they may carry
    /// credentials.
    #[must_use]
    pub fn new(link: Url, headers: HeaderMap, route: Route, tls: Arc<rustls::ClientConfig>) -> Self {
        Self { shared: Arc::new(Shared { link, headers, route, tls, landing: Mutex::new(None) }) }
    }

    fn link(&self) -> &Url {
        &self.shared.link
    }

    /// A lane that asks without ranges.
    fn plain(&self) -> HttpConnection {
        HttpConnection::new(self.shared.clone())
    }
}

impl Shared {
    fn landing(&self) -> Option<Url> {
        self.landing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_landing(&self, url: Option<Url>) {
        *self.landing.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }
}

impl Source for HttpSource {
    fn host(&self) -> String {
        let link = &self.shared.link;
        format!("{}:{}", link.host_str().unwrap_or_default(), link.port_or_known_default().unwrap_or_default())
    }

    fn connect(&self) -> Box<dyn Connection> {
        Box::new(HttpConnection::new(self.shared.clone()))
    }

    fn probe(&self) -> BoxFuture<'_, Result<Opened, SourceError>> {
        Box::pin(async move { HttpConnection::new(self.shared.clone()).probe().await })
    }
}
