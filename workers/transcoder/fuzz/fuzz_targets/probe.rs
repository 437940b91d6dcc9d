//! What ffprobe says of a stranger's file, and the first bytes of the file itself, as any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use videocloud_transcoder::probe::{Container, parse_packet, read_description, sniff};

fuzz_target!(|bytes: &[u8]| {
    let _ = sniff::container(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(facts) = read_description(text, Container::Mov) {
            let _ = facts.summary();
        }
        for line in text.lines() {
            let _ = parse_packet(line);
        }
    }
});
