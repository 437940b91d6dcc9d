//! Message stream encryption, the acceptor's side: who connects names the swarm by a keyed hash, and the acceptor chooses the cipher.
//!
//! Plain text is chosen where it is offered: the exchange has hidden the handshake by then, and the cipher costs more than sending does.
//! Pure: bytes in, bytes out.

use bytes::BytesMut;
use sha1::{Digest, Sha1};

use super::{
    encryption::{Agreed, Cipher, NotEncrypted, PLAIN, RC4},
    exchange::{KEY, MAX_PAD, Private},
};
use crate::torrent::InfoHash;

/// Longest first payload that is taken: a handshake is 68 bytes.
const MAX_FIRST: usize = 4096;

/// What a swarm is called in an encrypted opening: SHA-1 of `req2` and its info hash.
#[must_use]
pub fn obfuscated(swarm: &InfoHash) -> [u8; 20] {
    Sha1::new().chain_update(b"req2").chain_update(swarm.0).finalize().into()
}

/// The first step: a key of ours, to be sent as soon as theirs came.
pub struct Acceptor {
    private: Private,
}

/// The second: their key came, and which swarm they mean is sought.
pub struct Sought {
    secret: Vec<u8>,
    req1: [u8; 20],
    req3: [u8; 20],
}

/// The third: the swarm is known, and what they offer is awaited.
pub struct Offered {
    send: Cipher,
    receive: Cipher,
    /// What came and is decrypted: zeros, offer and the length of the padding; the padding and the length of the payload; the payload.
    plain: Vec<u8>,
}

/// What they offered and we chose.
pub struct Accepted {
    /// To be sent before anything else.
    pub answer: Vec<u8>,
    /// Their first payload.
    pub first: Vec<u8>,
    /// What holds from here on, for sending and receiving.
    pub agreed: Agreed,
}

impl Acceptor {
    /// A new key, and what is sent first: our public key and some padding.
    #[must_use]
    pub fn new() -> (Self, Vec<u8>) {
        let (private, sent) = Private::new();
        (Self { private }, sent)
    }

    /// Takes their key.
    ///
    /// # Errors
    /// [`NotEncrypted`] for a key that is none.
    pub fn secret(self, theirs: &[u8; KEY]) -> Result<Sought, NotEncrypted> {
        let secret = self.private.secret(theirs)?;
        let hash = |name: &[u8]| Sha1::new().chain_update(name).chain_update(&secret).finalize().into();
        Ok(Sought { req1: hash(b"req1"), req3: hash(b"req3"), secret })
    }
}

impl Sought {
    /// Looks in all that came behind their key for what they mean: where it ends, and the name as [`obfuscated`] gives it. `None`
    /// while more is needed.
    ///
    /// # Errors
    /// [`NotEncrypted`] when it cannot come any more.
    pub fn find(&self, came: &[u8]) -> Result<Option<(usize, [u8; 20])>, NotEncrypted> {
        let Some(at) = came.windows(20).take(MAX_PAD + 1).position(|window| window == self.req1) else {
            return if came.len() >= MAX_PAD + 20 { Err(NotEncrypted) } else { Ok(None) };
        };
        let Some(mixed) = came.get(at + 20..).and_then(|rest| rest.first_chunk::<20>()) else { return Ok(None) };
        Ok(Some((at + 40, std::array::from_fn(|byte| mixed[byte] ^ self.req3[byte]))))
    }

    /// They mean `swarm`.
    ///
    /// # Errors
    /// [`NotEncrypted`] when no cipher can be made.
    pub fn swarm(self, swarm: InfoHash) -> Result<Offered, NotEncrypted> {
        let cipher = |name| Cipher::new(name, &self.secret, swarm).ok_or(NotEncrypted);
        Ok(Offered { receive: cipher(b"keyA")?, send: cipher(b"keyB")?, plain: Vec::new() })
    }
}

impl Offered {
    /// Takes what they offer out of `came`, what came behind the swarm's name; `None` while more is needed. What is left there is still
    /// as it was sent.
    ///
    /// # Errors
    /// [`NotEncrypted`] for an offer that cannot be taken.
    pub fn read(&mut self, came: &mut BytesMut) -> Result<Option<Choice>, NotEncrypted> {
        if !self.fill(came, 14) {
            return Ok(None);
        }
        let word = |plain: &[u8], at: usize| usize::from(u16::from_be_bytes([plain[at], plain[at + 1]]));
        let offer = u32::from_be_bytes([self.plain[8], self.plain[9], self.plain[10], self.plain[11]]);
        let pad = word(&self.plain, 12);
        if self.plain[..8] != [0; 8] || offer & (PLAIN | RC4) == 0 || pad > MAX_PAD {
            return Err(NotEncrypted);
        }
        if !self.fill(came, 14 + pad + 2) {
            return Ok(None);
        }
        let first = word(&self.plain, 14 + pad);
        if first > MAX_FIRST {
            return Err(NotEncrypted);
        }
        let end = 16 + pad + first;
        Ok(self.fill(came, end).then(|| Choice(if offer & PLAIN != 0 { PLAIN } else { RC4 }, 16 + pad)))
    }

    /// Takes the choice that [`Offered::read`] gave.
    #[must_use]
    pub fn accept(mut self, Choice(choice, from): Choice) -> Accepted {
        let mut answer = vec![0; 8];
        answer.extend_from_slice(&choice.to_be_bytes());
        answer.extend_from_slice(&[0, 0]);
        self.send.apply(&mut answer);
        let first = self.plain.split_off(from.min(self.plain.len()));
        Accepted { answer, first, agreed: (choice == RC4).then_some((self.send, self.receive)) }
    }

    /// Decrypts until `length` bytes are there; false when not so many came.
    fn fill(&mut self, came: &mut BytesMut, length: usize) -> bool {
        let missing = length.saturating_sub(self.plain.len());
        if came.len() < missing {
            return false;
        }
        let mut next = came.split_to(missing);
        self.receive.apply(&mut next);
        self.plain.extend_from_slice(&next);
        true
    }
}

/// Which way it goes on, and where their payload begins.
pub struct Choice(u32, usize);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::encryption::Offer;
    use super::*;

    #[test]
    fn the_initiator_of_the_same_house_is_understood() {
        let swarm = InfoHash([5; 20]);
        let (offer, sent) = Offer::new();
        let (acceptor, ours) = Acceptor::new();
        let sought = acceptor.secret(sent[..KEY].try_into().unwrap()).unwrap();
        let (mut answer, next) = offer.answer(ours[..KEY].try_into().unwrap(), swarm, b"first").unwrap();
        let came = [&sent[KEY..], &next, b"more"].concat();
        let (end, name) = (0..=came.len()).find_map(|end| sought.find(&came[..end]).unwrap()).unwrap();
        assert_eq!(name, obfuscated(&swarm));
        let mut offered = sought.swarm(swarm).unwrap();
        let mut rest = BytesMut::new();
        let mut choice = None;
        for byte in &came[end..] {
            rest.extend_from_slice(&[*byte]);
            if choice.is_none() {
                choice = offered.read(&mut rest).unwrap();
            }
        }
        let accepted = offered.accept(choice.unwrap());
        assert_eq!((&accepted.first[..], &rest[..]), (&b"first"[..], &b"more"[..]));
        // Both were offered.
        assert!(accepted.agreed.is_none());
        let reply = [&ours[KEY..], &accepted.answer, b"hello"].concat();
        let end = answer.find(&reply).unwrap().unwrap();
        assert_eq!(&reply[end..], b"hello");
        assert!(answer.agreed().is_none());
    }

    #[test]
    fn a_cipher_is_used_where_nothing_else_is_offered() {
        let (swarm, secret) = (InfoHash([6; 20]), vec![7; KEY]);
        let mut send = Cipher::new(b"keyA", &secret, swarm).unwrap();
        let mut offer = [&[0; 8][..], &RC4.to_be_bytes(), &[0, 3], &[1; 3], &[0, 2], b"ab", b"later"].concat();
        send.apply(&mut offer);
        let sought = Sought { secret: secret.clone(), req1: [0; 20], req3: [0; 20] };
        let mut offered = sought.swarm(swarm).unwrap();
        let mut came = BytesMut::from(&offer[..]);
        let choice = offered.read(&mut came).unwrap().unwrap();
        let accepted = offered.accept(choice);
        assert_eq!(accepted.first, b"ab");
        let (_, mut receive) = accepted.agreed.unwrap();
        receive.apply(&mut came);
        assert_eq!(&came[..], b"later");
        let mut answer = accepted.answer;
        Cipher::new(b"keyB", &secret, swarm).unwrap().apply(&mut answer);
        assert_eq!(answer, [&[0; 8][..], &RC4.to_be_bytes(), &[0, 0]].concat());
    }

    #[test]
    fn what_is_no_opening_is_refused() {
        for key in [[0; KEY], [0xff; KEY]] {
            assert!(Acceptor::new().0.secret(&key).is_err());
        }
        let sought = Acceptor::new().0.secret(&[0x7f; KEY]).unwrap();
        assert_eq!(sought.find(&[0; 100]), Ok(None));
        assert_eq!(sought.find(&[0; 532]), Err(NotEncrypted));
        let mut offered = sought.swarm(InfoHash([1; 20])).unwrap();
        assert!(offered.read(&mut BytesMut::from(&[9; 14][..])).is_err());
    }
}
