//! One request in, one response out.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, Method, Request, Response, header};
use videocloud_protocol::token::TokenKey;

use super::{
    access::Query,
    answer::{self, Refusal},
    arrival::Arrival,
    body::{Body, Origin, Transfer},
    entity::{Entity, Place},
    target::Target,
};
use crate::{
    catalogue::{Catalogue, LookupError},
    metrics::Metrics,
    pulse::Pulse,
    rates::{Meter, Swarms},
    seeding::Announcer,
    source::{Library, reader::ReadError},
    torrents::Collection,
};

/// What the edge is made of.
#[derive(Debug)]
pub struct Settings {
    /// What is published.
    pub catalogue: Arc<Catalogue>,
    /// The bytes.
    pub library: Arc<Library>,
    /// The torrents made of them.
    pub torrents: Arc<Collection>,
    /// Announces torrents where nobody else tells the tracker of us.
    pub announcer: Option<Arc<Announcer>>,
    /// Public base URL, without a slash at its end; otherwise clients are sent where they asked.
    pub endpoint: Option<String>,
    /// How fast they may be sent.
    pub swarms: Arc<Swarms>,
    /// Checks signed links; without it nothing that is not public is served.
    pub signing_key: Option<TokenKey>,
    /// What is counted.
    pub metrics: Metrics,
}

/// The edge.
#[derive(Debug)]
pub struct Edge(pub(super) Settings);

/// A request as handlers see it.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: Query<'a>,
    /// Where the client asked, if that can stand in a link.
    pub(super) host: Option<&'a str>,
    pub(super) kind: &'static str,
    pub(super) pulse: &'a Arc<Pulse>,
    pub(super) meter: &'a Arc<Meter>,
    /// Since 1970.
    pub(super) now: Duration,
}

impl Edge {
    /// An edge of these parts.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self(settings)
    }

    /// Its parts.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.0
    }

    /// Answers a request that came on the connection of `pulse` and `meter`. The request's body is never read.
    pub async fn answer<B>(&self, request: &Request<B>, pulse: &Arc<Pulse>, meter: &Arc<Meter>) -> Response<Body> {
        let target = Target::parse(request.uri().path());
        let kind = target.as_ref().map_or("none", Target::kind);
        let response = if request.method() == Method::OPTIONS {
            answer::preflight()
        } else {
            let asked = Asked {
                method: request.method(),
                headers: request.headers(),
                query: Query::parse(request.uri().query()),
                host: host(request),
                kind,
                pulse,
                meter,
                now: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            };
            self.find(&asked, target).await.unwrap_or_else(|refusal| refusal.response())
        };
        self.0.metrics.answered(kind, response.status());
        response
    }

    async fn find(&self, asked: &Asked<'_>, target: Option<Target>) -> Result<Response<Body>, Refusal> {
        if !matches!(*asked.method, Method::GET | Method::HEAD) {
            return Err(Refusal::Method);
        }
        match target {
            Some(Target::Published { namespace, name, item }) => self.published(asked, &namespace, &name, &item).await,
            Some(Target::Content(id)) => self.content(asked, &id).await,
            Some(Target::Document(id, kind)) => self.document_of(asked, &id, kind).await,
            Some(Target::WebSeed { swarm, name }) => self.web_seed(asked, &swarm, &name).await,
            None => Err(Refusal::NotFound("there is nothing at this address; videos are under /v/<namespace>/<name>/")),
        }
    }

    /// Sends an entity, or the part of it that is asked for.
    pub(super) async fn send(&self, asked: &Asked<'_>, entity: &Entity) -> Result<Response<Body>, Unsent> {
        let plan = answer::plan(asked.method, asked.headers, entity, rand::random());
        if plan.steps.is_empty() {
            return Ok(Response::from_parts(plan.head, Body::empty()));
        }
        let origin = match &entity.place {
            Place::Store(blob) => Origin::Kept(self.0.library.open(blob, entity.size).await.map_err(ReadError::from)?),
            Place::Coming(coming) => {
                let (catalogue, library) = (Arc::clone(&self.0.catalogue), Arc::clone(&self.0.library));
                Origin::Coming(Box::new(Arrival::new(coming.clone(), catalogue, library, entity.size)))
            }
        };
        let transfer = Transfer {
            origin,
            steps: plan.steps,
            sending: self.0.swarms.send(entity.swarm, entity.share),
            meter: Arc::clone(asked.meter),
            flight: asked.pulse.body(),
            sent: self.0.metrics.sent(asked.kind),
        };
        Ok(Response::from_parts(plan.head, transfer.begin().await?))
    }
}

/// The authority a request names.
fn host<B>(request: &Request<B>) -> Option<&str> {
    let said = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = said.or_else(|| request.uri().authority().map(http::uri::Authority::as_str))?;
    let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    (plain && (1..=255).contains(&host.len())).then_some(host)
}

/// Why an entity was not sent.
#[derive(Debug)]
pub(super) enum Unsent {
    /// Its bytes are not there (any more).
    Missing,
    /// Already logged.
    Failed,
}

impl From<ReadError> for Unsent {
    fn from(error: ReadError) -> Self {
        if error.is_not_found() {
            return Self::Missing;
        }
        tracing::error!(%error, "not served");
        Self::Failed
    }
}

impl Unsent {
    /// The refusal, where nothing else is left to try.
    pub(super) fn refusal(&self, place: &Place) -> Refusal {
        match self {
            Self::Missing => {
                tracing::warn!(?place, "known, but not in the store");
                Refusal::Gone("this was here, but its bytes are no longer kept")
            }
            Self::Failed => Refusal::Unavailable("the store does not answer"),
        }
    }
}

impl From<LookupError> for Refusal {
    fn from(error: LookupError) -> Self {
        tracing::warn!(%error, "not served");
        Self::Unavailable("what is published here cannot be looked up")
    }
}
