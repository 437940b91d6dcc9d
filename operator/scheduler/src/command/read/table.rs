//! A CSV file as rows whose cells are found by the names in its header.
//!
//! A header is required; columns may stand in any order. Quotes, CRLF, a byte order mark and blank lines
//! are understood; a row of another length than the header is refused.

use std::io::Read;

use csv::{ByteRecord, ReaderBuilder};
use indicatif::ProgressBar;

use super::lines::Lines;
use super::{CellError, Input, TableError};

/// What `fit` tells of its laws beside them; `solve` reads the same file and does not need it.
const FITTED: [&str; 3] = ["samples", "a_error", "source"];

/// A column a table may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
}

impl Column {
    pub(crate) const fn required(name: &'static str) -> Self {
        Self { name, required: true }
    }

    pub(crate) const fn optional(name: &'static str) -> Self {
        Self { name, required: false }
    }
}

/// An open file whose header was read.
pub(crate) struct Table<'a> {
    pub(super) file: String,
    columns: &'a [Column],
    /// By column, its place in the file.
    places: Vec<Option<usize>>,
    width: usize,
    reader: csv::Reader<Lines<Box<dyn Read>>>,
    record: ByteRecord,
    /// Whether a cell of the record goes over several lines.
    spreads: bool,
    bar: ProgressBar,
    warn: fn(&str),
}

impl<'a> Table<'a> {
    /// Reads the header.
    pub(crate) fn new(input: Input, columns: &'a [Column]) -> Result<Self, TableError> {
        let Input { name: file, bytes, bar, warn } = input;
        let mut builder = ReaderBuilder::new();
        let reader = builder.has_headers(false).flexible(true).buffer_capacity(1 << 20).from_reader(Lines::new(bytes));
        let (places, record) = (vec![None; columns.len()], ByteRecord::new());
        let mut table = Self { file, columns, places, width: 0, reader, record, spreads: false, bar, warn };
        table.header()?;
        Ok(table)
    }

    pub(super) fn refuse(&self, line: Option<u64>, problem: String) -> TableError {
        TableError::Form { file: self.file.clone(), line, problem }
    }

    fn header(&mut self) -> Result<(), TableError> {
        let wanted = || {
            let name = |c: &Column| if c.required { c.name.to_owned() } else { format!("[{}]", c.name) };
            self.columns.iter().map(name).collect::<Vec<_>>().join(",")
        };
        let Some(line) = self.advance()? else {
            return Err(self.refuse(None, format!("it is empty; its first line must name the columns: {}", wanted())));
        };
        self.width = self.record.len();
        let mut unknown = Vec::new();
        for place in 0..self.width {
            let name = String::from_utf8_lossy(&self.record[place]).to_lowercase();
            match self.columns.iter().position(|c| c.name == name) {
                Some(column) if self.places[column].is_some() => {
                    return Err(
                        self.refuse(Some(line), format!("the header names the column `{name}` twice; remove one"))
                    );
                }
                Some(column) => self.places[column] = Some(place),
                None if FITTED.contains(&name.as_str()) => {}
                None => unknown.push(name),
            }
        }
        let missing = |(column, place): (&Column, &Option<usize>)| {
            (column.required && place.is_none()).then(|| format!("`{}`", column.name))
        };
        let missing: Vec<String> = self.columns.iter().zip(&self.places).filter_map(missing).collect();
        if !missing.is_empty() {
            let what = if missing.len() == self.columns.iter().filter(|c| c.required).count() {
                "it has no header".to_owned()
            } else {
                format!("the header lacks {}", missing.join(", "))
            };
            return Err(self.refuse(Some(line), format!("{what}; its first line must name the columns: {}", wanted())));
        }
        for name in unknown {
            let name = name.escape_debug();
            (self.warn)(&format!("{}: column `{name}` is not known and not used; known are {}", self.file, wanted()));
        }
        Ok(())
    }

    /// Moves to the next line that is not blank and returns its number.
    fn advance(&mut self) -> Result<Option<u64>, TableError> {
        loop {
            match self.reader.read_byte_record(&mut self.record) {
                Ok(true) => {
                    // The record's own position is that of blank lines before it.
                    let before = self.record.position().map_or(0, csv::Position::line);
                    let within = self.record.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64;
                    let line = self.reader.position().line().saturating_sub(1 + within).max(before);
                    self.spreads = within > 0;
                    self.record.trim();
                    if self.record.iter().any(|cell| !cell.is_empty()) {
                        return Ok(Some(line));
                    }
                }
                Ok(false) => {
                    self.bar.finish_and_clear();
                    return Ok(None);
                }
                Err(error) => {
                    let line = error.position().map(csv::Position::line);
                    return Err(match error.into_kind() {
                        csv::ErrorKind::Io(cause) => TableError::Io { file: self.file.clone(), cause },
                        other => self.refuse(line, format!("{other:?}")),
                    });
                }
            }
        }
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>, TableError> {
        let Some(line) = self.advance()? else { return Ok(None) };
        if self.record.len() != self.width {
            let (found, width) = (self.record.len(), self.width);
            let cells = if found == 1 { "cell" } else { "cells" };
            let remedy = if self.spreads {
                "is a quote left open?"
            } else {
                "add or remove cells, or quote a cell that holds a comma"
            };
            let problem = format!("it has {found} {cells} where the header has {width}; {remedy}");
            return Err(self.refuse(Some(line), problem));
        }
        Ok(Some(Row { table: self, line }))
    }
}

/// One row.
pub(crate) struct Row<'a> {
    table: &'a Table<'a>,
    /// Its line in the file, from 1.
    pub(crate) line: u64,
}

impl Row<'_> {
    /// The trimmed text of a column of the table; empty where the file lacks the column.
    pub(crate) fn text(&self, column: &'static str) -> Result<&str, TableError> {
        let place = self.table.columns.iter().position(|c| c.name == column).and_then(|at| self.table.places[at]);
        let Some(bytes) = place.map(|place| &self.table.record[place]) else { return Ok("") };
        std::str::from_utf8(bytes).map_err(|_| self.refuse(column, "is not UTF-8", "save the file as UTF-8"))
    }

    /// The error of a cell.
    pub(crate) fn refuse(&self, column: &'static str, problem: &str, remedy: &str) -> TableError {
        let place = self.table.columns.iter().position(|c| c.name == column).and_then(|at| self.table.places[at]);
        let value = place.map(|place| String::from_utf8_lossy(&self.table.record[place]).into_owned());
        let mut value = value.unwrap_or_default();
        if value.chars().count() > 60 {
            value = value.chars().take(60).chain("...".chars()).collect();
        }
        let (file, line) = (self.table.file.clone(), self.line);
        CellError { file, line, column, value, problem: problem.to_owned(), remedy: remedy.to_owned() }.into()
    }

    /// A number that must be there.
    pub(crate) fn number(&self, column: &'static str) -> Result<f64, TableError> {
        match self.optional(column)? {
            Some(number) => Ok(number),
            None => Err(self.refuse(column, "is empty", "every row needs a number here")),
        }
    }

    /// A finite number, or nothing for an empty cell.
    pub(crate) fn optional(&self, column: &'static str) -> Result<Option<f64>, TableError> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            Ok(_) => Err(self.refuse(column, "is not a finite number", "write a number such as 1500 or 1.5e3")),
            Err(_) => Err(self.refuse(
                column,
                "is not a number",
                "write a plain number such as 1500 or 1.5e3, without units or thousands separators",
            )),
        }
    }
}
