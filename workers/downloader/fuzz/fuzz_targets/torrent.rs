//! A torrent file of any bytes: what is accepted keeps its limits, and every piece of every file can be planned.
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use videocloud_downloader::torrent::{Plan, select};
use videocloud_protocol::torrent::bencode::Value;
use videocloud_protocol::torrent::{MAX_PIECE_LENGTH, MAX_PIECES, Metainfo};

fuzz_target!(|bytes: &[u8]| {
    if let Ok((value, length)) = Value::parse_front(bytes) {
        // What was read is written again; keys are sorted by that, so the form settles after one round.
        let written = value.encode();
        assert!(written.len() == length);
        assert!(Value::parse(&written).is_ok_and(|again| again.encode() == written));
    }
    let Ok(torrent) = Metainfo::parse(&Bytes::copy_from_slice(bytes)) else { return };
    let info = Arc::new(torrent.info);
    assert!(info.total() > 0 && info.pieces() <= MAX_PIECES && info.piece_length() <= MAX_PIECE_LENGTH);
    assert!(select(&info, None).is_ok());
    for (index, file) in info.files().iter().enumerate().filter(|(_, file)| file.length > 0).take(20) {
        assert!(file.end() <= info.total());
        assert!(file.path.iter().all(|part| !part.is_empty() && part != ".." && !part.contains(['/', '\\'])));
        let layer = file.root.and_then(|root| torrent.layers.get(&root).cloned());
        let Ok(plan) = Plan::new(Arc::clone(&info), index, layer) else { continue };
        let mut next = 0;
        for piece in plan.pieces().take(100) {
            let Some(piece) = plan.piece(piece) else { panic!("a piece is missing") };
            assert_eq!(piece.content.start(), next);
            next = piece.content.end();
            assert!(u64::from(piece.skip) + piece.content.len() <= u64::from(piece.length));
            assert!(piece.length <= piece.hashed && u64::from(piece.hashed) <= info.piece_length());
        }
    }
});
