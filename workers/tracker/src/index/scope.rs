//! Who may be told of something, in the form SQL compares.

use videocloud_protocol::content::Visibility;

/// A namespace's name, or `""` for everybody. Namespaces are never empty, so the two cannot be taken for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope(String);

impl Scope {
    /// Everybody.
    pub const PUBLIC: &'static str = "";

    /// The text stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The visibility a stored text stands for.
    #[must_use]
    pub fn visibility(text: &str) -> Visibility {
        if text == Self::PUBLIC { Visibility::Public } else { Visibility::Namespace(text.to_owned()) }
    }
}

impl From<&Visibility> for Scope {
    fn from(visibility: &Visibility) -> Self {
        match visibility {
            Visibility::Public => Self(Self::PUBLIC.to_owned()),
            Visibility::Namespace(namespace) => Self(namespace.clone()),
        }
    }
}
