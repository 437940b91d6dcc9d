//! Bencode, strict: borrowed values, every container remembers nothing but its members, and a dictionary's value its raw bytes.
//!
//! Refused are: numbers outside `i64`, leading zeros, `-0`, keys that come twice, nesting deeper than [`MAX_DEPTH`], more than
//! [`MAX_VALUES`] values. Keys out of order are taken, because torrents in the wild have them and hashes go over raw bytes anyway.

use std::fmt;

/// Deepest nesting of lists and dictionaries. v2 file trees need one level for each folder.
pub const MAX_DEPTH: usize = 64;
/// Most values in one document: bounds the memory that a document of two-byte values takes.
pub const MAX_VALUES: usize = 1 << 20;

/// Why bytes are no bencode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BencodeError {
    /// The document ends inside a value.
    #[error("failed to read bencode: it ends early")]
    Ended,
    /// A byte that may not stand there.
    #[error("failed to read bencode: byte {0} may not stand where it does")]
    Unexpected(usize),
    /// A number that is malformed or out of range.
    #[error("failed to read bencode: a malformed or too large number at byte {0}")]
    Number(usize),
    /// A key that comes twice in one dictionary.
    #[error("failed to read bencode: a key comes twice in the dictionary that ends at byte {0}")]
    DuplicateKey(usize),
    /// Deeper than [`MAX_DEPTH`].
    #[error("failed to read bencode: nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// More values than [`MAX_VALUES`].
    #[error("failed to read bencode: more than {MAX_VALUES} values")]
    TooMany,
    /// Bytes behind the document.
    #[error("failed to read bencode: bytes follow the value, from byte {0} on")]
    Trailing(usize),
}

/// A value. Byte strings borrow from the document.
#[derive(Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A whole number.
    Int(i64),
    /// A byte string.
    Bytes(&'a [u8]),
    /// A list.
    List(Vec<Value<'a>>),
    /// A dictionary.
    Dict(Dict<'a>),
}

/// A dictionary, its keys in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Dict<'a> {
    entries: Vec<Entry<'a>>,
}

#[derive(Clone, PartialEq, Eq)]
struct Entry<'a> {
    key: &'a [u8],
    value: Value<'a>,
    /// The value as it stood in the document; empty for values that were never read.
    raw: &'a [u8],
}

impl<'a> Value<'a> {
    /// Reads a document that is one value and nothing else.
    ///
    /// # Errors
    /// [`BencodeError`].
    pub fn parse(document: &'a [u8]) -> Result<Self, BencodeError> {
        let (value, length) = Self::parse_front(document)?;
        if length == document.len() { Ok(value) } else { Err(BencodeError::Trailing(length)) }
    }

    /// Reads one value from the front of `document`; returns it and its length in bytes.
    ///
    /// # Errors
    /// [`BencodeError`].
    pub fn parse_front(document: &'a [u8]) -> Result<(Self, usize), BencodeError> {
        let mut reader = Reader { document, at: 0, values: 0 };
        let value = reader.value(0)?;
        Ok((value, reader.at))
    }

    /// The number, if it is one.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// The bytes, if it is a byte string.
    #[must_use]
    pub const fn as_bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The byte string as text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// The members, if it is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// The dictionary, if it is one.
    #[must_use]
    pub const fn as_dict(&self) -> Option<&Dict<'a>> {
        if let Self::Dict(dict) = self { Some(dict) } else { None }
    }

    /// Writes the value.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(number) => out.extend_from_slice(format!("i{number}e").as_bytes()),
            Self::Bytes(bytes) => string(bytes, out),
            Self::List(list) => {
                out.push(b'l');
                list.iter().for_each(|value| value.encode_into(out));
                out.push(b'e');
            }
            Self::Dict(dict) => {
                out.push(b'd');
                for entry in &dict.entries {
                    string(entry.key, out);
                    entry.value.encode_into(out);
                }
                out.push(b'e');
            }
        }
    }

    /// The value as a document.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }
}

fn string(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
}

impl<'a> Dict<'a> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The bytes of a key's value as they stood in the document that was read.
    #[must_use]
    pub fn raw(&self, key: &str) -> Option<&'a [u8]> {
        self.entry(key).map(|entry| entry.raw).filter(|raw| !raw.is_empty())
    }

    /// The number of a key.
    #[must_use]
    pub fn int(&self, key: &str) -> Option<i64> {
        self.get(key)?.as_int()
    }

    /// The byte string of a key.
    #[must_use]
    pub fn bytes(&self, key: &str) -> Option<&'a [u8]> {
        self.get(key)?.as_bytes()
    }

    /// The text of a key, if it is UTF-8.
    #[must_use]
    pub fn str(&self, key: &str) -> Option<&'a str> {
        self.get(key)?.as_str()
    }

    /// The list of a key.
    #[must_use]
    pub fn list(&self, key: &str) -> Option<&[Value<'a>]> {
        self.get(key)?.as_list()
    }

    /// The dictionary of a key.
    #[must_use]
    pub fn dict(&self, key: &str) -> Option<&Self> {
        self.get(key)?.as_dict()
    }

    /// Keys and values, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &Value<'a>)> {
        self.entries.iter().map(|entry| (entry.key, &entry.value))
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without a key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn entry(&self, key: &str) -> Option<&Entry<'a>> {
        let found = self.entries.binary_search_by(|entry| entry.key.cmp(key.as_bytes())).ok()?;
        self.entries.get(found)
    }
}

impl<'a> FromIterator<(&'a [u8], Value<'a>)> for Dict<'a> {
    /// Of a key that comes twice the first is kept.
    fn from_iter<T: IntoIterator<Item = (&'a [u8], Value<'a>)>>(pairs: T) -> Self {
        let mut entries: Vec<_> = pairs.into_iter().map(|(key, value)| Entry { key, value, raw: &[] }).collect();
        entries.sort_by_key(|entry| entry.key);
        entries.dedup_by_key(|entry| entry.key);
        Self { entries }
    }
}

impl<'a> From<Dict<'a>> for Value<'a> {
    fn from(dict: Dict<'a>) -> Self {
        Self::Dict(dict)
    }
}

/// A dictionary from keys and values, for writing.
#[must_use]
pub fn dict<'a, const N: usize>(pairs: [(&'a str, Value<'a>); N]) -> Value<'a> {
    Value::Dict(pairs.into_iter().map(|(key, value)| (key.as_bytes(), value)).collect())
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => number.fmt(f),
            Self::Bytes(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::List(list) => f.debug_list().entries(list).finish(),
            Self::Dict(dict) => dict.fmt(f),
        }
    }
}

impl fmt::Debug for Dict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.iter().map(|(key, value)| (key.escape_ascii().to_string(), value));
        f.debug_map().entries(entries).finish()
    }
}

struct Reader<'a> {
    document: &'a [u8],
    at: usize,
    values: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value<'a>, BencodeError> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(BencodeError::TooMany);
        }
        match self.peek()? {
            b'i' => {
                self.at += 1;
                self.number(b'e').map(Value::Int)
            }
            b'0'..=b'9' => self.string().map(Value::Bytes),
            b'l' => {
                self.enter(depth)?;
                let mut list = Vec::new();
                while self.peek()? != b'e' {
                    list.push(self.value(depth + 1)?);
                }
                self.at += 1;
                Ok(Value::List(list))
            }
            b'd' => {
                self.enter(depth)?;
                self.entries(depth).map(Value::Dict)
            }
            _ => Err(BencodeError::Unexpected(self.at)),
        }
    }

    fn enter(&mut self, depth: usize) -> Result<(), BencodeError> {
        self.at += 1;
        if depth >= MAX_DEPTH { Err(BencodeError::TooDeep) } else { Ok(()) }
    }

    fn entries(&mut self, depth: usize) -> Result<Dict<'a>, BencodeError> {
        let mut entries: Vec<Entry<'a>> = Vec::new();
        let mut ordered = true;
        while self.peek()? != b'e' {
            if !self.peek()?.is_ascii_digit() {
                return Err(BencodeError::Unexpected(self.at));
            }
            let key = self.string()?;
            let from = self.at;
            let value = self.value(depth + 1)?;
            let raw = self.document.get(from..self.at).unwrap_or_default();
            ordered &= entries.last().is_none_or(|last| last.key < key);
            entries.push(Entry { key, value, raw });
        }
        self.at += 1;
        if !ordered {
            entries.sort_by_key(|entry| entry.key);
            if entries.windows(2).any(|pair| pair[0].key == pair[1].key) {
                return Err(BencodeError::DuplicateKey(self.at));
            }
        }
        Ok(Dict { entries })
    }

    fn peek(&self) -> Result<u8, BencodeError> {
        self.document.get(self.at).copied().ok_or(BencodeError::Ended)
    }

    fn string(&mut self) -> Result<&'a [u8], BencodeError> {
        let at = self.at;
        let length = usize::try_from(self.number(b':')?).map_err(|_| BencodeError::Number(at))?;
        let end = self.at.checked_add(length).ok_or(BencodeError::Ended)?;
        let bytes = self.document.get(self.at..end).ok_or(BencodeError::Ended)?;
        self.at = end;
        Ok(bytes)
    }

    /// A decimal number up to and with `end`.
    fn number(&mut self, end: u8) -> Result<i64, BencodeError> {
        /// Digits and sign of `i64::MIN`.
        const LONGEST: usize = 20;
        let from = self.at;
        let rest = self.document.get(from..).unwrap_or_default();
        let Some(length) = rest.iter().take(LONGEST + 1).position(|&byte| byte == end) else {
            return Err(if rest.len() <= LONGEST { BencodeError::Ended } else { BencodeError::Number(from) });
        };
        let digits = &rest[..length];
        let plain = match digits {
            [b'0'] | [b'1'..=b'9', ..] | [b'-', b'1'..=b'9', ..] => std::str::from_utf8(digits).ok(),
            _ => None,
        };
        let number = plain.and_then(|text| text.parse().ok()).ok_or(BencodeError::Number(from))?;
        self.at = from + length + 1;
        Ok(number)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_and_written_alike() {
        let document = b"d1:ai-7e1:bl3:xyz0:e1:cd1:di0eee";
        let value = Value::parse(document).unwrap();
        assert_eq!(value.encode(), document);
        let dict = value.as_dict().unwrap();
        assert_eq!(dict.int("a"), Some(-7));
        assert_eq!(dict.raw("c"), Some(&b"d1:di0ee"[..]));
        assert_eq!(dict.list("b").unwrap().len(), 2);
    }

    #[test]
    fn what_is_ambiguous_or_malformed_is_refused() {
        for document in [
            "",
            "i",
            "i1",
            "ie",
            "i-0e",
            "i01e",
            "i+1e",
            "i 1e",
            "01:a",
            "-1:a",
            "5:abc",
            "l",
            "d",
            "d1:ae",
            "di1ei2ee",
            "i1ei2e",
            "d1:ai1e1:ai2ee",
            "x",
            "i9223372036854775808e",
            "99999999999999999999:",
            "1000000000:a",
        ] {
            assert!(Value::parse(document.as_bytes()).is_err(), "{document}");
        }
        assert_eq!(Value::parse(b"d1:bi1e1:ai2e1:bi3ee"), Err(BencodeError::DuplicateKey(20)));
        // Out of order is taken.
        assert!(Value::parse(b"d1:bi1e1:ai2ee").is_ok());
    }

    #[test]
    fn depth_and_count_are_bounded() {
        assert_eq!(Value::parse(&[b'l'; 1 << 20]), Err(BencodeError::TooDeep));
        let wide = [b"l".to_vec(), b"le".repeat(MAX_VALUES), b"e".to_vec()].concat();
        assert_eq!(Value::parse(&wide), Err(BencodeError::TooMany));
    }
}
