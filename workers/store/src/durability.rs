//! What a file system store survives, and the syncs that follow from it.

use std::{fs::File, io, path::Path};

/// What must not undo what a store has said is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// A power loss: everything is synced before it is named.
    #[default]
    PowerLoss,
    /// The end of the process in any way, as usual for a file a user downloads: nothing waits for the disk. After a power loss a
    /// file may be short or hold zeros.
    Kill,
}

impl Durability {
    /// Makes a file's bytes and attributes durable.
    pub(crate) fn file(self, file: &File) -> io::Result<()> {
        match self {
            Self::PowerLoss => file.sync_all(),
            Self::Kill => Ok(()),
        }
    }

    /// Makes a file's bytes durable.
    pub(crate) fn data(self, file: &File) -> io::Result<()> {
        match self {
            Self::PowerLoss => file.sync_data(),
            Self::Kill => Ok(()),
        }
    }

    /// Makes the names in the folder of `path` durable.
    pub(crate) fn parent(self, path: &Path) -> io::Result<()> {
        match (self, path.parent()) {
            (Self::PowerLoss, Some(parent)) => File::open(parent)?.sync_all(),
            _ => Ok(()),
        }
    }
}
