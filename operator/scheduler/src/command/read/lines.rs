//! Line ends of every system as newlines, so that lines are numbered as an editor numbers them.

use std::io::{self, Read};

/// Reads `\r\n` and a lone `\r` as `\n`, and a last line without an end as one with it.
pub(super) struct Lines<R> {
    from: R,
    after_return: bool,
    at_start: bool,
}

impl<R: Read> Lines<R> {
    pub(super) const fn new(from: R) -> Self {
        Self { from, after_return: false, at_start: true }
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.from.read(buffer)?;
            if count == 0 {
                let Some(first) = buffer.first_mut().filter(|_| !self.at_start) else { return Ok(0) };
                *first = b'\n';
                self.at_start = true;
                return Ok(1);
            }
            let mut kept = 0;
            for at in 0..count {
                let byte = buffer[at];
                if byte != b'\n' || !self.after_return {
                    buffer[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
                self.after_return = byte == b'\r';
            }
            if kept > 0 {
                self.at_start = buffer[kept - 1] == b'\n';
                return Ok(kept);
            }
        }
    }
}
