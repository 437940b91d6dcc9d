//! Several ranges in one answer: `multipart/byteranges` (RFC 9110, section 14.6).

use bytes::Bytes;

use super::range::ByteRange;

/// The answer's body: heads and ranges in turn, then the tail.
#[derive(Debug)]
pub struct Multipart {
    /// Value of `Content-Type`.
    pub content_type: String,
    /// Each range after the bytes that go before it.
    pub parts: Vec<(Bytes, ByteRange)>,
    /// What ends the body.
    pub tail: Bytes,
}

impl Multipart {
    /// Lays out `ranges` of a representation of type `mime` and `size` bytes. `boundary` must not occur in it: take 128
    /// random bits.
    #[must_use]
    pub fn new(ranges: &[ByteRange], mime: &str, size: u64, boundary: u128) -> Self {
        let boundary = format!("{boundary:032x}");
        let head = |(index, range): (usize, &ByteRange)| {
            let line = if index == 0 { "" } else { "\r\n" };
            let of = range.content_range(size);
            let head = format!("{line}--{boundary}\r\nContent-Type: {mime}\r\nContent-Range: {of}\r\n\r\n");
            (Bytes::from(head), *range)
        };
        Self {
            parts: ranges.iter().enumerate().map(head).collect(),
            tail: Bytes::from(format!("\r\n--{boundary}--\r\n")),
            content_type: format!("multipart/byteranges; boundary={boundary}"),
        }
    }

    /// Bytes of the whole body; `None` beyond what a header can say.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.parts.iter().try_fold(self.tail.len() as u64, |sum, (head, range)| {
            sum.checked_add(head.len() as u64)?.checked_add(range.length())
        })
    }
}
