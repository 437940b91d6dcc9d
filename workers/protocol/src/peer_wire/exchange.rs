//! The Diffie-Hellman exchange that message stream encryption begins with, the same for both sides.

use num_bigint::BigUint;
use rand::{Rng, RngExt};

use super::encryption::NotEncrypted;

/// Bytes of a public key.
pub const KEY: usize = 96;
/// Longest padding behind a key, bytes.
pub(super) const MAX_PAD: usize = 512;
/// The 768-bit prime that the encryption prescribes; the generator is 2.
const PRIME: &[u8] =
    b"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3\
CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563";

/// Our private key.
pub(super) struct Private(BigUint);

impl Private {
    /// A new key, and what is sent of it: the public key and some padding.
    pub(super) fn new() -> (Self, Vec<u8>) {
        let mut bytes = [0; 20];
        let mut rng = rand::rng();
        rng.fill_bytes(&mut bytes);
        let private = Self(BigUint::from_bytes_be(&bytes));
        let mut sent = private.public();
        let pad = rng.random_range(0..=MAX_PAD);
        sent.resize(KEY + pad, 0);
        rng.fill_bytes(&mut sent[KEY..]);
        (private, sent)
    }

    /// The public key that belongs to it.
    pub(super) fn public(&self) -> Vec<u8> {
        padded(&BigUint::from(2_u8).modpow(&self.0, &prime()))
    }

    /// The secret that both share, from the other's public key.
    ///
    /// # Errors
    /// [`NotEncrypted`] for a key that is none.
    pub(super) fn secret(&self, theirs: &[u8; KEY]) -> Result<Vec<u8>, NotEncrypted> {
        let (prime, one) = (prime(), BigUint::from(1_u8));
        let theirs = BigUint::from_bytes_be(theirs);
        if theirs <= one || theirs >= &prime - &one {
            return Err(NotEncrypted);
        }
        Ok(padded(&theirs.modpow(&self.0, &prime)))
    }
}

fn prime() -> BigUint {
    BigUint::parse_bytes(PRIME, 16).unwrap_or_default()
}

/// The number in [`KEY`] bytes.
fn padded(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    let mut all = vec![0; KEY.saturating_sub(bytes.len())];
    all.extend(bytes);
    all
}
