//! Reading Metalink 4 (RFC 5854) and Metalink 3 documents.
//!
//! Foreign bytes: no document type, no entities but the five predefined ones and characters, and a bound on everything.

use std::sync::Arc;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;
use videocloud_protocol::digest::{Algorithm, Digest};
use videocloud_protocol::link::Link;

use super::hashes::{PieceList, algorithm};
use crate::discover::{Description, FurtherLink};

/// Largest document, bytes.
pub const MAX_DOCUMENT: usize = 64 << 20;
/// Files of a document that are looked at.
const MAX_FILES: usize = 1000;
/// Links kept of one file: those asked first.
const MAX_LINKS: usize = 100;
/// Links read of one file; a document with more is hostile or broken.
const MAX_LINKS_READ: usize = 10_000;
/// Elements inside of one another.
const MAX_DEPTH: usize = 16;
/// Characters of one element.
const MAX_TEXT: usize = 4096;

/// Why a document cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetalinkError {
    /// Not well-formed, or not in UTF-8.
    #[error("failed to read a Metalink: {0}")]
    Syntax(String),
    /// It has a document type or entities, which a Metalink needs not.
    #[error("failed to read a Metalink: it declares a document type or entities")]
    Entities,
    /// More of something than any honest document has.
    #[error("failed to read a Metalink: too many or too long {0}")]
    TooMuch(&'static str),
    /// No file in it.
    #[error("failed to use a Metalink: no file in it")]
    NoFile,
    /// The file that was selected is not in it, or nothing was selected and there are several.
    #[error("failed to use a Metalink: {wanted}; it has {names}")]
    Select {
        /// What was asked for.
        wanted: String,
        /// The names that are there.
        names: String,
    },
}

#[derive(Default)]
struct File {
    name: String,
    size: Option<u64>,
    digests: Vec<Digest>,
    pieces: Vec<PieceList>,
    links: Vec<FurtherLink>,
}

/// The description of the file that `select` names; of the only one if it names none.
///
/// # Errors
/// [`MetalinkError`].
pub fn parse(document: &[u8], select: Option<&str>) -> Result<Description, MetalinkError> {
    if document.len() > MAX_DOCUMENT {
        return Err(MetalinkError::TooMuch("bytes"));
    }
    let text = std::str::from_utf8(document).map_err(|error| MetalinkError::Syntax(error.to_string()))?;
    let mut reading = Reading::default();
    let mut reader = Reader::from_str(text);
    loop {
        let event = reader.read_event().map_err(|error| MetalinkError::Syntax(error.to_string()))?;
        match event {
            Event::Eof => break,
            Event::DocType(_) => return Err(MetalinkError::Entities),
            Event::Start(start) => reading.open(&start)?,
            Event::Empty(start) => {
                reading.open(&start)?;
                reading.close()?;
            }
            Event::End(_) => reading.close()?,
            Event::Text(text) => reading.text(&text.decode().map_err(|error| syntax(&error))?)?,
            Event::CData(text) => reading.text(&text.decode().map_err(|error| syntax(&error))?)?,
            Event::GeneralRef(reference) => reading.text(character(&reference)?.encode_utf8(&mut [0; 4]))?,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    chosen(reading, select)
}

fn syntax(error: &dyn std::fmt::Display) -> MetalinkError {
    MetalinkError::Syntax(error.to_string())
}

fn character(reference: &BytesRef<'_>) -> Result<char, MetalinkError> {
    if let Some(character) = reference.resolve_char_ref().map_err(|error| syntax(&error))? {
        return Ok(character);
    }
    match reference.decode().map_err(|error| syntax(&error))?.as_ref() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(MetalinkError::Entities),
    }
}

fn chosen(reading: Reading, select: Option<&str>) -> Result<Description, MetalinkError> {
    let Reading { mut files, origin, .. } = reading;
    let names = || files.iter().take(10).map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ");
    let at = match (select, files.len()) {
        (_, 0) => return Err(MetalinkError::NoFile),
        (None, 1) => 0,
        (None, count) => {
            let wanted = format!("it has {count} files and none is selected");
            return Err(MetalinkError::Select { wanted, names: names() });
        }
        (Some(wanted), _) => files
            .iter()
            .position(|file| file.name == wanted)
            .ok_or_else(|| MetalinkError::Select { wanted: format!("{wanted:?} is not in it"), names: names() })?,
    };
    let mut file = files.swap_remove(at);
    file.links.sort_by_key(|link| std::cmp::Reverse(link.priority));
    file.links.truncate(MAX_LINKS);
    let size = file.size;
    // The strongest that fits; hashes that do not fit the size prove nothing.
    let pieces = file.pieces.into_iter().filter_map(|list| list.fit(size?)).max_by_key(|(strength, _)| *strength);
    Ok(Description {
        name: Some(file.name).filter(|name| !name.is_empty()),
        size,
        digests: file.digests,
        ed2k: None,
        pieces: pieces.map(|(_, pieces)| Arc::new(pieces)),
        links: file.links,
        origin,
        certified: false,
    })
}

/// The document as far as it was read.
#[derive(Default)]
struct Reading {
    path: Vec<Element>,
    files: Vec<File>,
    origin: Option<String>,
    links_read: usize,
    pieces_read: usize,
}

struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
}

impl Element {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Reading {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), MetalinkError> {
        if self.path.len() >= MAX_DEPTH {
            return Err(MetalinkError::TooMuch("elements inside of one another"));
        }
        let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
        let mut attributes = Vec::new();
        for attribute in start.attributes().take(16) {
            let attribute = attribute.map_err(|error| syntax(&error))?;
            let value = attribute.normalized_value(XmlVersion::default()).map_err(|_| MetalinkError::Entities)?;
            if value.len() > MAX_TEXT {
                return Err(MetalinkError::TooMuch("attributes"));
            }
            let key = String::from_utf8_lossy(attribute.key.local_name().as_ref()).into_owned();
            attributes.push((key, value.into_owned()));
        }
        let element = Element { name, attributes, text: String::new() };
        match element.name.as_str() {
            "file" if self.files.len() >= MAX_FILES => return Err(MetalinkError::TooMuch("files")),
            "file" => {
                let name = element.attribute("name").unwrap_or_default().to_owned();
                self.files.push(File { name, ..File::default() });
            }
            "pieces" => {
                if let Some(file) = self.files.last_mut() {
                    let length = element.attribute("length").and_then(|text| text.trim().parse().ok());
                    file.pieces.push(PieceList::new(element.attribute("type").unwrap_or_default(), length));
                }
            }
            _ => {}
        }
        self.path.push(element);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), MetalinkError> {
        let Some(element) = self.path.last_mut() else { return Ok(()) };
        if element.text.len() + text.len() > MAX_TEXT {
            // Long texts of elements that mean nothing here do no harm.
            return match element.name.as_str() {
                "url" | "hash" | "size" => Err(MetalinkError::TooMuch("texts")),
                _ => Ok(()),
            };
        }
        element.text.push_str(text);
        Ok(())
    }

    fn close(&mut self) -> Result<(), MetalinkError> {
        let Some(element) = self.path.pop() else { return Ok(()) };
        let parent = self.path.last().map(|parent| parent.name.as_str()).unwrap_or_default();
        let text = element.text.trim();
        match (parent, element.name.as_str()) {
            ("metalink", "origin") => {
                self.origin = Some(text.to_owned());
                return Ok(());
            }
            ("pieces", "hash") => {
                self.pieces_read += 1;
                if self.pieces_read as u64 > crate::discover::MAX_PIECES {
                    return Err(MetalinkError::TooMuch("piece hashes"));
                }
            }
            (_, "url" | "metaurl") => {
                self.links_read += 1;
                if self.links_read > MAX_LINKS_READ {
                    return Err(MetalinkError::TooMuch("links"));
                }
            }
            _ => {}
        }
        let Some(file) = self.files.last_mut() else { return Ok(()) };
        match (parent, element.name.as_str()) {
            ("file", "size") => file.size = text.parse().ok(),
            ("file" | "verification", "hash") => {
                let digest = algorithm(element.attribute("type").unwrap_or_default())
                    .and_then(|algorithm| Digest::new(algorithm, &hex::decode(text).ok()?));
                file.digests
                    .extend(digest.filter(|digest| digest.algorithm() != Algorithm::Md5 || file.digests.is_empty()));
            }
            ("pieces", "hash") => {
                let index = element.attribute("piece").and_then(|text| text.trim().parse().ok());
                if let Some(pieces) = file.pieces.last_mut() {
                    pieces.push(index, text);
                }
            }
            ("file" | "resources", "url" | "metaurl") => file.links.extend(link(&element, text)),
            _ => {}
        }
        Ok(())
    }
}

/// A link, if it is one that can be followed.
fn link(element: &Element, text: &str) -> Option<FurtherLink> {
    let link: Link = text.parse().ok()?;
    let number = |name: &str| element.attribute(name).and_then(|text| text.trim().parse::<i32>().ok());
    // Version 4 counts from 1, the best, upwards; version 3 from 100, the best, downwards.
    let priority = match (number("priority"), number("preference")) {
        (Some(priority), _) => 101 - priority.clamp(1, 100),
        (None, Some(preference)) => preference.clamp(0, 100),
        (None, None) => 1,
    };
    let location = element.attribute("location").filter(|code| code.len() == 2).map(str::to_ascii_lowercase);
    Some(FurtherLink { link, priority, location })
}
