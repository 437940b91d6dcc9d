//! Reading the head of an answer: what it means for the span that was asked.

use std::time::SystemTime;

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RETRY_AFTER, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, StatusCode};
use videocloud_protocol::failure::reason;

use super::content_range::ContentRange;
use super::retry_after;
use crate::schedule::{Fault, Span};
use crate::source::{Ask, Opened, SourceError, Validator};

/// Judges status and headers of an answer to `ask`. `host` is for messages.
///
/// # Errors
/// [`SourceError`] for an answer that brings no bytes, or not those that were asked for.
pub fn judge(host: &str, ask: &Ask, status: StatusCode, headers: &HeaderMap) -> Result<Opened, SourceError> {
    let protocol =
        |why: &str| SourceError::gone(reason::PROTOCOL_ERROR, format!("failed to use the answer of {host}: {why}"));
    let validator = Validator { etag: text(headers, &ETAG), last_modified: text(headers, &LAST_MODIFIED) };
    let opened =
        |start, size, ranges| Opened { start, size, ranges, validator: validator.clone(), mime: mime(headers) };
    let opened = match status {
        StatusCode::OK => opened(0, length(headers), false),
        StatusCode::PARTIAL_CONTENT => {
            let value = text(headers, &CONTENT_RANGE).ok_or_else(|| protocol("206 without Content-Range"))?;
            let Some(ContentRange::Part { start, end, size }) = ContentRange::parse(&value) else {
                return Err(protocol("its Content-Range cannot be read"));
            };
            if start != ask.span.start() || end > ask.span.end() {
                return Err(protocol("it holds another range than the one asked for"));
            }
            if length(headers).is_some_and(|length| Span::new(start, end).is_none_or(|span| span.len() != length)) {
                return Err(protocol("its Content-Length contradicts its Content-Range"));
            }
            opened(start, size, true)
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let size = text(headers, &CONTENT_RANGE).and_then(|value| ContentRange::parse(&value));
            return Err(match size {
                Some(ContentRange::Unsatisfied { size: 0 }) => {
                    SourceError::gone(reason::EMPTY, format!("{host} has no bytes under this link"))
                }
                Some(ContentRange::Unsatisfied { size }) => SourceError::short(host, size),
                _ => protocol("it refuses a range inside of the content (416)"),
            });
        }
        _ => return Err(refused(host, status, headers)),
    };
    // What else a transfer encoding leaves of the length is a matter of opinion, and so where the body ends (RFC 9112, section 6.3).
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    if encodings.next().is_some_and(|first| !first.as_bytes().eq_ignore_ascii_case(b"chunked"))
        || encodings.next().is_some()
    {
        return Err(protocol("its Transfer-Encoding is not chunked and nothing else"));
    }
    // Encoded bytes have other offsets than the content; identity was asked for.
    if headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(protocol("its bytes are encoded (Content-Encoding) although that was not asked for"));
    }
    if let Some(pin) = &ask.pin
        && !pin.agrees_with(&opened.validator)
    {
        let message = format!("the content behind the link at {host} changed during the download");
        return Err(SourceError::gone(reason::CHANGED, message));
    }
    Ok(opened)
}

/// A status that brings no bytes.
fn refused(host: &str, status: StatusCode, headers: &HeaderMap) -> SourceError {
    let message = |hint: &str| format!("{host} answered {status}{hint}");
    match status.as_u16() {
        401 | 403 | 407 => {
            SourceError::gone(reason::FORBIDDEN, message("; the link may need credentials or have expired"))
        }
        404 | 410 => SourceError::gone(reason::NOT_FOUND, message("; check the link")),
        429 | 503 => {
            let after = text(headers, &RETRY_AFTER).and_then(|value| retry_after::parse(&value, SystemTime::now()));
            let fault = Fault::Throttled { after };
            SourceError { fault, ..SourceError::transient(reason::UNREACHABLE, message("; it wants fewer requests")) }
        }
        204 | 205 => SourceError::gone(reason::EMPTY, message("; there are no bytes under this link")),
        408 | 425 | 500..=599 => SourceError::transient(reason::UNREACHABLE, message("")),
        _ => SourceError::gone(reason::PROTOCOL_ERROR, message("; no content can come of that")),
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn mime(headers: &HeaderMap) -> Option<String> {
    let value = text(headers, &CONTENT_TYPE)?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase()).filter(|mime| !mime.is_empty())
}
