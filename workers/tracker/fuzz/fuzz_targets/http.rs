//! The target of an HTTP announce or scrape as any text, against an open tracker: answers are bencoded dictionaries of bounded
//! length.
#![no_main]

use std::{net::Ipv4Addr, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use videocloud_tracker::{
    bittorrent::http::{body, query::Target},
    swarms::{SwarmSettings, Swarms},
};

static SWARMS: LazyLock<Swarms> = LazyLock::new(|| {
    let settings = SwarmSettings { open: true, announces_per_address: 0, ..SwarmSettings::default() };
    Swarms::new(settings, None)
});

fuzz_target!(|text: &str| {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let Some(target) = Target::parse(path) else { return };
    let (_, body) = body(&SWARMS, target, query, Ipv4Addr::LOCALHOST.into());
    assert!(body.starts_with(b"d") && body.ends_with(b"e") && body.len() < 16 << 10);
});
