//! HTTP semantics as pure functions (RFC 9110): ranges, conditional requests and the multipart form of several ranges.
//! Nothing here knows what is served or does any I/O; every header is a stranger's text.

pub mod conditional;
pub mod multipart;
pub mod range;
