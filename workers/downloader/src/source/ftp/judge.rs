//! What a refusing reply means for the scheduler and for people. Pure.

use videocloud_protocol::failure::reason;

use super::reply::Reply;
use crate::schedule::Fault;
use crate::source::SourceError;

/// Which step was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Greeting,
    /// User, password, account.
    Login,
    /// `AUTH`, `PBSZ`, `PROT`.
    Privacy,
    /// `TYPE`, `EPSV`, `PASV`, `REST`.
    Setup,
    /// `RETR` and what follows.
    Transfer,
}

/// The error for `reply`, which is none of those hoped for at `step`. `quiet` leaves the server's words out.
pub(super) fn refusal(host: &str, step: Step, reply: &Reply, quiet: bool) -> SourceError {
    let words = match step {
        // They may repeat the user's name.
        Step::Login => String::new(),
        _ if quiet || reply.text.is_empty() => String::new(),
        _ => format!(" ({})", reply.text.chars().take(160).collect::<String>()),
    };
    let message = |hint: &str| format!("{host} answered {}{words}{hint}", reply.code);
    let lower = reply.text.to_ascii_lowercase();
    let crowded = ["too many", "maximum", "limit", "busy"].iter().any(|word| lower.contains(word));
    match (reply.code, step) {
        (120 | 421, _) => throttled(message("; it wants fewer connections")),
        (530, Step::Greeting | Step::Login) if crowded => throttled(message("; it wants fewer connections")),
        (430 | 530 | 532 | 331 | 332, Step::Greeting | Step::Login | Step::Transfer | Step::Setup) => {
            SourceError::gone(reason::FORBIDDEN, message("; the link may need credentials"))
        }
        (522 | 534 | 535 | 536, _) => SourceError::gone(reason::TLS_FAILED, message("")),
        (400..=499, Step::Privacy) => SourceError::transient(reason::TLS_FAILED, message("")),
        (_, Step::Privacy) => {
            SourceError::gone(reason::TLS_FAILED, message("; it does not encrypt, and an ftps link demands that"))
        }
        (400..=499, _) => SourceError::transient(reason::UNREACHABLE, message("")),
        (550 | 553, Step::Transfer) if lower.contains("permission") || lower.contains("denied") => {
            SourceError::gone(reason::FORBIDDEN, message("; the link may need credentials"))
        }
        (550 | 553, Step::Transfer) => SourceError::gone(reason::NOT_FOUND, message("; check the link")),
        _ => SourceError::gone(reason::PROTOCOL_ERROR, message("; no content can come of that")),
    }
}

fn throttled(message: String) -> SourceError {
    SourceError { fault: Fault::Throttled { after: None }, ..SourceError::transient(reason::UNREACHABLE, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_refusals() {
        let judged = |code, step, text: &str| {
            let error = refusal("h", step, &Reply { code, text: text.into() }, false);
            (error.fault, error.reason)
        };
        let throttled = Fault::Throttled { after: None };
        assert_eq!(judged(421, Step::Transfer, "bye"), (throttled, reason::UNREACHABLE));
        assert_eq!(judged(530, Step::Login, "Sorry, the maximum number of clients"), (throttled, reason::UNREACHABLE));
        assert_eq!(judged(530, Step::Login, "Login incorrect."), (Fault::Gone, reason::FORBIDDEN));
        assert_eq!(judged(450, Step::Transfer, ""), (Fault::Transient, reason::UNREACHABLE));
        assert_eq!(judged(426, Step::Transfer, ""), (Fault::Transient, reason::UNREACHABLE));
        assert_eq!(judged(550, Step::Transfer, "No such file"), (Fault::Gone, reason::NOT_FOUND));
        assert_eq!(judged(550, Step::Transfer, "Permission denied"), (Fault::Gone, reason::FORBIDDEN));
        assert_eq!(judged(502, Step::Privacy, ""), (Fault::Gone, reason::TLS_FAILED));
        assert_eq!(judged(504, Step::Setup, ""), (Fault::Gone, reason::PROTOCOL_ERROR));
        let secret = refusal("h", Step::Login, &Reply { code: 530, text: "user alice".into() }, false);
        assert!(!secret.message.contains("alice"));
    }
}
