//! The 3-chunk hash (Open-P2SP, section 1): first, middle and last chunk, MD4 each, XOR of the three, SHA-1 of that. A hint that
//! two files may be one, never proof.

use std::ops::Range;

use sha2::Digest as _;
use videocloud_protocol::failure::Failure;
use videocloud_store::Staging;

use crate::engine::stored;

/// Least and greatest chunk, bytes; a power of two between them.
const LEAST: u64 = 32 << 10;
const GREATEST: u64 = 16 << 20;
/// Chunks a content is cut into at most, as far as the greatest chunk allows.
const CHUNKS: u64 = 1024;

/// The chunk size for a content of `size` bytes.
fn chunk_size(size: u64) -> u64 {
    size.div_ceil(CHUNKS).next_power_of_two().clamp(LEAST, GREATEST)
}

/// First, middle (index n/2 rounded down of n, counted from 1) and last chunk.
fn chunks(size: u64) -> [Range<u64>; 3] {
    let chunk = chunk_size(size);
    let count = size.div_ceil(chunk).max(1);
    [1, (count / 2).max(1), count].map(|index| (index - 1) * chunk..(index * chunk).min(size))
}

/// The hash of the staged bytes, hexadecimal.
pub(super) async fn of(staging: &Staging, size: u64) -> Result<String, Failure> {
    let mut mixed = [0_u8; 16];
    for range in chunks(size) {
        let length = usize::try_from(range.end - range.start).unwrap_or_default();
        let bytes = staging.read_at(range.start, length).await.map_err(|error| stored(&error))?;
        let digest: [u8; 16] = md4::Md4::digest(&bytes).into();
        mixed.iter_mut().zip(digest).for_each(|(mixed, byte)| *mixed ^= byte);
    }
    Ok(hex::encode(sha1::Sha1::digest(mixed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_lie_where_the_paper_says() {
        assert_eq!(chunks(100), [0..100, 0..100, 0..100]);
        assert_eq!(chunks(3 * LEAST), [0..LEAST, 0..LEAST, 2 * LEAST..3 * LEAST]);
        assert_eq!(chunks(4 * LEAST + 1), [0..LEAST, LEAST..2 * LEAST, 4 * LEAST..4 * LEAST + 1]);
        assert_eq!(chunk_size(1 << 40), GREATEST);
        assert_eq!(chunk_size(1 << 30), 1 << 20);
    }
}
