//! Lines of a child's output, bounded in length and number whatever the child writes.

use std::collections::VecDeque;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// Lines of stderr that are kept.
const KEPT: usize = 40;
/// Longest line that is kept, bytes; the rest of a longer one is dropped.
const LONGEST: usize = 4096;

/// The last lines of a stream, for judging and reporting a failure.
#[derive(Debug, Default, Clone)]
pub struct Tail {
    lines: VecDeque<String>,
    /// Lines ever seen.
    pub seen: u64,
}

impl Tail {
    /// Adds a line, dropping the oldest beyond forty.
    pub fn push(&mut self, line: &str) {
        self.seen += 1;
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line.chars().filter(|c| !c.is_control()).collect());
    }

    /// The kept lines, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Does any kept line contain `text`?
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line.contains(text))
    }

    /// The last line that says something, shortened to `limit` characters; for a status message. Equal failures give equal words:
    /// addresses in memory are left out, and so are our own allow lists.
    #[must_use]
    pub fn last_words(&self, limit: usize) -> String {
        let words = self.iter().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no message");
        let words =
            words.split_once(" '").filter(|(said, _)| said.ends_with("whitelist")).map_or(words, |(said, _)| said);
        let mut text = String::new();
        for (number, part) in words.split(" @ 0x").enumerate() {
            text.push_str(if number == 0 { part } else { part.trim_start_matches(|c: char| c.is_ascii_hexdigit()) });
        }
        text.chars().take(limit).collect()
    }
}

/// Reads a stream to its end into a [`Tail`]; a read error counts as the end.
pub(super) async fn tail(stream: impl AsyncRead + Unpin) -> Tail {
    let mut tail = Tail::default();
    let mut lines = Lines::new(stream);
    while let Ok(Some(line)) = lines.next().await {
        tail.push(line);
    }
    tail
}

/// A stream as lines of at most [`LONGEST`] bytes. Carriage returns end lines too.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    text: String,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { reader: BufReader::with_capacity(64 * 1024, stream), line: Vec::new(), text: String::new() }
    }

    /// The next line without its end, or `None` at the end of the stream. Safe to cancel: a half-read line is kept.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<&str>> {
        loop {
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                return if self.line.is_empty() { Ok(None) } else { Ok(Some(self.take())) };
            }
            let end = available.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &available[..end.unwrap_or(available.len())];
            let room = LONGEST.saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(self.take()));
            }
        }
    }

    fn take(&mut self) -> &str {
        self.text = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        &self.text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn long_lines_are_cut_and_carriage_returns_end_lines() {
        let text = format!("a\rb\n{}\nlast", "x".repeat(3 * LONGEST));
        let mut lines = Lines::new(text.as_bytes());
        assert_eq!(lines.next().await.unwrap(), Some("a"));
        assert_eq!(lines.next().await.unwrap(), Some("b"));
        assert_eq!(lines.next().await.unwrap().map(str::len), Some(LONGEST));
        assert_eq!(lines.next().await.unwrap(), Some("last"));
        assert_eq!(lines.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_tail_keeps_the_last_forty_lines() {
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let tail = tail(text.as_bytes()).await;
        assert_eq!((tail.seen, tail.iter().count()), (100, KEPT));
        assert_eq!(tail.iter().next(), Some("line 60"));
        assert_eq!(tail.last_words(6), "line 9");
    }

    #[test]
    fn last_words_are_equal_for_equal_failures() {
        let mut tail = Tail::default();
        tail.push("[ffv1 @ 0x7f23b5d77c40] Codec (ffv1) not on whitelist 'h264,hevc'");
        assert_eq!(tail.last_words(300), "[ffv1] Codec (ffv1) not on whitelist");
    }
}
