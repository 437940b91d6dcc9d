//! Path and query of a request as any text: what is accepted names things only, and opens nothing without its key.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use videocloud_protocol::publication::Access;
use videocloud_uploader::edge::{
    access::{self, Query},
    target::Target,
};

fuzz_target!(|text: &str| {
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    if let Some(Target::Published { namespace, name, .. }) = Target::parse(path) {
        for part in [&namespace, &name] {
            assert!(!part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\', '%', '\0']));
        }
        let query = Query::parse(query);
        assert!(access::check(Access::Signed, None, (&namespace, &name), query, Duration::ZERO).is_err());
    }
});
