//! FTP and FTPS, implicit and explicit (RFC 959, 2228, 2428, 3659, 4217), passive only.
//!
//! A small client of our own, because three things must be ours: the data connection goes to the address that was checked and to no
//! other, every wait ends, and an answer at an offset is believed only from a server that has shown to begin where it is told to.
//! What replies mean is decided in pure files ([`reply`], [`facts`], `judge`, `place`); sockets are in `control` and `connection`.

mod connection;
mod control;
pub mod facts;
mod judge;
mod place;
pub mod reply;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use url::Url;

use self::connection::FtpConnection;
use self::place::{Place, Privacy};
use super::{BoxFuture, Connection, Manner, Opened, Route, Source, SourceError};

/// Lanes to one link: each is a login, and servers allow few of one address.
const LANES: usize = 4;

/// Who logs in.
#[derive(Clone)]
pub struct Login {
    user: String,
    password: String,
}

impl Default for Login {
    /// The anonymous user (RFC 1635).
    fn default() -> Self {
        Self { user: "anonymous".into(), password: "anonymous@".into() }
    }
}

impl Login {
    /// A user with a password.
    ///
    /// # Errors
    /// What is wrong, without the value: a control character would be a command of its own.
    pub fn new(user: &str, password: &str) -> Result<Self, &'static str> {
        if user.is_empty() {
            return Err("the user name is empty");
        }
        if user.chars().chain(password.chars()).any(char::is_control) {
            return Err("a user name or password holds a control character");
        }
        Ok(Self { user: user.into(), password: password.into() })
    }
}

/// One ftp or ftps link.
#[derive(Clone)]
pub struct FtpSource {
    shared: Arc<Shared>,
}

/// What the lanes of one link share.
struct Shared {
    link: Url,
    place: Result<Place, SourceError>,
    login: Login,
    route: Route,
    tls: Arc<rustls::ClientConfig>,
    /// Whether it serves from an offset: 0 not known, 1 yes, 2 no.
    rest: AtomicU8,
    passive_only: AtomicBool,
    explicit: AtomicBool,
}

impl FtpSource {
    /// A source for `link`. A link that cannot be followed says so when it is asked.
    #[must_use]
    pub fn new(link: Url, login: Login, route: Route, tls: Arc<rustls::ClientConfig>) -> Self {
        let place = Place::of(&link);
        let (rest, passive_only, explicit) = Default::default();
        Self { shared: Arc::new(Shared { link, place, login, route, tls, rest, passive_only, explicit }) }
    }
}

impl Shared {
    fn place(&self) -> Result<&Place, SourceError> {
        self.place.as_ref().map_err(Clone::clone)
    }

    fn privacy(&self, place: &Place) -> Privacy {
        match place.privacy {
            Privacy::Implicit if self.explicit.load(Ordering::Relaxed) => Privacy::Explicit,
            privacy => privacy,
        }
    }

    fn learn_explicit(&self) {
        self.explicit.store(true, Ordering::Relaxed);
    }

    fn knows_extended(&self) -> bool {
        !self.passive_only.load(Ordering::Relaxed)
    }

    fn learn_passive_only(&self) {
        self.passive_only.store(true, Ordering::Relaxed);
    }

    fn rest(&self) -> Option<bool> {
        match self.rest.load(Ordering::Relaxed) {
            0 => None,
            known => Some(known == 1),
        }
    }

    fn learn_rest(&self, honoured: bool) {
        self.rest.store(if honoured { 1 } else { 2 }, Ordering::Relaxed);
    }
}

impl Source for FtpSource {
    fn host(&self) -> String {
        match &self.shared.place {
            Ok(place) => format!("{}:{}", place.host, place.port),
            Err(_) => self.shared.link.host_str().unwrap_or_default().to_owned(),
        }
    }

    fn manner(&self) -> Manner {
        Manner { lanes: Some(LANES), ..Manner::default() }
    }

    fn connect(&self) -> Box<dyn Connection> {
        Box::new(FtpConnection::new(self.shared.clone()))
    }

    fn probe(&self) -> BoxFuture<'_, Result<Opened, SourceError>> {
        Box::pin(async move { FtpConnection::new(self.shared.clone()).probe().await })
    }
}
