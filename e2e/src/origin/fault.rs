//! Links that go wrong, one route each.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    extract::{Path, Query},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::any,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde::Deserialize;

pub(super) fn routes() -> Router {
    Router::new()
        .route("/status/{code}/{name}", any(status))
        .route("/html/{name}", any(html))
        .route("/playlist/{name}", any(playlist))
        .route("/empty/{name}", any(empty))
        .route("/endless/{name}", any(endless))
        .route("/stall/{name}", any(stall))
        .route("/redirect/{name}", any(redirect))
}

/// Answers with a status and nothing else.
async fn status(Path((code, _name)): Path<(u16, String)>) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST)
}

/// A web page behind a video's name, as login walls and parked domains give it.
async fn html() -> Response {
    let page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n";
    ([(header::CONTENT_TYPE, "video/mp4")], page.repeat(200)).into_response()
}

/// A playlist posing as a video: to a careless encoder, an order to read other files.
async fn playlist() -> Response {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n";
    ([(header::CONTENT_TYPE, "video/mp4")], text).into_response()
}

/// No bytes at all.
async fn empty() -> Response {
    ([(header::CONTENT_TYPE, "video/mp4")], Body::empty()).into_response()
}

fn head() -> Bytes {
    // The first box of an MP4, so that the body passes for a video.
    Bytes::from_static(b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41")
}

/// A body without length and without end.
async fn endless() -> Response {
    let zeros = Bytes::from_static(&[0; 64 * 1024]);
    let body = stream::once(async { head() }).chain(stream::repeat(zeros)).map(Ok::<_, std::io::Error>);
    ([(header::CONTENT_TYPE, "video/mp4")], Body::from_stream(body)).into_response()
}

/// Some bytes of many, then silence.
async fn stall() -> Response {
    let silence = stream::once(async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Bytes::new()
    });
    let body = stream::once(async { head() }).chain(silence).map(Ok::<_, std::io::Error>);
    ([(header::CONTENT_TYPE, "video/mp4"), (header::CONTENT_LENGTH, "1000000")], Body::from_stream(body))
        .into_response()
}

#[derive(Deserialize)]
struct Target {
    to: String,
}

/// Sends the client elsewhere: `?to=<url>`.
async fn redirect(Query(target): Query<Target>) -> Redirect {
    Redirect::temporary(&target.to)
}
