//! A pool's beliefs as text for the tracker, and back. What cannot be read is dropped: models are learned again.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use videocloud_protocol::ids::ContentId;
use videocloud_scheduler::estimator::{Bank, RestoreError};

use super::belief::{Belief, Beliefs, Clock};

/// Form of the text; another form is not read.
const FORM: u8 = 1;

/// Text that is no models.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// Not of this form.
    #[error("failed to read a pool's models: of another form")]
    Form,
    /// Broken on the way.
    #[error("failed to read a pool's models: {0}")]
    Text(#[from] base64::DecodeError),
    /// Broken on the way.
    #[error("failed to read a pool's models: {0}")]
    Head(#[from] postcard::Error),
    /// The estimator's part.
    #[error(transparent)]
    Bank(#[from] RestoreError),
}

#[derive(Serialize, Deserialize)]
struct Head {
    clock: Clock,
    upload: f64,
    swarms: Vec<([u8; 32], Belief)>,
}

/// The text of `beliefs`: form, head and banks, separated by dots.
pub(super) fn encode(beliefs: &Beliefs) -> Result<String, Unreadable> {
    let mut swarms: Vec<_> = beliefs.swarms.iter().map(|(content, belief)| (*content.as_bytes(), *belief)).collect();
    swarms.sort_unstable_by_key(|(content, _)| *content);
    let head = Head { clock: beliefs.clock.clone(), upload: beliefs.upload, swarms };
    let mut text = format!("{FORM}.");
    STANDARD.encode_string(postcard::to_stdvec(&head)?, &mut text);
    for bank in std::iter::once(&beliefs.bank).chain(&beliefs.blind) {
        text.push('.');
        STANDARD.encode_string(bank.snapshot(), &mut text);
    }
    Ok(text)
}

/// The beliefs that gave this text.
///
/// # Errors
/// [`Unreadable`].
pub(super) fn decode(text: &str) -> Result<Beliefs, Unreadable> {
    let mut parts = text.split('.');
    let mut part = || parts.next().ok_or(Unreadable::Form);
    if part()?.parse() != Ok(FORM) {
        return Err(Unreadable::Form);
    }
    let head: Head = postcard::from_bytes(&STANDARD.decode(part()?)?)?;
    let bank = Bank::restore(&STANDARD.decode(part()?)?)?;
    let blind = parts.next().map(|blind| Ok::<_, Unreadable>(Bank::restore(&STANDARD.decode(blind)?)?)).transpose()?;
    let swarms = head.swarms.into_iter().map(|(content, belief)| (ContentId::from_bytes(content), belief)).collect();
    let mut beliefs = Beliefs { bank, blind, swarms, clock: head.clock, ..Beliefs::default() };
    beliefs.upload = if head.upload.is_finite() { head.upload.max(0.0) } else { 0.0 };
    if beliefs.is_sound() { Ok(beliefs) } else { Err(Unreadable::Form) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::controllers::pool::belief::{
        Laws,
        tests::{id, interval, measured},
    };

    #[test]
    fn what_was_learned_comes_back() {
        let mut beliefs = Beliefs::default();
        for number in 1..9 {
            let samples = vec![measured(1, 100_000, 700_000 + 9 * number), measured(2, 40_000, 90_000 + number)];
            beliefs.learn("a", &interval(number, samples), true, |_| true);
        }
        let text = encode(&beliefs).unwrap();
        let mut again = decode(&text).unwrap();
        assert_eq!(encode(&again).unwrap(), text);
        assert_eq!(again.ration(&id(1)), beliefs.ration(&id(1)));
        // The next interval is taken up where it was.
        for beliefs in [&mut beliefs, &mut again] {
            beliefs.learn("a", &interval(9, vec![measured(1, 100_000, 650_000)]), true, |_| true);
        }
        for laws in [Laws::Power, Laws::Regimes] {
            assert_eq!(again.swarm(&id(1), laws, 1e5), beliefs.swarm(&id(1), laws, 1e5));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_damage_is_refused_or_harmless(at in 0_usize..4000, byte in any::<u8>(), cut in 0_usize..4000) {
            let mut beliefs = Beliefs::default();
            beliefs.learn("a", &interval(1, vec![measured(1, 5, 9), measured(2, 5, 9)]), false, |_| true);
            let mut text = encode(&beliefs).unwrap().into_bytes();
            let length = text.len();
            text[at % length] = byte;
            text.truncate(length - cut % length);
            if let Ok(text) = String::from_utf8(text)
                && let Ok(mut read) = decode(&text)
            {
                read.learn("b", &interval(1, vec![measured(1, 5, 9)]), false, |_| true);
                read.swarm(&id(1), Laws::Power, 1e5);
            }
        }
    }
}
