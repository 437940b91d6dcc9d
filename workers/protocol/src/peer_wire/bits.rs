//! Which pieces a peer has.

/// Pieces of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bits {
    bytes: Vec<u8>,
    count: u32,
}

impl Bits {
    /// None of `count` pieces.
    #[must_use]
    pub fn none(count: u32) -> Self {
        Self { bytes: vec![0; count.div_ceil(8) as usize], count }
    }

    /// All of `count` pieces.
    #[must_use]
    pub fn all(count: u32) -> Self {
        let mut bits = Self { bytes: vec![0xff; count.div_ceil(8) as usize], count };
        if let (Some(last), spare @ 1..) = (bits.bytes.last_mut(), count.next_multiple_of(8) - count) {
            *last <<= spare;
        }
        bits
    }

    /// From a bitfield message; `None` when it has another length or bits behind the last piece.
    #[must_use]
    pub fn read(bytes: &[u8], count: u32) -> Option<Self> {
        let fits = bytes.len() == count.div_ceil(8) as usize;
        let spare = count.next_multiple_of(8) - count;
        let clean = bytes.last().is_none_or(|last| last.trailing_zeros() >= spare);
        (fits && clean).then(|| Self { bytes: bytes.to_vec(), count })
    }

    /// Whether piece `index` is there.
    #[must_use]
    pub fn has(&self, index: u32) -> bool {
        index < self.count && self.bytes.get(index as usize / 8).is_some_and(|byte| byte << (index % 8) & 0x80 != 0)
    }

    /// Sets whether piece `index` is there; false when there is no such piece.
    pub fn set(&mut self, index: u32, there: bool) -> bool {
        let Some(byte) = self.bytes.get_mut(index as usize / 8).filter(|_| index < self.count) else { return false };
        let bit = 0x80 >> (index % 8);
        if there {
            *byte |= bit
        } else {
            *byte &= !bit
        }
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_from_the_left() {
        let mut bits = Bits::read(&[0b0100_0000, 0b1000_0000], 9).unwrap();
        assert!(bits.has(1) && bits.has(8) && !bits.has(0) && !bits.has(9));
        assert!(bits.set(0, true) && bits.has(0) && bits.set(0, false) && !bits.has(0) && !bits.set(9, true));
        assert_eq!(Bits::all(9), Bits::read(&[0xff, 0x80], 9).unwrap());
        for (bytes, count) in [(&[0xff, 0xc0][..], 9), (&[0xff], 9), (&[0xff, 0, 0], 9)] {
            assert_eq!(Bits::read(bytes, count), None);
        }
    }
}
