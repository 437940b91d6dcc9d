//! Writing past the page cache. To find a page for every 4 KiB and to copy into it is most of what a fast download costs the
//! CPU; a disk takes whole pages from where they lie.
//!
//! Here are which bytes of a write can go that way, and when the disk is too slow for it. Whether they should is the
//! caller's to say ([`After`]): bytes that are read again soon are better kept in memory.

use std::fs::{File, OpenOptions};
use std::io::IoSlice;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nix::{libc::O_DIRECT, sys::uio::pwritev};

/// What offset, length and address must be multiples of: the largest sector of disks in use, and a page.
const ALIGNMENT: usize = 4096;
/// Fewer bytes in a row are not worth a request to the disk.
const LEAST: usize = 256 << 10;
/// Bytes after which it is looked how fast the disk took them.
const LOOK: u64 = 32 << 20;
/// Bytes per second below which a disk is slow: to copy into the cache is faster by far.
const SLOW: f64 = 300e6;
/// Bytes that go through the cache before a slow disk is tried again; twice as many each time it is still slow, up to the most.
const PAUSE: u64 = 256 << 20;
const LONGEST_PAUSE: u64 = 8 << 30;
/// Slices passed to the kernel in one write (its own limit is 1,024).
pub(super) const MAX_SLICES: usize = 256;

/// What becomes of bytes once they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// They are read again soon: they are kept in memory while there is room.
    Read,
    /// Nobody reads them before the content is whole, so nothing is lost when only the disk has them.
    Rest,
}

/// Bytes in a row of one write, at an offset in bytes, all of which go the same way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run<'a> {
    pub(super) offset: u64,
    pub(super) length: usize,
    /// Whether they can go past the cache.
    pub(super) aligned: bool,
    pub(super) slices: Vec<&'a [u8]>,
}

/// Cuts a write into runs, in order.
pub(super) fn runs(offset: u64, pieces: &[Bytes], after: After) -> Vec<Run<'_>> {
    let past = (after == After::Rest).then(|| cut(offset, pieces, true));
    past.filter(|runs| runs.iter().any(|run| run.aligned)).unwrap_or_else(|| cut(offset, pieces, false))
}

fn cut(mut offset: u64, pieces: &[Bytes], aligns: bool) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for piece in pieces {
        let (front, middle) = if aligns { pages(offset, piece) } else { (piece.len(), 0) };
        let (front, rest) = piece.split_at(front);
        let (middle, back) = rest.split_at(middle);
        for (slice, aligned) in [(front, false), (middle, true), (back, false)] {
            match runs.last_mut().filter(|last| last.aligned == aligned) {
                _ if slice.is_empty() => {}
                Some(last) => {
                    last.length += slice.len();
                    last.slices.push(slice);
                }
                None => runs.push(Run { offset, length: slice.len(), aligned, slices: vec![slice] }),
            }
            offset += slice.len() as u64;
        }
    }
    runs.iter_mut().for_each(|run| run.aligned &= run.length >= LEAST);
    runs
}

/// Bytes of a piece before its whole pages, and bytes in them; no whole pages where those lie wrong in memory.
fn pages(offset: u64, piece: &[u8]) -> (usize, usize) {
    let before = usize::try_from(offset.wrapping_neg() % ALIGNMENT as u64).unwrap_or_default().min(piece.len());
    let pages = (piece.len() - before) / ALIGNMENT * ALIGNMENT;
    let lies_right = (piece.as_ptr().addr() + before).is_multiple_of(ALIGNMENT);
    if lies_right { (before, pages) } else { (piece.len(), 0) }
}

/// The way past the cache to one file.
#[derive(Debug, Default)]
pub(super) struct Direct {
    /// `None` where the file system has no such way.
    file: OnceLock<Option<File>>,
    pace: Mutex<Pace>,
}

impl Direct {
    /// Writes a run to the file that is open as `cached`; returns how many bytes from its first on, all or fewer: the others
    /// are to go through the cache. Blocking.
    pub(super) fn write(&self, cached: &File, run: &Run<'_>) -> usize {
        if !run.aligned || run.slices.len() > MAX_SLICES || !self.pace().allows(run.length as u64) {
            return 0;
        }
        let (Some(file), Ok(offset)) = (self.file.get_or_init(|| open(cached)), i64::try_from(run.offset)) else {
            return 0;
        };
        let slices: Vec<IoSlice<'_>> = run.slices.iter().map(|slice| IoSlice::new(slice)).collect();
        let begun = Instant::now();
        // Whatever is wrong will be wrong with the cached file, too, or does not matter there.
        let written = pwritev(file, &slices, offset).unwrap_or(0);
        self.pace().wrote(written as u64, run.length as u64, begun.elapsed());
        written
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same file, whatever its name is by now, opened once more: the flag counts for all who share an open file.
fn open(cached: &File) -> Option<File> {
    let path = format!("/proc/self/fd/{}", cached.as_raw_fd());
    OpenOptions::new().write(true).custom_flags(O_DIRECT).open(path).ok()
}

/// Whether the disk is fast enough.
#[derive(Debug, Default)]
struct Pace {
    bytes: u64,
    spent: Duration,
    /// Bytes that go through the cache first.
    pause: u64,
    /// How many times in a row it was slow.
    slow: u32,
}

impl Pace {
    fn allows(&mut self, bytes: u64) -> bool {
        let paused = self.pause > 0;
        self.pause = self.pause.saturating_sub(bytes);
        !paused
    }

    /// It took `written` of `bytes` in that time.
    fn wrote(&mut self, written: u64, bytes: u64, spent: Duration) {
        (self.bytes, self.spent) = (self.bytes + written, self.spent + spent);
        let refused = written < bytes;
        if self.bytes < LOOK && !refused {
            return;
        }
        if refused || (self.bytes as f64) < SLOW * self.spent.as_secs_f64() {
            self.pause = PAUSE.saturating_mul(1 << self.slow.min(16)).min(LONGEST_PAUSE);
            self.slow += 1;
        } else {
            self.slow = 0;
        }
        (self.bytes, self.spent) = (0, Duration::ZERO);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that lie in memory as they would `at` bytes behind the start of a page.
    fn placed(bytes: &[u8], at: u64) -> Bytes {
        let mut all = vec![0; bytes.len() + 2 * ALIGNMENT];
        let front = (ALIGNMENT - all.as_ptr().addr() % ALIGNMENT) + at as usize % ALIGNMENT;
        all[front..front + bytes.len()].copy_from_slice(bytes);
        Bytes::from(all).slice(front..front + bytes.len())
    }

    #[test]
    fn whole_pages_that_lie_right_go_past_the_cache() {
        let piece = placed(&vec![7; LEAST + 2 * ALIGNMENT], 100);
        let ways = |offset, after| {
            let pieces = [piece.clone()];
            runs(offset, &pieces, after).iter().map(|run| (run.offset, run.length, run.aligned)).collect::<Vec<_>>()
        };
        let (front, pages) = (ALIGNMENT - 100, LEAST + ALIGNMENT);
        let expected =
            [(100, front, false), (4096, pages, true), (4096 + pages as u64, piece.len() - front - pages, false)];
        assert_eq!(ways(100, After::Rest), expected);
        assert_eq!(ways(101, After::Rest), [(101, piece.len(), false)], "they lie wrong in memory");
        assert_eq!(ways(100, After::Read), [(100, piece.len(), false)], "they are read again");
        let short = placed(&vec![7; LEAST - 1], 0);
        let more = placed(&[7; ALIGNMENT], 0);
        assert!(!runs(0, std::slice::from_ref(&short), After::Rest)[0].aligned);
        let both = [placed(&vec![7; LEAST - ALIGNMENT], 0), more];
        assert!(runs(0, &both, After::Rest)[0].aligned, "together they are enough");
    }

    proptest! {
        #[test]
        fn runs_hold_every_byte_once_and_only_whole_pages_are_aligned(
            offset in 0_u64..20_000,
            lengths in prop::collection::vec(prop_oneof![0_usize..10_000, LEAST..LEAST + 20_000], 0..6),
            misplaced in prop::collection::vec(any::<bool>(), 6),
        ) {
            let mut at = offset;
            let pieces: Vec<Bytes> = lengths.iter().zip(&misplaced).map(|(length, misplaced)| {
                let bytes: Vec<u8> = (at..at + *length as u64).map(|byte| (byte % 251) as u8).collect();
                let piece = placed(&bytes, at + u64::from(*misplaced));
                at += *length as u64;
                piece
            }).collect();
            let mut next = offset;
            for run in runs(offset, &pieces, After::Rest) {
                prop_assert_eq!(run.offset, next);
                prop_assert_eq!(run.length, run.slices.concat().len());
                let right = run.slices.concat().iter().zip(next..).all(|(byte, at)| *byte == (at % 251) as u8);
                prop_assert!(right);
                if run.aligned {
                    prop_assert_eq!(run.offset % ALIGNMENT as u64, 0);
                    for slice in &run.slices {
                        prop_assert_eq!((slice.len() % ALIGNMENT, slice.as_ptr().addr() % ALIGNMENT), (0, 0));
                    }
                }
                next += run.length as u64;
            }
            prop_assert_eq!(next, at);
        }
    }

    #[test]
    fn whole_pages_reach_the_file_past_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let expected: Vec<u8> = (0..LEAST).map(|byte| (byte % 251) as u8).collect();
        let pieces = [placed(&expected, 0)];
        let runs = runs(4096, &pieces, After::Rest);
        // Without such a way it is the caller's to write.
        let written = if open(&file).is_some() { LEAST } else { 0 };
        assert_eq!(Direct::default().write(&file, &runs[0]), written);
        assert_eq!(std::fs::read(&path).unwrap().get(4096..).unwrap_or_default(), &expected[..written]);
    }

    #[test]
    fn a_slow_disk_is_left_to_the_cache_for_a_while() {
        let mut pace = Pace::default();
        let paused = |pace: &mut Pace| (0..).take_while(|_| !pace.allows(LOOK)).count() as u64 * LOOK;
        assert!(pace.allows(LOOK));
        pace.wrote(LOOK, LOOK, Duration::from_millis(40));
        assert_eq!(paused(&mut pace), 0, "800 MB/s");
        for times in [1, 2, 4] {
            pace.wrote(LOOK, LOOK, Duration::from_millis(200));
            assert_eq!(paused(&mut pace), times * PAUSE);
        }
        pace.wrote(LOOK, LOOK, Duration::from_millis(40));
        assert_eq!(paused(&mut pace), 0);
        pace.wrote(0, 1 << 20, Duration::ZERO);
        assert_eq!(paused(&mut pace), PAUSE, "it refused");
        (0..40).for_each(|_| pace.wrote(0, 1, Duration::ZERO));
        assert_eq!(paused(&mut pace), LONGEST_PAUSE);
    }
}
