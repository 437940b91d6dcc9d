//! Connection ids of BEP 15 without state: a keyed hash of the address and of the minute. Who shows one has received at its
//! address not long ago; who has not learns nothing, and is not answered.

use std::{hash::Hasher, net::IpAddr};

use siphasher::sip::SipHasher24;

use crate::swarms::Millis;

/// Within this and the next window an id is good: 64 to 128 s (BEP 15: clients may use one for a minute, trackers take it for two).
const WINDOW: Millis = 64_000;

/// Gives and checks connection ids.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionIds(SipHasher24);

impl ConnectionIds {
    /// With a key of its own. SipHash-2-4 is a pseudorandom function: without the key, 2^63 guesses are needed on average.
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        Self(SipHasher24::new_with_key(&key))
    }

    fn id(&self, address: IpAddr, window: u64) -> u64 {
        let mut hasher = self.0;
        hasher.write_u64(window);
        match address {
            IpAddr::V4(address) => hasher.write(&address.octets()),
            IpAddr::V6(address) => hasher.write(&address.octets()),
        }
        hasher.finish()
    }

    /// An id for `address`.
    #[must_use]
    pub fn give(&self, address: IpAddr, now: Millis) -> u64 {
        self.id(address, now / WINDOW)
    }

    /// Whether `id` was given to `address` lately.
    #[must_use]
    pub fn is_good(&self, id: u64, address: IpAddr, now: Millis) -> bool {
        let window = now / WINDOW;
        self.id(address, window) == id || window > 0 && self.id(address, window - 1) == id
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn ids_are_of_one_address_and_for_a_while() {
        let (ids, others) = (ConnectionIds::new([1; 16]), ConnectionIds::new([2; 16]));
        let (a, b) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::BROADCAST));
        let id = ids.give(a, 100_000);
        assert!(ids.is_good(id, a, 100_000) && ids.is_good(id, a, 100_000 + WINDOW));
        assert!(!ids.is_good(id, a, 100_000 + 2 * WINDOW) && !ids.is_good(id, b, 100_000));
        assert!(!others.is_good(id, a, 100_000) && !ids.is_good(0, a, 0));
    }
}
