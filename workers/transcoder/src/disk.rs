//! Faults of the local disk as failures of the work: no room is a matter of resources, everything else may pass.

use std::io;
use std::path::Path;

use videocloud_protocol::failure::{Failure, FailureClass, reason};

use crate::mp4::Mp4Error;

/// What it means that `what` ("write", "read" …) failed on `path`.
pub(crate) fn fault(what: &str, path: &Path, error: &io::Error) -> Failure {
    let (class, reason, hint) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (FailureClass::Resources, reason::SCRATCH_FULL, "; give it more room")
        }
        _ => (FailureClass::Transient, reason::INTERNAL, ""),
    };
    Failure::new(class, reason, format!("failed to {what} {}: {error}{hint}", path.display()))
}

/// What it means that one of our own MP4 files could not be written or read back.
pub(crate) fn mp4_fault(error: &Mp4Error) -> Failure {
    match error {
        Mp4Error::Io { path, source } => fault("access", path, source),
        Mp4Error::Malformed { .. } => Failure::new(FailureClass::Transient, reason::INTERNAL, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_a_matter_of_resources() {
        let class = |kind| fault("write", Path::new("x"), &io::Error::from(kind)).class;
        assert_eq!(class(io::ErrorKind::StorageFull), FailureClass::Resources);
        assert_eq!(class(io::ErrorKind::PermissionDenied), FailureClass::Transient);
    }
}
