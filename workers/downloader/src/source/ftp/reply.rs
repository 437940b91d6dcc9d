//! Replies of a control connection (RFC 959, section 4.2): bytes in, replies out. No socket here.
//!
//! What a server may send is bounded: a line, the lines of one reply, and therefore the memory a reply takes.

/// Longest line, bytes without its end.
const MAX_LINE: usize = 4096;
/// Most lines of one reply: banners and feature lists are long, but not endless.
const MAX_LINES: usize = 256;
/// Most of a reply's text that is kept for messages, bytes.
const MAX_TEXT: usize = 512;

/// Why bytes are no replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line does not end.
    #[error("a line of its reply is longer than {MAX_LINE} bytes")]
    LongLine,
    /// A reply does not end.
    #[error("its reply has more than {MAX_LINES} lines")]
    ManyLines,
    /// A line where a code was due has none.
    #[error("its reply begins with no code")]
    NoCode,
}

/// A complete reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Three digits, 100 to 599 or 6yz of RFC 2228.
    pub code: u16,
    /// Text of the last line, without control characters, cut to a length for messages.
    pub text: String,
}

impl Reply {
    /// First digit of the code: 1 preliminary, 2 done, 3 go on, 4 not now, 5 never.
    #[must_use]
    pub const fn class(&self) -> u16 {
        self.code / 100
    }
}

/// Puts replies together from the bytes of a connection.
#[derive(Debug, Default)]
pub struct ReplyReader {
    buffer: Vec<u8>,
    /// Code of a multi-line reply that has begun, and its lines so far.
    open: Option<(u16, usize)>,
}

impl ReplyReader {
    /// Takes in bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether bytes wait that belong to no reply handed out. Before TLS begins there must be none: they came in clear.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.open.is_none()
    }

    /// The next reply; `None` when more bytes are needed. After an error the connection is of no use.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ReplyError> {
        loop {
            let Some(end) = self.buffer.iter().take(MAX_LINE + 1).position(|&byte| byte == b'\n') else {
                return if self.buffer.len() > MAX_LINE { Err(ReplyError::LongLine) } else { Ok(None) };
            };
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(reply) = self.line(line)? {
                return Ok(Some(reply));
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let coded = code(line);
        match (self.open, coded) {
            (None, Some((code, false))) => Ok(Some(Reply { code, text: text(line) })),
            (None, Some((code, true))) => {
                self.open = Some((code, 1));
                Ok(None)
            }
            (None, None) => Err(ReplyError::NoCode),
            (Some((opened, _)), Some((code, false))) if opened == code => {
                self.open = None;
                Ok(Some(Reply { code, text: text(line) }))
            }
            (Some((_, lines)), _) if lines >= MAX_LINES => Err(ReplyError::ManyLines),
            (Some((opened, lines)), _) => {
                self.open = Some((opened, lines + 1));
                Ok(None)
            }
        }
    }
}

/// The code a line begins with, and whether more lines follow.
fn code(line: &[u8]) -> Option<(u16, bool)> {
    let [a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = line else { return None };
    let code = [a, b, c].iter().fold(0, |code, digit| code * 10 + u16::from(**digit - b'0'));
    match rest.first() {
        None | Some(b' ') => Some((code, false)),
        Some(b'-') => Some((code, true)),
        Some(_) => None,
    }
}

fn text(line: &[u8]) -> String {
    let line = line.get(4..).unwrap_or_default();
    let text = String::from_utf8_lossy(&line[..line.len().min(MAX_TEXT)]);
    text.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<u16>, ReplyError> {
        let mut reader = ReplyReader::default();
        reader.push(bytes);
        let mut codes = Vec::new();
        while let Some(reply) = reader.next_reply()? {
            codes.push(reply.code);
        }
        Ok(codes)
    }

    #[test]
    fn lines_and_the_examples_of_rfc_959() {
        assert_eq!(read(b"220 Ready\r\n331 Password\n230\r\n").unwrap(), [220, 331, 230]);
        assert_eq!(read(b"123-First\r\nSecond\r\n 234 beginning with numbers\r\n123 last\r\n").unwrap(), [123]);
        assert_eq!(read(b"211-Features\r\n211-SIZE\r\n 213 MDTM\r\n211 End\r\n").unwrap(), [211]);
        assert_eq!(read(b"220-a\r\n221 b\r\n").unwrap(), [0_u16; 0], "another code does not end a reply");
        let mut reader = ReplyReader::default();
        reader.push(b"550 No \x1b[31msuch\x07 file\r\nrest");
        assert_eq!(reader.next_reply().unwrap().unwrap(), Reply { code: 550, text: "No [31msuch file".into() });
        assert!(!reader.is_empty());
    }

    #[test]
    fn what_does_not_end_is_refused() {
        assert_eq!(read(&[b'2'; 5000]), Err(ReplyError::LongLine));
        assert_eq!(read(format!("220-x\r\n{}", "y\r\n".repeat(300)).as_bytes()), Err(ReplyError::ManyLines));
        for bad in ["hello\r\n", "99 x\r\n", "2200 x\r\n", "\r\n", "700 x\r\n"] {
            assert_eq!(read(bad.as_bytes()), Err(ReplyError::NoCode), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_the_same(bytes in "([1-6][0-9]{2}[- ]?[a-z\\r\\x00é]{0,6}\r?\n){0,6}.{0,3}", cut in 1_usize..9) {
            let mut reader = ReplyReader::default();
            let mut pieces = Vec::new();
            let mut failed = None;
            for piece in bytes.as_bytes().chunks(cut) {
                reader.push(piece);
                while failed.is_none() {
                    match reader.next_reply() {
                        Ok(Some(reply)) => pieces.push(reply.code),
                        Ok(None) => break,
                        Err(error) => failed = Some(error),
                    }
                }
            }
            prop_assert_eq!(read(bytes.as_bytes()), failed.map_or(Ok(pieces), Err));
        }
    }
}
