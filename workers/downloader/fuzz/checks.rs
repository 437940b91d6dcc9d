//! What must hold for any bytes of a stranger: called by the fuzz targets, and by `tests/corpus.rs` for the seeds.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use videocloud_downloader::discover::metalink;
use videocloud_downloader::schedule::Span;
use videocloud_downloader::source::ftp::{facts, reply::ReplyReader};
use videocloud_downloader::source::http::{ContentRange, judge, parse_retry_after};
use videocloud_downloader::source::{Ask, Validator};

/// The head of an answer: first line `START END STATUS`, then headers. What is accepted lies where it was asked for.
pub fn http_answer(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.lines();
    let mut numbers = lines.next().unwrap_or_default().split(' ').map(str::parse::<u64>);
    let (Some(Ok(start)), Some(Ok(end)), Some(Ok(status))) = (numbers.next(), numbers.next(), numbers.next()) else {
        return;
    };
    let (Some(span), Ok(status)) = (Span::new(start, end), StatusCode::from_u16(status.try_into().unwrap_or(0))) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')).take(64) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.trim())) {
            headers.append(name, value);
        }
    }
    let pin = Some(Validator { etag: Some("\"1\"".into()), last_modified: None });
    if let Ok(opened) = judge("host", &Ask { span, pin }, status, &headers) {
        assert!(opened.start == 0 || opened.start == span.start(), "{opened:?}");
        assert_eq!(opened.ranges, status == StatusCode::PARTIAL_CONTENT);
        assert!(opened.validator.etag.as_deref().is_none_or(|tag| tag.trim_start_matches("W/") == "\"1\""));
        assert!(!opened.ranges || opened.size.is_none_or(|size| size > opened.start));
    }
    for line in text.lines() {
        if let Some(ContentRange::Part { start, end, size }) = ContentRange::parse(line) {
            assert!(start < end && size.is_none_or(|size| end <= size));
        }
        let _ = parse_retry_after(line, std::time::SystemTime::UNIX_EPOCH);
    }
}

/// A control connection: the first byte says in which pieces the rest comes; the replies must not depend on it.
pub fn ftp(bytes: &[u8]) {
    let Some((&cut, bytes)) = bytes.split_first() else { return };
    let read = |size: usize| {
        let (mut reader, mut replies) = (ReplyReader::default(), Vec::new());
        for piece in bytes.chunks(size.max(1)) {
            reader.push(piece);
            loop {
                match reader.next_reply() {
                    Ok(Some(reply)) => replies.push(reply),
                    Ok(None) => break,
                    Err(error) => return (replies, Some(error)),
                }
            }
        }
        (replies, None)
    };
    let (replies, error) = read(bytes.len());
    assert_eq!(read(cut.into()), (replies.clone(), error));
    for reply in replies {
        assert!((100..700).contains(&reply.code) && reply.text.len() < 2048);
        assert!(!reply.text.chars().any(char::is_control));
        let _ = (facts::size(&reply.text), facts::modified(&reply.text));
        for port in [facts::extended_port(&reply.text), facts::passive_port(&reply.text)].into_iter().flatten() {
            assert_ne!(port, 0);
        }
    }
}

/// A Metalink document, of either version.
pub fn metalink_document(bytes: &[u8]) {
    for select in [None, Some("a.mp4")] {
        let _ = metalink::parse(bytes, select);
    }
}
