//! Digests of whole contents, as users write them: `sha256:9f86d081...`.

use super::text::text_type;

text_type! {
    /// Digest of the whole content, `algorithm:lower-case hex`.
    Digest, 1..=128, "Digest of the whole content: sha256, sha1, md5 or blake3, a colon and lower-case hex.", [
        "self.matches('^(sha256|sha1|md5|blake3):[0-9a-f]+$')" =>
            "digest must be sha256:, sha1:, md5: or blake3: followed by lower-case hex digits",
        "!self.matches('^(sha256|blake3):[0-9a-f]+$') || self.size() == 71" =>
            "a sha256 or blake3 digest has 64 hex digits",
        "!self.matches('^sha1:[0-9a-f]+$') || self.size() == 45" =>
            "a sha1 digest has 40 hex digits",
        "!self.matches('^md5:[0-9a-f]+$') || self.size() == 36" =>
            "an md5 digest has 32 hex digits",
    ]
}
