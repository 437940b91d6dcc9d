//! Bearer tokens that the operator mints and the tracker checks without a database: role, subject, expiry and a keyed hash.
//!
//! Form: `vct1.<role>.<subject>.<expiry, seconds since 1970>.<HMAC-SHA256 in hex>`. A token grants one role over one subject
//! (a worker's token, one task) until it expires; whoever reads a Job's pod can do no more with it than report on that task.

use std::{fmt, path::Path, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ids::InfoHash;

const VERSION: &str = "vct1";

/// Why a token was not taken or a key not read.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not of the form above, or of another version.
    #[error("failed to read token: malformed")]
    Malformed,
    /// The keyed hash is wrong.
    #[error("failed to verify token: signature does not match")]
    BadSignature,
    /// Past its expiry.
    #[error("failed to verify token: expired")]
    Expired,
    /// The key file cannot be used.
    #[error("failed to read token key {path}: {detail}")]
    Key {
        /// The file.
        path: String,
        /// What was wrong.
        detail: String,
    },
}

/// Who a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// The operator: everything under `/v1`.
    Operator,
    /// A worker: its own task (and, for an Indexed Job, its indexes).
    Task(crate::ids::TaskId),
}

/// The key that signs and verifies, at least [`TokenKey::MIN_LEN`] bytes.
#[derive(Clone)]
pub struct TokenKey(Vec<u8>);

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

impl TokenKey {
    /// Shortest key, in bytes.
    pub const MIN_LEN: usize = 16;

    /// Takes a key; `None` when it is too short to be one.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= Self::MIN_LEN).then(|| Self(bytes.to_vec()))
    }

    /// Reads a key file; white space at its ends does not count.
    ///
    /// # Errors
    /// [`TokenError::Key`] when the file cannot be read or is too short.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let failed = |detail: String| TokenError::Key { path: path.display().to_string(), detail };
        let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        Self::new(text.trim_ascii()).ok_or_else(|| failed(format!("shorter than {} bytes", Self::MIN_LEN)))
    }

    fn mac(&self, payload: &str) -> Hmac<Sha256> {
        // HMAC takes keys of any length, so the fallback is never reached.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| Hmac::new(&Default::default()));
        mac.update(payload.as_bytes());
        mac
    }

    /// A token for `grant` that ends at `expiry` (time since 1970).
    #[must_use]
    pub fn mint(&self, grant: &Grant, expiry: Duration) -> String {
        let (role, subject) = match grant {
            Grant::Operator => ("operator", "hub"),
            Grant::Task(task) => ("task", task.as_str()),
        };
        let payload = format!("{VERSION}.{role}.{subject}.{}", expiry.as_secs());
        let signature = hex::encode(self.mac(&payload).finalize().into_bytes());
        format!("{payload}.{signature}")
    }

    /// Checks a token at `now` (time since 1970), in constant time over the signature.
    ///
    /// # Errors
    /// [`TokenError`] says which check failed; tell the caller no more than 401.
    pub fn verify(&self, token: &str, now: Duration) -> Result<Grant, TokenError> {
        let (payload, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let signature = hex::decode(signature).map_err(|_| TokenError::Malformed)?;
        self.mac(payload).verify_slice(&signature).map_err(|_| TokenError::BadSignature)?;
        let fields: Vec<&str> = payload.split('.').collect();
        let [VERSION, role, subject, expiry] = fields[..] else {
            return Err(TokenError::Malformed);
        };
        let expiry: u64 = expiry.parse().map_err(|_| TokenError::Malformed)?;
        if now.as_secs() >= expiry {
            return Err(TokenError::Expired);
        }
        match role {
            "operator" => Ok(Grant::Operator),
            "task" => subject.parse().map(Grant::Task).map_err(|_| TokenError::Malformed),
            _ => Err(TokenError::Malformed),
        }
    }

    /// The secret in the announce URL of a namespace's torrent: 128 bits of the keyed hash of its info hash, in hex.
    #[must_use]
    pub fn announce_secret(&self, info_hash: &InfoHash) -> String {
        hex::encode(&self.mac(&format!("vca1\n{info_hash}")).finalize().into_bytes()[..16])
    }

    /// Whether `secret` is that of [`TokenKey::announce_secret`], in constant time.
    #[must_use]
    pub fn verify_announce(&self, info_hash: &InfoHash, secret: &str) -> bool {
        let mut bytes = [0; 16];
        hex::decode_to_slice(secret, &mut bytes).is_ok()
            && self.mac(&format!("vca1\n{info_hash}")).verify_truncated_left(&bytes).is_ok()
    }

    /// The keyed hash of an edge path prefix and an expiry: the `signature` of a signed URL
    /// (`?expires=<seconds since 1970>&signature=<this>`), valid for every path below `prefix`.
    #[must_use]
    pub fn sign_prefix(&self, prefix: &str, expires: u64) -> String {
        hex::encode(self.mac(&format!("vcu1\n{prefix}\n{expires}")).finalize().into_bytes())
    }

    /// Whether `signature` is that of [`TokenKey::sign_prefix`] and `expires` has not passed at `now` (time since 1970).
    #[must_use]
    pub fn verify_prefix(&self, prefix: &str, expires: u64, signature: &str, now: Duration) -> bool {
        hex::decode(signature).is_ok_and(|signature| {
            now.as_secs() < expires && self.mac(&format!("vcu1\n{prefix}\n{expires}")).verify_slice(&signature).is_ok()
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(seed: u8) -> TokenKey {
        TokenKey::new(&[seed; 32]).unwrap()
    }

    #[test]
    fn minted_tokens_verify_until_they_expire() {
        let grant = Grant::Task("dl-1".parse().unwrap());
        let token = key(1).mint(&grant, Duration::from_secs(100));
        assert_eq!(key(1).verify(&token, Duration::from_secs(99)).unwrap(), grant);
        assert!(matches!(key(1).verify(&token, Duration::from_secs(100)), Err(TokenError::Expired)));
        assert!(matches!(key(2).verify(&token, Duration::ZERO), Err(TokenError::BadSignature)));
    }

    #[test]
    fn no_field_can_be_changed() {
        let token = key(1).mint(&Grant::Task("dl-1".parse().unwrap()), Duration::from_secs(100));
        for (from, to) in [("task", "operator"), ("dl-1", "dl-2"), (".100.", ".900.")] {
            assert!(key(1).verify(&token.replacen(from, to, 1), Duration::ZERO).is_err());
        }
        assert!(key(1).verify("", Duration::ZERO).is_err());
    }

    #[test]
    fn announce_secrets_are_of_one_torrent() {
        let (a, b) = (InfoHash::from_bytes([1; 20]), InfoHash::from_bytes([2; 20]));
        let secret = key(1).announce_secret(&a);
        assert!(secret.len() == 32 && key(1).verify_announce(&a, &secret));
        assert!(!key(1).verify_announce(&b, &secret) && !key(2).verify_announce(&a, &secret));
        for bad in ["", &secret[..30], &format!("{secret}00"), "zz"] {
            assert!(!key(1).verify_announce(&a, bad), "{bad}");
        }
    }

    #[test]
    fn signed_prefixes_hold_for_their_prefix_only() {
        let signature = key(1).sign_prefix("/v/a/b/", 50);
        assert!(key(1).verify_prefix("/v/a/b/", 50, &signature, Duration::from_secs(49)));
        assert!(!key(1).verify_prefix("/v/a/b/", 50, &signature, Duration::from_secs(50)));
        assert!(!key(1).verify_prefix("/v/a/c/", 50, &signature, Duration::ZERO));
        assert!(!key(1).verify_prefix("/v/a/b/", 51, &signature, Duration::ZERO));
    }
}
