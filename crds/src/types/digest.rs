//! Digests of whole contents: `sha256:9f86d081...`.

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

/// Hash function of a [`Digest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-1, 20 bytes: a hint for finding content, weak as proof.
    Sha1,
    /// MD5, 16 bytes: a hint for finding content, no proof.
    Md5,
    /// BLAKE3, 32 bytes.
    Blake3,
}

impl Algorithm {
    /// Number of lower-case hex digits of a digest.
    #[must_use]
    pub const fn hex_length(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 64,
            Self::Sha1 => 40,
            Self::Md5 => 32,
        }
    }
}

/// Why a text is no digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DigestError {
    /// The part before the colon is not a known algorithm.
    #[error("failed to read digest {0:?}: it must start with sha256:, sha1:, md5: or blake3:")]
    Algorithm(String),
    /// The part after the colon is not lower-case hex of the algorithm's length.
    #[error("failed to read digest {0:?}: expected {1} lower-case hex digits")]
    Hex(String, usize),
}

impl Digest {
    /// Splits the digest into its algorithm and hex digits.
    ///
    /// # Errors
    /// When the text does not have the form the API server asks for.
    pub fn parse(&self) -> Result<(Algorithm, &str), DigestError> {
        let unknown = || DigestError::Algorithm(self.as_str().to_owned());
        let (name, hex) = self.as_str().split_once(':').ok_or_else(unknown)?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha1" => Algorithm::Sha1,
            "md5" => Algorithm::Md5,
            "blake3" => Algorithm::Blake3,
            _ => return Err(unknown()),
        };
        let digits = hex
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !digits || hex.len() != algorithm.hex_length() {
            return Err(DigestError::Hex(
                self.as_str().to_owned(),
                algorithm.hex_length(),
            ));
        }
        Ok((algorithm, hex))
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Digest, DigestError};

    #[test]
    fn parses_each_algorithm() {
        for (name, algorithm) in [
            ("sha256", Algorithm::Sha256),
            ("sha1", Algorithm::Sha1),
            ("md5", Algorithm::Md5),
            ("blake3", Algorithm::Blake3),
        ] {
            let hex = "0a".repeat(algorithm.hex_length() / 2);
            let digest = Digest::from(format!("{name}:{hex}"));
            assert_eq!(digest.parse(), Ok((algorithm, hex.as_str())));
        }
    }

    #[test]
    fn refuses_unknown_algorithm_wrong_length_and_upper_case() {
        let parse = |text: &str| Digest::from(text).parse().map(|_| ());
        assert!(matches!(parse("crc32:00"), Err(DigestError::Algorithm(_))));
        assert!(matches!(parse("sha256"), Err(DigestError::Algorithm(_))));
        assert!(matches!(parse("md5:00"), Err(DigestError::Hex(_, 32))));
        let upper = format!("md5:{}", "A".repeat(32));
        assert!(matches!(parse(&upper), Err(DigestError::Hex(_, 32))));
    }
}
