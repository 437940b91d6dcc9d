//! Message stream encryption, the initiator's side: a Diffie-Hellman exchange, then RC4 or plain text as the peer chooses.
//!
//! It hides the protocol from equipment that slows it down; it authenticates nobody, and pieces are proven by their hashes
//! anyway. Pure: bytes in, bytes out.

use rc4::{KeyInit, Rc4, StreamCipher};
use sha1::{Digest, Sha1};

pub use super::exchange::KEY;
use super::exchange::{MAX_PAD, Private};
use crate::torrent::InfoHash;

pub(super) const PLAIN: u32 = 1;
pub(super) const RC4: u32 = 2;

/// The peer does not speak it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not speak the encryption")]
pub struct NotEncrypted;

/// One direction.
pub struct Cipher(Rc4);

impl Cipher {
    pub(super) fn new(name: &[u8; 4], secret: &[u8], swarm: InfoHash) -> Option<Self> {
        let key = Sha1::new().chain_update(name).chain_update(secret).chain_update(swarm.0).finalize();
        let mut cipher = Self(Rc4::new_from_slice(&key).ok()?);
        cipher.apply(&mut [0; 1024]);
        Some(cipher)
    }

    /// Encrypts or decrypts the next bytes.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        self.0.apply_keystream(bytes);
    }
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher")
    }
}

/// What both agreed on; `None` for plain text from here on.
pub type Agreed = Option<(Cipher, Cipher)>;

/// The first step: a key of ours.
pub struct Offer {
    private: Private,
}

/// The second: the peer's key came, its answer is awaited.
pub struct Answer {
    send: Cipher,
    receive: Cipher,
    /// How the answer begins, as it is sent.
    verify: [u8; 8],
    /// What was chosen, and the padding behind it in bytes.
    chosen: Option<(u32, usize)>,
}

impl Offer {
    /// A new key, and what is sent first: our public key and some padding.
    #[must_use]
    pub fn new() -> (Self, Vec<u8>) {
        let (private, sent) = Private::new();
        (Self { private }, sent)
    }

    /// Takes the peer's key. Returns what is sent next; `first` is the first of our payload.
    ///
    /// # Errors
    /// [`NotEncrypted`] for a key that is none.
    pub fn answer(self, theirs: &[u8; KEY], swarm: InfoHash, first: &[u8]) -> Result<(Answer, Vec<u8>), NotEncrypted> {
        let secret = self.private.secret(theirs)?;
        let hash = |parts: &[&[u8]]| parts.iter().fold(Sha1::new(), |hash, part| hash.chain_update(part)).finalize();
        let mut sent = hash(&[b"req1", &secret]).to_vec();
        let (a, b) = (hash(&[b"req2", &swarm.0]), hash(&[b"req3", &secret]));
        sent.extend(a.iter().zip(b.iter()).map(|(a, b)| a ^ b));
        let mut send = Cipher::new(b"keyA", &secret, swarm).ok_or(NotEncrypted)?;
        let mut receive = Cipher::new(b"keyB", &secret, swarm).ok_or(NotEncrypted)?;
        let mut verify = [0; 8];
        receive.apply(&mut verify);
        let mut rest = vec![0; 8];
        rest.extend_from_slice(&(PLAIN | RC4).to_be_bytes());
        rest.extend_from_slice(&[0, 0]);
        rest.extend_from_slice(&u16::try_from(first.len()).map_err(|_| NotEncrypted)?.to_be_bytes());
        rest.extend_from_slice(first);
        send.apply(&mut rest);
        sent.extend(rest);
        Ok((Answer { send, receive, verify, chosen: None }, sent))
    }
}

impl Answer {
    /// Looks for the answer in all that came behind the peer's key: its length, or `None` while more is needed.
    ///
    /// # Errors
    /// [`NotEncrypted`] when it cannot come any more, or chooses what was not offered.
    pub fn find(&mut self, came: &[u8]) -> Result<Option<usize>, NotEncrypted> {
        let Some(at) = came.windows(8).take(MAX_PAD + 1).position(|window| window == self.verify) else {
            return if came.len() >= MAX_PAD + 8 { Err(NotEncrypted) } else { Ok(None) };
        };
        let Some(mut head) = came.get(at + 8..).and_then(|rest| rest.first_chunk::<6>()).copied() else {
            return Ok(None);
        };
        let (chosen, pad) = *self.chosen.get_or_insert_with(|| {
            self.receive.apply(&mut head);
            let chosen = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
            (chosen, usize::from(u16::from_be_bytes([head[4], head[5]])))
        });
        if pad > MAX_PAD || !matches!(chosen, PLAIN | RC4) {
            return Err(NotEncrypted);
        }
        let end = at + 14 + pad;
        Ok((came.len() >= end).then_some(end))
    }

    /// What was agreed on, once the answer was found.
    #[must_use]
    pub fn agreed(mut self) -> Agreed {
        let (chosen, pad) = self.chosen?;
        self.receive.apply(&mut vec![0; pad]);
        (chosen == RC4).then_some((self.send, self.receive))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Our answer to what is sent next, and what was in it for us.
    type Reply = (Vec<u8>, Vec<u8>);

    /// The other side, written from the specification: answers an offer with `choice`.
    fn acceptor(sent: &[u8], swarm: InfoHash, choice: u32, pad: usize) -> (Vec<u8>, impl FnMut(&[u8]) -> Reply) {
        let (private, _) = Private::new();
        let secret = private.secret(sent[..KEY].try_into().unwrap()).unwrap();
        let key = [private.public(), vec![9; pad]].concat();
        let after = move |next: &[u8]| {
            let mut from = Cipher::new(b"keyA", &secret, swarm).unwrap();
            let mut to = Cipher::new(b"keyB", &secret, swarm).unwrap();
            assert_eq!(next[..20], Sha1::digest([b"req1", &secret[..]].concat())[..]);
            let mut rest = next[40..].to_vec();
            from.apply(&mut rest);
            assert_eq!(rest[..12], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
            let mut answer =
                [vec![0; 8], choice.to_be_bytes().to_vec(), vec![0, 3], vec![0; 3], b"hello".to_vec()].concat();
            let plain = if choice == PLAIN { answer.len() - 5 } else { answer.len() };
            to.apply(&mut answer[..plain]);
            (answer, rest[16..].to_vec())
        };
        (key, after)
    }

    #[test]
    fn both_agree_on_a_cipher_or_plain_text() {
        let swarm = InfoHash([5; 20]);
        for (choice, pad) in [(RC4, 0), (RC4, 511), (PLAIN, 17)] {
            let (offer, sent) = Offer::new();
            let (key, mut after) = acceptor(&sent, swarm, choice, pad);
            let (mut answer, next) = offer.answer(key[..KEY].try_into().unwrap(), swarm, b"first").unwrap();
            let (reply, first) = after(&next);
            assert_eq!(first, b"first");
            let came = [&key[KEY..], &reply].concat();
            let end = (0..=came.len()).find_map(|end| answer.find(&came[..end]).unwrap()).unwrap();
            assert_eq!(end, came.len() - 5);
            let mut rest = came[end..].to_vec();
            let agreed = answer.agreed();
            assert_eq!(agreed.is_some(), choice == RC4);
            if let Some((_, mut receive)) = agreed {
                receive.apply(&mut rest);
            }
            assert_eq!(rest, b"hello");
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let swarm = InfoHash([5; 20]);
        for key in [[0; KEY], [0xff; KEY]] {
            let (offer, _) = Offer::new();
            // 0 and numbers beyond the prime are no keys.
            assert!(offer.answer(&key, swarm, b"").is_err());
        }
        let (offer, _) = Offer::new();
        let (mut answer, _) = offer.answer(&[0x7f; KEY], swarm, b"").unwrap();
        assert_eq!(answer.find(&[0; 100]), Ok(None));
        assert_eq!(answer.find(&[0; 520]), Err(NotEncrypted));
    }
}
