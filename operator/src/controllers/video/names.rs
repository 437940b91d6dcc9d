//! Names of the TranscodeJobs a video makes.

use sha2::{Digest, Sha256};

/// Longest name made, so that it fits a label value.
const LONGEST: usize = 63;

/// `<video>-<profile>`, cut and ended with a hash where that is too long or `taken` by something else. The same for the same
/// video and profile every time.
#[must_use]
pub fn transcode_name(video: &str, profile: &str, taken: impl Fn(&str) -> bool) -> String {
    let plain = format!("{video}-{profile}");
    if plain.len() <= LONGEST && !taken(&plain) {
        return plain;
    }
    let mut hasher = Sha256::new();
    hasher.update(video.as_bytes());
    hasher.update([0]);
    hasher.update(profile.as_bytes());
    let hash: String = hasher.finalize().iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    let head: String = plain.chars().take(LONGEST - hash.len() - 1).collect();
    format!("{}-{hash}", head.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_readable_and_distinct() {
        assert_eq!(transcode_name("clip", "720p", |_| false), "clip-720p");
        let long = "v".repeat(253);
        let (a, b) = (transcode_name(&long, "720p", |_| false), transcode_name(&long, "480p", |_| false));
        assert!(a.len() <= 63 && b.len() <= 63 && a != b);
        let (one, two) = (transcode_name("a-b", "c", |_| true), transcode_name("a", "b-c", |_| true));
        assert_ne!(one, two);
        assert!(one.starts_with("a-b-c-"));
    }
}
