//! What the ending of ffmpeg or ffprobe means for the work.
//!
//! Exit codes of ffmpeg 8 carry the low byte of its error number; older versions answer 1 for everything, so stderr is read
//! too. A zero code proves nothing: truncated and corrupt inputs also end with 0, and only validation finds them.

use std::os::unix::process::ExitStatusExt;

use videocloud_protocol::failure::{Failure, FailureClass, reason};

use super::{Ended, Stopped};

/// What the child was doing, for the message and for what running out of memory means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading strangers' bytes for the first time: no memory means that the input asks for too much.
    Probe,
    /// Decoding and encoding.
    Encode,
}

/// `None` when the child ended well; otherwise why it did not.
#[must_use]
pub fn judge(ended: &Ended, stage: Stage, what: &str) -> Option<Failure> {
    let fail = |class, reason: &str, why: &str| {
        let words = ended.stderr.last_words(300);
        Some(Failure::new(class, reason, format!("failed to {what}: {why}; last message: {words}")))
    };
    match ended.stopped {
        Some(Stopped::Interrupted) => {
            return Some(Failure::new(
                FailureClass::Interrupted,
                reason::INTERRUPTED,
                format!("failed to {what}: told to stop"),
            ));
        }
        Some(Stopped::Stalled) => {
            return fail(FailureClass::Stalled, reason::DEADLINE_EXCEEDED, "no progress for too long");
        }
        Some(Stopped::Refused) => {
            return fail(FailureClass::BadInput, reason::LIMITS_EXCEEDED, "it holds more than the limits allow");
        }
        None => {}
    }
    if ended.status.success() {
        return None;
    }
    let (class, reason, why) = classify(ended, stage);
    fail(class, reason, &format!("{why} ({})", ended.status))
}

fn classify(ended: &Ended, stage: Stage) -> (FailureClass, &'static str, &'static str) {
    const OUT_OF_MEMORY: (FailureClass, &str, &str) =
        (FailureClass::Resources, reason::OUT_OF_MEMORY, "memory ran out");
    let says = |texts: &[&str]| texts.iter().any(|text| ended.stderr.mentions(text));
    match ended.status.signal() {
        // Nobody but the kernel (or a node being drained) kills a child of ours with 9.
        Some(9) => return OUT_OF_MEMORY,
        Some(2 | 15) => return (FailureClass::Interrupted, reason::INTERRUPTED, "it was told to stop"),
        // A decoder that crashes on these bytes crashes again.
        Some(_) => return (FailureClass::BadInput, reason::CORRUPT_MEDIA, "the decoder crashed"),
        None => {}
    }
    let code = ended.status.code().unwrap_or(1);
    if code == 228 || says(&["No space left on device", "Disk quota exceeded"]) {
        return (FailureClass::Resources, reason::SCRATCH_FULL, "the scratch space is full");
    }
    if code == 137 {
        return OUT_OF_MEMORY;
    }
    if code == 244 || says(&["Cannot allocate memory"]) {
        return match stage {
            Stage::Probe => {
                (FailureClass::BadInput, reason::LIMITS_EXCEEDED, "it asks for more memory than the limits allow")
            }
            Stage::Encode => OUT_OF_MEMORY,
        };
    }
    if code == 255 && says(&["received signal 15"]) {
        return (FailureClass::Interrupted, reason::INTERRUPTED, "it was told to stop");
    }
    if says(&[
        "Unrecognized option",
        "Option not found",
        "Unknown encoder",
        "Error parsing",
        "Error opening encoder",
        "Error while opening encoder",
        "No such filter",
    ]) {
        return (FailureClass::BadSpec, reason::BAD_SPEC, "these settings cannot be encoded");
    }
    if says(&["not on whitelist"]) {
        return (
            FailureClass::BadInput,
            reason::UNSUPPORTED_MEDIA,
            "a codec or container is not on the list of what is read",
        );
    }
    if code == 183
        || says(&[
            "Invalid data found",
            "moov atom not found",
            "exceeds specified max pixel count",
            "does not contain any stream",
            "matches no streams",
            "Decoding error",
            "Nothing was written",
            "Error submitting packet to decoder",
        ])
    {
        return (FailureClass::BadInput, reason::CORRUPT_MEDIA, "the media cannot be read");
    }
    if code == 251 || says(&["Input/output error"]) {
        return (FailureClass::Transient, reason::INTERNAL, "a file could not be read or written");
    }
    match stage {
        Stage::Probe => (FailureClass::BadInput, reason::NOT_MEDIA, "the media cannot be read"),
        Stage::Encode => (FailureClass::Transient, reason::INTERNAL, "it ended unexpectedly"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{child::Tail, sandbox::FileConfinement};

    fn ended(raw: i32, words: &str) -> Ended {
        let mut stderr = Tail::default();
        stderr.push(words);
        Ended {
            status: std::process::ExitStatus::from_raw(raw),
            stopped: None,
            stderr,
            confinement: FileConfinement::Full,
        }
    }

    #[test]
    fn endings_have_the_class_that_decides_rightly() {
        use FailureClass::{BadInput, BadSpec, Interrupted, Resources, Transient};
        let exit = |code: i32| code << 8;
        for (raw, words, stage, class) in [
            (exit(183), "", Stage::Encode, BadInput),
            (exit(228), "", Stage::Encode, Resources),
            (exit(1), "av_interleaved_write_frame(): No space left on device", Stage::Encode, Resources),
            (exit(244), "", Stage::Probe, BadInput),
            (exit(244), "", Stage::Encode, Resources),
            (exit(137), "", Stage::Encode, Resources),
            (9, "", Stage::Encode, Resources),
            (15, "", Stage::Encode, Interrupted),
            (11, "", Stage::Encode, BadInput),
            (exit(255), "Exiting normally, received signal 15.", Stage::Encode, Interrupted),
            (exit(1), "Unknown encoder 'libx264'", Stage::Encode, BadSpec),
            (exit(1), "x.mp4: Invalid data found when processing input", Stage::Encode, BadInput),
            (exit(251), "", Stage::Encode, Transient),
        ] {
            assert_eq!(judge(&ended(raw, words), stage, "x").unwrap().class, class, "{raw} {words}");
        }
        assert_eq!(judge(&ended(0, ""), Stage::Encode, "x"), None);
    }

    #[test]
    fn what_we_stopped_is_named_after_why() {
        let stalled = Ended { stopped: Some(Stopped::Stalled), ..ended(15, "") };
        assert_eq!(judge(&stalled, Stage::Encode, "x").unwrap().class, FailureClass::Stalled);
    }
}
