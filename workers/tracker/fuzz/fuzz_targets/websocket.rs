//! A browser's message as any text: what is read is within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use videocloud_tracker::bittorrent::web::wire::{self, Request};

fuzz_target!(|text: &str| {
    match wire::parse(text) {
        Ok(Request::Announce(announce)) => {
            assert!(announce.offers.len() <= wire::MAX_OFFERS);
            for (id, offer) in &announce.offers {
                let passed = wire::offered(&announce.info_hash, announce.peer_id, id, offer);
                assert!(passed.len() <= 2 * wire::MAX_MESSAGE);
            }
        }
        Ok(Request::Scrape(hashes)) => assert!(!hashes.is_empty() && hashes.len() <= 100),
        Ok(Request::Answer { .. }) | Err(wire::Malformed) => {}
    }
});
