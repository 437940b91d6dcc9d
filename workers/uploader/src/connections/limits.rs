//! How many connections there may be, in all and from one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// The limits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections in all.
    pub total: usize,
    /// Connections from one IPv4 address or one IPv6 network of 64 bits; 0 for no such limit.
    pub per_address: usize,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Too many in all.
    Total,
    /// Too many from this address.
    Address,
}

/// Who holds a connection.
#[derive(Debug)]
pub struct Places {
    limits: Limits,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place; dropping it frees it.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    /// All free.
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, held: Mutex::default() })
    }

    /// Connections held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// Takes a place for a connection from `address`.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Refused> {
        let address = network(address);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.total >= self.limits.total {
            return Err(Refused::Total);
        }
        if self.limits.per_address > 0 {
            let count = held.by_address.entry(address).or_default();
            if *count >= self.limits.per_address {
                return Err(Refused::Address);
            }
            *count += 1;
        }
        held.total += 1;
        Ok(Place { places: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= 1;
        if let Some(count) = held.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.by_address.remove(&self.address);
            }
        }
    }
}

/// What one client can have many of counts as one: an IPv6 network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_come_back() {
        let places = Places::new(Limits { total: 3, per_address: 2 });
        let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "::ffff:10.0.0.2".parse().unwrap());
        let first = places.take(a).unwrap();
        let second = places.take(a).unwrap();
        assert_eq!(places.take(a).unwrap_err(), Refused::Address);
        let third = places.take(b).unwrap();
        assert_eq!(places.take(b).unwrap_err(), Refused::Total);
        drop((first, third));
        let _kept = (places.take(a).unwrap(), second);
        assert_eq!(places.held(), 2);
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let places = Places::new(Limits { total: 9, per_address: 1 });
        let _held = places.take("2001:db8::1".parse().unwrap()).unwrap();
        assert_eq!(places.take("2001:db8::2".parse().unwrap()).unwrap_err(), Refused::Address);
        assert!(places.take("2001:db8:0:1::1".parse().unwrap()).is_ok());
    }
}
