//! Responses: a text, a refusal, an entity or ranges of it, with the headers that browsers, players and caches go by.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use sha2::{Digest, Sha256};

use super::{
    access::Denied,
    body::{Body, Step},
    entity::Entity,
};
use crate::semantics::{
    conditional::{self, Validators, Verdict},
    multipart::Multipart,
    range::{self, ByteRange, Ranges},
};

/// Why there is no better answer. The text is for people: what happened and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// 404.
    #[error("{0}")]
    NotFound(&'static str),
    /// 410: it was here.
    #[error("{0}")]
    Gone(&'static str),
    /// 403.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// 405.
    #[error("this server answers GET, HEAD and OPTIONS only")]
    Method,
    /// 503.
    #[error("{0}; try again in a moment")]
    Unavailable(&'static str),
}

impl Refusal {
    /// Its status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Gone(_) => StatusCode::GONE,
            Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Its response.
    #[must_use]
    pub fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(format!("{self}\n")));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        common(headers);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::Method => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
            }
            Self::Unavailable(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            Self::NotFound(_) | Self::Gone(_) | Self::Denied(_) => {}
        }
        response
    }
}

/// Headers of every answer: any page may use it, and nobody guesses types.
fn common(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Accept-Ranges, Content-Length, Content-Range, Date, ETag, Link, Retry-After"),
    );
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// The answer to a browser that asks whether a page may send `Range` and conditions.
#[must_use]
pub fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    common(headers);
    headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Range, If-Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

/// A playlist.
#[must_use]
pub fn text(method: &Method, conditions: &HeaderMap, text: String, mime: &'static str, keep: &str) -> Response<Body> {
    document(method, conditions, Document { bytes: text.into(), mime, keep, disposition: None })
}

/// Something small that is made when it is asked for.
#[derive(Debug)]
pub struct Document<'a> {
    /// All of it.
    pub bytes: Bytes,
    /// Its type.
    pub mime: &'static str,
    /// Value of `Cache-Control`.
    pub keep: &'a str,
    /// Value of `Content-Disposition`, if it has a name.
    pub disposition: Option<&'a str>,
}

/// Answers with a document.
#[must_use]
pub fn document(method: &Method, conditions: &HeaderMap, document: Document<'_>) -> Response<Body> {
    let Document { bytes, mime, keep, disposition } = document;
    let etag = format!("\"{}\"", &hex::encode(Sha256::digest(&bytes))[..32]);
    let verdict = conditional::evaluate(conditions, Validators { etag: &etag, modified: None });
    let (status, length, body) = match verdict {
        Verdict::Proceed { .. } if method == Method::HEAD => (StatusCode::OK, Some(bytes.len()), Body::empty()),
        Verdict::Proceed { .. } => (StatusCode::OK, Some(bytes.len()), Body::from(bytes)),
        Verdict::NotModified => (StatusCode::NOT_MODIFIED, None, Body::empty()),
        Verdict::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, Some(0), Body::empty()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    common(headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(mime));
    put(headers, header::ETAG, &etag);
    put(headers, header::CACHE_CONTROL, keep);
    if let Some(disposition) = disposition {
        put(headers, header::CONTENT_DISPOSITION, disposition);
    }
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

/// The head of the answer for an entity, and the bytes of its blob that are its body.
pub struct Plan {
    /// Status and headers.
    pub head: http::response::Parts,
    /// What to send; empty for none.
    pub steps: VecDeque<Step>,
}

/// Plans the answer for `entity`. `boundary` is random.
#[must_use]
pub fn plan(method: &Method, request: &HeaderMap, entity: &Entity, boundary: u128) -> Plan {
    let validators = Validators { etag: &entity.etag, modified: entity.modified };
    let ranges = match conditional::evaluate(request, validators) {
        Verdict::NotModified => return Plan::of(entity, StatusCode::NOT_MODIFIED),
        Verdict::PreconditionFailed => return Plan::of(entity, StatusCode::PRECONDITION_FAILED).sized(0),
        // Ranges are for GET alone (RFC 9110, section 14.2).
        Verdict::Proceed { range: true } if method == Method::GET => asked(request, entity.size),
        Verdict::Proceed { .. } => Ranges::Whole,
    };
    let step = |start: u64, length: u64| {
        let at = entity.start + start;
        Step::Range { at, end: at + length }
    };
    let mut plan = match ranges {
        Ranges::Whole => {
            let mut plan = Plan::of(entity, StatusCode::OK).sized(entity.size);
            plan.steps.extend((entity.size > 0).then(|| step(0, entity.size)));
            plan
        }
        Ranges::Unsatisfiable => {
            let mut plan = Plan::of(entity, StatusCode::RANGE_NOT_SATISFIABLE).sized(0);
            plan.head.headers.remove(header::CONTENT_TYPE);
            put(&mut plan.head.headers, header::CONTENT_RANGE, &format!("bytes */{}", entity.size));
            plan
        }
        Ranges::Some(ranges) => match ranges.as_slice() {
            [range] => {
                let mut plan = Plan::of(entity, StatusCode::PARTIAL_CONTENT).sized(range.length());
                put(&mut plan.head.headers, header::CONTENT_RANGE, &range.content_range(entity.size));
                plan.steps.push_back(step(range.start(), range.length()));
                plan
            }
            several => several_ranges(entity, several, boundary, step),
        },
    };
    if method == Method::HEAD {
        plan.steps.clear();
    }
    plan
}

fn asked(request: &HeaderMap, size: u64) -> Ranges {
    let mut values = request.get_all(header::RANGE).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) => range::parse(value, size),
        _ => Ranges::Whole,
    }
}

fn several_ranges(entity: &Entity, ranges: &[ByteRange], boundary: u128, step: impl Fn(u64, u64) -> Step) -> Plan {
    let multipart = Multipart::new(ranges, &entity.mime, entity.size, boundary);
    let mut plan = Plan::of(entity, StatusCode::PARTIAL_CONTENT).sized(multipart.length().unwrap_or(u64::MAX));
    put(&mut plan.head.headers, header::CONTENT_TYPE, &multipart.content_type);
    for (head, range) in multipart.parts {
        plan.steps.push_back(Step::Bytes(head));
        plan.steps.push_back(step(range.start(), range.length()));
    }
    plan.steps.push_back(Step::Bytes(multipart.tail));
    plan
}

impl Plan {
    fn of(entity: &Entity, status: StatusCode) -> Self {
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = status;
        let headers = &mut head.headers;
        common(headers);
        put(headers, header::CONTENT_TYPE, &entity.mime);
        put(headers, header::ETAG, &entity.etag);
        put(headers, header::CACHE_CONTROL, &entity.keep);
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(date) = entity.modified.and_then(conditional::http_date) {
            put(headers, header::LAST_MODIFIED, &date);
        }
        if let Some(disposition) = &entity.disposition {
            put(headers, header::CONTENT_DISPOSITION, disposition);
        }
        Self { head, steps: VecDeque::new() }
    }

    fn sized(mut self, length: u64) -> Self {
        self.head.headers.insert(header::CONTENT_LENGTH, length.into());
        self
    }
}

/// Sets a header to text that is made here of checked parts; were it no header text after all, it is left out.
fn put(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
