//! A datagram as any bytes, from somebody who was given no connection id: the answer is never longer than the datagram.
#![no_main]

use std::{
    cell::RefCell,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use libfuzzer_sys::fuzz_target;
use videocloud_tracker::{
    bittorrent::udp::{Batch, ConnectionIds, Handler},
    swarms::{SwarmSettings, Swarms},
};

/// A handler, and the ids it gives.
fn handler() -> (Handler, ConnectionIds) {
    let settings = SwarmSettings { open: true, announces_per_address: 0, ..SwarmSettings::default() };
    let ids = ConnectionIds::new([7; 16]);
    (Handler::new(Arc::new(Swarms::new(settings, None)), Arc::default(), ids), ids)
}

thread_local!(static HANDLER: RefCell<(Handler, ConnectionIds)> = RefCell::new(handler()));

fuzz_target!(|bytes: &[u8]| {
    let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 6881));
    HANDLER.with_borrow_mut(|(handler, ids)| {
        let mut batch = Batch::default();
        handler.handle(bytes, from, 1000, &mut batch);
        assert!(batch.bytes.len() <= bytes.len());
        // The same with a good id: longer, and bounded.
        batch.clear();
        if let Some((_, rest)) = bytes.split_first_chunk::<8>() {
            let good = [&ids.give(from.ip(), 1000).to_be_bytes()[..], rest].concat();
            handler.handle(&good, from, 1000, &mut batch);
            assert!(batch.bytes.len() <= 1232 && batch.answers.len() <= 1);
        }
        handler.settle();
    });
});
