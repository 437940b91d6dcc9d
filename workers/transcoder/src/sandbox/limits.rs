//! Resource limits of a child: what a decoder gone wild may take before the kernel stops it.
//!
//! Set from outside right after the start (prlimit), since code between fork and exec would have to be unsafe; the child has not
//! read a byte of its input by then.

use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// Bytes of address space: far above any encode within the picture limits, far below a runaway.
const ADDRESS_SPACE: u64 = 24 << 30;
/// Bytes of one written file.
const FILE_SIZE: u64 = 256 << 30;
/// Open files.
const OPEN_FILES: u64 = 256;

/// Limits the process `pid`. One that has ended already is fine.
pub(super) fn apply(pid: u32) -> Result<(), Errno> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Err(Errno::INVAL) };
    let limits = [
        (Resource::Core, 0),
        (Resource::As, ADDRESS_SPACE),
        (Resource::Fsize, FILE_SIZE),
        (Resource::Nofile, OPEN_FILES),
    ];
    for (resource, most) in limits {
        // A limit that is already lower stays, and the hard one can only be lowered.
        let held = rustix::process::getrlimit(resource);
        let most = held.maximum.map_or(most, |maximum| maximum.min(most));
        match prlimit(Some(pid), resource, Rlimit { current: Some(most), maximum: Some(most) }) {
            Ok(_) | Err(Errno::SRCH) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
