//! Where bytes come from, behind one trait.
//!
//! A [`Source`] is one link; a [`Connection`] is one lane to it. The driver knows nothing of protocols: it asks a connection
//! for a span, reads bytes, and turns a [`SourceError`] into a fault for the scheduler. Who may be connected to at all is
//! decided in [`address`], for every protocol alike.

pub mod address;
pub mod bittorrent;
mod document;
mod error;
pub mod ftp;
pub mod http;
mod proxy;
mod resolve;
mod route;
mod validator;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

pub use document::document;
pub use error::SourceError;
pub use proxy::{InvalidProxy, Proxy};
pub use resolve::Resolver;
pub use route::Route;
pub use validator::Validator;

use crate::schedule::Span;

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is asked of a connection.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The bytes wanted. An end of `u64::MAX` means to the end of the content.
    pub span: Span,
    /// What the content was when its first byte came; an answer of another state is refused.
    pub pin: Option<Validator>,
}

/// What an answer says before its first byte.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Offset of the first byte that will be read: the asked one, or 0 for a source without ranges.
    pub start: u64,
    /// Length of the whole content in bytes, if said.
    pub size: Option<u64>,
    /// Whether the source serves ranges.
    pub ranges: bool,
    /// State of the content at the source.
    pub validator: Validator,
    /// Media type the source claims, lower case, without parameters.
    pub mime: Option<String>,
}

/// How a source wants to be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Most lanes at once; `None` for as many as one host may have.
    pub lanes: Option<usize>,
    /// Most bytes of one request; `None` for as many as the scheduler likes.
    pub longest: Option<u64>,
    /// It delivers only bytes it has verified itself against a hash that the order or a certified description names: the bytes of
    /// pieces that reach outside of a selected file come from such sources alone.
    pub verified: bool,
}

/// One link that may give the content.
pub trait Source: Send + Sync {
    /// Key of the host it leads to: limits and back-off count per host.
    fn host(&self) -> String;

    /// Whether that host is a server, which other downloads ask too, and no peer.
    fn is_server(&self) -> bool {
        true
    }

    /// How it wants to be asked.
    fn manner(&self) -> Manner {
        Manner::default()
    }

    /// A new, not yet connected lane.
    fn connect(&self) -> Box<dyn Connection>;

    /// Asks for length and state without a byte of content.
    fn probe(&self) -> BoxFuture<'_, Result<Opened, SourceError>>;
}

/// One lane to a source. Dropping it closes the connection.
pub trait Connection: Send {
    /// Sends a request and reads the head of its answer. An open answer that was not read to its end is closed first.
    ///
    /// # Errors
    /// [`SourceError`]; its fault says what the scheduler does about it.
    fn open(&mut self, ask: Ask) -> BoxFuture<'_, Result<Opened, SourceError>>;

    /// The next bytes in order, `None` at the end of the answer. Safe to drop and call again.
    ///
    /// # Errors
    /// [`SourceError`] when the answer ends early or the connection breaks.
    fn read(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>>;
}
