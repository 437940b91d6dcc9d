//! The hash of ed2k links: MD4 of each part of 9,728,000 bytes, and MD4 over those when there are several.
//!
//! A file that ends with a whole part has an empty one behind it, as in eMule.

use md4::{Digest, Md4};

const PART: usize = 9_728_000;

/// A running ed2k hash.
#[derive(Default)]
pub(super) struct Ed2k {
    part: Md4,
    filled: usize,
    parts: Vec<[u8; 16]>,
}

impl Ed2k {
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(PART - self.filled));
            self.part.update(now);
            self.filled += now.len();
            if self.filled == PART {
                self.parts.push(std::mem::take(&mut self.part).finalize().into());
                self.filled = 0;
            }
            bytes = rest;
        }
    }

    pub(super) fn finish(mut self) -> [u8; 16] {
        let last: [u8; 16] = self.part.finalize().into();
        if self.parts.is_empty() {
            return last;
        }
        self.parts.push(last);
        Md4::digest(self.parts.concat()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(length: usize) -> String {
        let mut ed2k = Ed2k::default();
        let zeros = vec![0; 1 << 20];
        let mut left = length;
        while left > 0 {
            let now = left.min(zeros.len());
            ed2k.update(&zeros[..now]);
            left -= now;
        }
        hex::encode(ed2k.finish())
    }

    #[test]
    fn known_answers_of_emule_for_zeros() {
        assert_eq!(hash(PART), "fc21d9af828f92a8df64beac3357425d");
        assert_eq!(hash(2 * PART), "114b21c63a74b6ca922291a11177dd5c");
    }
}
