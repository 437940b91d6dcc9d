//! File systems mounted by, for and below what this library makes.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::{FsType, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, statfs};

use crate::paths::PathError;

/// Whether overlays can be made in an existing folder: they cannot be stacked on the overlay that is a container's own file
/// system.
pub(crate) fn takes_overlays(folder: &Path) -> bool {
    file_system(folder).is_some_and(|found| found != OVERLAYFS_SUPER_MAGIC)
}

/// Mounts `bytes` bytes of memory at a folder, where any user may write, unless they are there.
pub(crate) fn memory(folder: &Path, bytes: u64) -> Result<(), PathError> {
    if file_system(folder) == Some(TMPFS_MAGIC) {
        return Ok(());
    }
    let options = format!("size={bytes},mode=0777");
    let mounted = mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()));
    mounted.map_err(|error| PathError::io("mount memory at", folder)(error.into()))
}

/// Unmounts everything below the folders, whether or not it is in use.
pub(crate) fn detach_below(folders: &[&Path]) -> Result<(), PathError> {
    for mount in below(folders)? {
        let detached = umount2(&mount, MntFlags::MNT_DETACH);
        detached.map_err(|error| PathError::io("unmount", &mount)(error.into()))?;
    }
    Ok(())
}

fn file_system(folder: &Path) -> Option<FsType> {
    statfs(folder).ok().map(|found| found.filesystem_type())
}

/// The mount points below the folders, the deepest first.
fn below(folders: &[&Path]) -> Result<Vec<PathBuf>, PathError> {
    let table = Path::new("/proc/self/mounts");
    let text = fs::read(table).map_err(PathError::io("read", table))?;
    let points = text.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(1));
    let mut found: Vec<_> =
        points.map(unescape).filter(|point| folders.iter().any(|folder| point.starts_with(folder))).collect();
    found.reverse();
    Ok(found)
}

/// A path of the mount table, where blanks and backslashes are octal numbers.
fn unescape(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| *first == b'\\');
        path.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(OsString::from_vec(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_mount_points_are_read() {
        assert_eq!(unescape(br"/a\040b\134c"), PathBuf::from(r"/a b\c"));
        assert_eq!(unescape(br"/a\04"), PathBuf::from(r"/a\04"));
    }
}
