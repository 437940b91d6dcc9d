//! A table of rates in a CSV file: `content,bittorrent,http`, in bytes per second. The row of `*` is for all contents without one of
//! their own. The file is read again when it changes; one that cannot be read leaves what it said before in force.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio_util::sync::CancellationToken;
use videocloud_protocol::{
    ids::ContentId,
    tracker::{SwarmRate, UploaderTable},
};

use super::{Swarms, allocation::MAX_RATES};

/// How often it is looked at. One that changed is read when it stayed the same for as long: a writer may not be done.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long what it says holds if it is not said again.
const TTL: Duration = Duration::from_secs(120);
/// Longest line, bytes: an id and two numbers.
const MAX_LINE: usize = 200;
/// Longest file, bytes.
const MAX_FILE: u64 = 200 << 20;

/// Why the file says nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// It cannot be read.
    #[error("failed to read the table {path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        why: String,
    },
    /// A line that is no row.
    #[error("failed to read line {line} of the table: {why}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Reads the text of a table. `fallback` holds for contents without a row when there is no row of `*`.
///
/// # Errors
/// [`TableError::Line`].
pub fn parse(text: &str, fallback: u64) -> Result<UploaderTable, TableError> {
    let mut table = UploaderTable { default_rate: fallback, default_bittorrent: fallback, ..UploaderTable::default() };
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let bad = |line: usize, why| TableError::Line { line: line + 1, why };
    match lines.next() {
        Some((_, head)) if head.split(',').map(str::trim).eq(["content", "bittorrent", "http"]) => {}
        Some((line, _)) => return Err(bad(line, "the first line must be content,bittorrent,http")),
        None => return Err(bad(0, "it is empty; the first line must be content,bittorrent,http")),
    }
    let mut named = HashSet::new();
    for (at, line) in lines {
        let fields: Vec<&str> = if line.len() <= MAX_LINE { line.split(',').map(str::trim).collect() } else { vec![] };
        let [content, bittorrent, http] = fields[..] else { return Err(bad(at, "three fields are needed")) };
        let rate =
            |text: &str| text.parse::<u64>().map_err(|_| bad(at, "a rate must be a whole number of bytes per second"));
        let (bittorrent, http) = (rate(bittorrent)?, rate(http)?);
        if content == "*" {
            (table.default_bittorrent, table.default_rate) = (bittorrent, http);
            continue;
        }
        let content: ContentId =
            content.parse().map_err(|_| bad(at, "a content must be 64 lower-case hex digits, or *"))?;
        if !named.insert(content) {
            return Err(bad(at, "the content has a row already"));
        }
        if table.rates.len() >= MAX_RATES {
            return Err(bad(at, "too many rows"));
        }
        table.rates.push(SwarmRate { bittorrent, http, ..SwarmRate::new(content) });
    }
    Ok(table)
}

/// Holds `swarms` to a file.
#[derive(Debug)]
pub struct TableFile {
    /// The file.
    pub path: PathBuf,
    /// For contents it does not name, bytes per second.
    pub fallback: u64,
    /// What is held to it.
    pub swarms: Arc<Swarms>,
}

impl TableFile {
    /// Reads it once.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn read(&self) -> Result<UploaderTable, TableError> {
        let unreadable = |why: String| TableError::Unreadable { path: self.path.clone(), why };
        let length = std::fs::metadata(&self.path).map_err(|error| unreadable(error.to_string()))?.len();
        if length > MAX_FILE {
            return Err(unreadable(format!("it is longer than {MAX_FILE} bytes")));
        }
        let text = std::fs::read_to_string(&self.path).map_err(|error| unreadable(error.to_string()))?;
        parse(&text, self.fallback)
    }

    /// Puts `table` in force and follows the file until `closing` is cancelled.
    pub async fn follow(self, mut table: UploaderTable, closing: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let mut said = tokio::time::Instant::now();
        let mut seen = stamp(&self.path);
        let mut last = seen;
        self.say(&mut table);
        while closing.run_until_cancelled(looks.tick()).await.is_some() {
            let now = stamp(&self.path);
            let settled = std::mem::replace(&mut last, now) == now;
            if now != seen && settled {
                seen = now;
                match self.read() {
                    Ok(read) => {
                        tracing::info!(rates = read.rates.len(), "the table has changed");
                        table = UploaderTable { generation: table.generation, ..read };
                    }
                    Err(error) => {
                        tracing::warn!(%error, "what it said before holds");
                        continue;
                    }
                }
            } else if said.elapsed() < TTL / 2 {
                continue;
            }
            self.say(&mut table);
            said = tokio::time::Instant::now();
        }
    }

    fn say(&self, table: &mut UploaderTable) {
        (table.generation, table.ttl_seconds) = (table.generation + 1, TTL.as_secs());
        if let Err(error) = self.swarms.take_table(table.clone()) {
            tracing::warn!(%error, "the table in force stays");
        }
    }
}

/// What changes when the file does.
fn stamp(path: &Path) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_are_rates_and_anything_else_is_refused_by_its_line() {
        let id = "ab".repeat(32);
        let table = parse(&format!("content, bittorrent,http\n\n{id},300000,5\n*,7,8\n"), 1).unwrap();
        assert_eq!((table.default_bittorrent, table.default_rate, table.rates.len()), (7, 8, 1));
        assert_eq!((table.rates[0].bittorrent, table.rates[0].http), (300_000, 5));
        let plain = parse("content,bittorrent,http", 9).unwrap();
        assert_eq!((plain.default_bittorrent, plain.default_rate), (9, 9));
        for (text, line) in [
            (String::new(), 1),
            (format!("{id},1,2"), 1),
            ("content,bittorrent,http\nx,1,2".into(), 2),
            (format!("content,bittorrent,http\n{id},1"), 2),
            (format!("content,bittorrent,http\n{id},-1,2"), 2),
            (format!("content,bittorrent,http\n{id},1,2\n{id},1,2,3"), 3),
            (format!("content,bittorrent,http\n{id},1,2\n{id},3,4"), 3),
            (format!("content,bittorrent,http\n{id},NaN,2"), 2),
            (format!("content,bittorrent,http\n{id},1e6,2"), 2),
            (format!("content,bittorrent,http\n{id},1,{}", "9".repeat(300)), 2),
        ] {
            assert!(matches!(parse(&text, 0), Err(TableError::Line { line: found, .. }) if found == line), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(content,bittorrent,http\n)?(\\PC|\n){0,200}") {
            let _ = parse(&text, 0);
        }
    }
}
