//! `Range` and the conditions of a request as any bytes: answers stay inside of the representation and never exceed it.
#![no_main]

use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use videocloud_uploader::semantics::{
    conditional::{self, Validators},
    range::{self, Ranges},
};

fuzz_target!(|bytes: &[u8]| {
    let Some((size, text)) = bytes.split_first_chunk::<8>() else { return };
    let size = u64::from_le_bytes(*size);
    if let Ok(text) = std::str::from_utf8(text)
        && let Ranges::Some(ranges) = range::parse(text, size)
    {
        assert!(ranges.iter().all(|range| range.length() > 0 && range.last() < size));
        let total: u128 = ranges.iter().map(|range| u128::from(range.length())).sum();
        assert!(total <= u128::from(size));
    }
    if let Ok(value) = HeaderValue::from_bytes(text) {
        let names = [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_RANGE, header::IF_MODIFIED_SINCE];
        for name in names {
            let headers: HeaderMap = [(name, value.clone())].into_iter().collect();
            let _ = conditional::evaluate(&headers, Validators { etag: "\"a\"", modified: Some(size) });
        }
    }
});
