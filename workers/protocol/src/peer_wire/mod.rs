//! What BitTorrent peers say to each other, as bytes: handshake, messages, extensions, encryption. Pure: bytes in, meanings out, and
//! back, with a limit on everything.
//!
//! Who connects to whom, and what is said when, is the business of the downloader and the uploader. Sources: BEP 3, 6 (fast), 9
//! (metadata), 10 (extensions), 11 (exchange), 52 (v2), and the message stream encryption that all clients speak.

pub mod acceptance;
pub mod bits;
pub mod encryption;
mod exchange;
pub mod extension;
pub mod handshake;
pub mod message;
