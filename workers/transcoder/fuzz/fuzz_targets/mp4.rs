//! Our own MP4 reader on any bytes: it must answer, within memory in proportion to the bytes.
#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use videocloud_transcoder::mp4;

fuzz_target!(|bytes: &[u8]| {
    let length = bytes.len() as u64;
    if let Ok(file) = mp4::read_from(Cursor::new(bytes), length, Path::new("memory"), 0) {
        let inside = |sample: &mp4::Sample| sample.offset + u64::from(sample.size) <= length;
        assert!(file.samples.iter().all(inside));
        let _ = file.entry.codec();
    }
    if let Ok(Some(ranges)) = mp4::layout_of(Cursor::new(bytes), length) {
        assert!(ranges.iter().all(|range| range.start <= range.end && range.end <= length));
    }
});
