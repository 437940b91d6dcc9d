//! Identifiers that name things across parts: contents, renditions, claims, runs and tasks.
//!
//! Each is a fixed-length lower-case hex newtype (or, for tasks, a DNS label), so that it is safe in a path, a URL, a label
//! and a Kubernetes name without escaping. How a key is derived lives beside the thing it names, not here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A text that is not the identifier it was read as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to read {kind} from {text:?}: expected {expected}")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
    expected: &'static str,
}

impl InvalidId {
    fn new(kind: &'static str, text: &str, expected: &'static str) -> Self {
        Self { kind, text: text.chars().take(80).collect(), expected }
    }
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $pattern:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("pattern" = $pattern)))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Number of bytes; the text form has twice as many characters.
            pub const LEN: usize = $bytes;

            /// Wraps raw bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// Derives an id as the leading bytes of SHA-256 over length-prefixed `parts`, so that no two different
            /// sequences of parts give the same input.
            #[must_use]
            pub fn derive<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
                let mut hasher = Sha256::new();
                for part in parts {
                    hasher.update((part.len() as u64).to_be_bytes());
                    hasher.update(part);
                }
                let digest = hasher.finalize();
                let mut bytes = [0; $bytes];
                bytes.copy_from_slice(&digest[..$bytes]);
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId::new(stringify!($name), text, $expected);
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(invalid());
                }
                let mut bytes = [0; $bytes];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| invalid())?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

hex_id!(
    /// A content: the SHA-256 of the whole file. Knowing it grants nothing; it only names.
    ContentId, 32, "^[0-9a-f]{64}$", "64 lower-case hex digits (SHA-256 of the whole file)"
);
hex_id!(
    /// A rendition: SHA-256 over the source content and the resolved settings. Same key, same object.
    RenditionKey, 32, "^[0-9a-f]{64}$", "64 lower-case hex digits"
);
hex_id!(
    /// What several objects may want together: derived from visibility, digest and links, see [`crate::tracker::Wanted`].
    ClaimKey, 16, "^[0-9a-f]{32}$", "32 lower-case hex digits"
);
hex_id!(
    /// One pass over a source that makes a set of renditions: derived from the sorted rendition keys.
    RunId, 16, "^[0-9a-f]{32}$", "32 lower-case hex digits"
);

hex_id!(
    /// What BitTorrent knows a torrent by on the wire: its v1 info hash, or the first 20 bytes of its v2 info hash.
    InfoHash, 20, "^[0-9a-f]{40}$", "40 lower-case hex digits"
);

impl InfoHash {
    /// The wire form of a v2 info hash (BEP 52).
    #[must_use]
    pub fn of_v2(hash: &[u8; 32]) -> Self {
        let mut bytes = [0; 20];
        bytes.copy_from_slice(&hash[..20]);
        Self(bytes)
    }
}

impl RunId {
    /// The run that makes exactly this set of renditions, in whatever order they are named.
    #[must_use]
    pub fn of(keys: impl IntoIterator<Item = RenditionKey>) -> Self {
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_unstable();
        keys.dedup();
        Self::derive(keys.iter().map(|key| key.as_bytes().as_slice()))
    }
}

/// What a task does, read from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// [`TaskId::download`].
    Download(ClaimKey),
    /// [`TaskId::plan`].
    Plan(RunId),
    /// [`TaskId::chunks`].
    Chunks(RunId),
    /// [`TaskId::chunk`].
    Chunk(RunId, u32),
    /// [`TaskId::finish`].
    Finish(RunId),
}

/// One unit of work given to a worker, and the subject of its token: a DNS label of at most 63 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"))
)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(String);

impl TaskId {
    /// The download of a claimed content: `dl-<claim key>`.
    #[must_use]
    pub fn download(key: &ClaimKey) -> Self {
        Self(format!("dl-{key}"))
    }

    /// The planning of a run: `tc-<run>-plan`.
    #[must_use]
    pub fn plan(run: &RunId) -> Self {
        Self(format!("tc-{run}-plan"))
    }

    /// The Indexed Job of all chunks of a run: `tc-<run>-chunk`. Each index reports as [`TaskId::chunk`].
    #[must_use]
    pub fn chunks(run: &RunId) -> Self {
        Self(format!("tc-{run}-chunk"))
    }

    /// One chunk of a run: `tc-<run>-chunk-<index>`.
    #[must_use]
    pub fn chunk(run: &RunId, index: u32) -> Self {
        Self(format!("tc-{run}-chunk-{index}"))
    }

    /// The joining and packaging of a run: `tc-<run>-finish`.
    #[must_use]
    pub fn finish(run: &RunId) -> Self {
        Self(format!("tc-{run}-finish"))
    }

    /// The text form, which is also the name of the Job (for chunks, the Job's name is [`TaskId::chunks`]).
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the task does; `None` for a name that none of the constructors gives.
    #[must_use]
    pub fn kind(&self) -> Option<TaskKind> {
        if let Some(key) = self.0.strip_prefix("dl-") {
            return key.parse().ok().map(TaskKind::Download);
        }
        let (run, part) = self.0.strip_prefix("tc-")?.split_once('-')?;
        let run: RunId = run.parse().ok()?;
        match part {
            "plan" => Some(TaskKind::Plan(run)),
            "chunk" => Some(TaskKind::Chunks(run)),
            "finish" => Some(TaskKind::Finish(run)),
            _ => {
                let index: u32 = part.strip_prefix("chunk-")?.parse().ok()?;
                // `+1` and `01` parse as numbers, but no constructor writes them.
                (*self == Self::chunk(&run, index)).then_some(TaskKind::Chunk(run, index))
            }
        }
    }

    /// Whether a token for `self` may report on `task`: itself, or an index of an Indexed Job's task.
    #[must_use]
    pub fn covers(&self, task: &TaskId) -> bool {
        self == task
            || task
                .0
                .strip_prefix(&self.0)
                .and_then(|rest| rest.strip_prefix('-'))
                .is_some_and(|index| self.0.ends_with("-chunk") && index.parse::<u32>().is_ok())
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({})", self.0)
    }
}

impl FromStr for TaskId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let label = !text.is_empty()
            && text.len() <= 63
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if label { Ok(Self(text.to_owned())) } else { Err(InvalidId::new("TaskId", text, "a DNS label")) }
    }
}

impl TryFrom<String> for TaskId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> String {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_ids_are_exact() {
        let id = ContentId::derive([b"a".as_slice()]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().to_uppercase().parse::<ContentId>().is_err());
        assert!("ab".parse::<ContentId>().is_err());
        assert!("../../../../etc/passwd".parse::<ContentId>().is_err());
    }

    #[test]
    fn derivation_is_unambiguous() {
        assert_ne!(ClaimKey::derive([b"ab".as_slice(), b"c"]), ClaimKey::derive([b"a".as_slice(), b"bc"]));
    }

    #[test]
    fn run_ignores_order_and_repeats() {
        let (a, b) = (RenditionKey::from_bytes([1; 32]), RenditionKey::from_bytes([2; 32]));
        assert_eq!(RunId::of([a, b]), RunId::of([b, a, a]));
    }

    #[test]
    fn kinds_are_what_the_constructors_wrote() {
        let (key, run) = (ClaimKey::from_bytes([3; 16]), RunId::from_bytes([7; 16]));
        assert_eq!(TaskId::download(&key).kind(), Some(TaskKind::Download(key)));
        assert_eq!(TaskId::plan(&run).kind(), Some(TaskKind::Plan(run)));
        assert_eq!(TaskId::chunks(&run).kind(), Some(TaskKind::Chunks(run)));
        assert_eq!(TaskId::chunk(&run, 12).kind(), Some(TaskKind::Chunk(run, 12)));
        assert_eq!(TaskId::finish(&run).kind(), Some(TaskKind::Finish(run)));
        let chunk = TaskId::chunks(&run);
        for bad in
            ["dl-1".to_owned(), format!("{chunk}-01"), format!("{chunk}-x"), format!("{chunk}ed"), "x".to_owned()]
        {
            assert_eq!(bad.parse::<TaskId>().ok().and_then(|task| task.kind()), None, "{bad}");
        }
    }

    #[test]
    fn token_of_an_indexed_job_covers_its_indexes_only() {
        let run = RunId::from_bytes([7; 16]);
        assert!(TaskId::chunks(&run).covers(&TaskId::chunk(&run, 12)));
        assert!(!TaskId::chunk(&run, 1).covers(&TaskId::chunk(&run, 12)));
        assert!(!TaskId::plan(&run).covers(&TaskId::finish(&run)));
        assert!(!TaskId::chunks(&run).covers(&TaskId::chunks(&RunId::from_bytes([8; 16]))));
    }
}
