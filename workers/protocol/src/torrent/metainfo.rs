//! A torrent file: the info dictionary, and who may know peers or have the bytes.

use std::collections::HashMap;

use bytes::Bytes;
use url::Url;

use super::bencode::{BencodeError, Dict, Value};
use super::info::{Info, InfoError};
use super::{MAX_TORRENT_BYTES, merkle};

/// Most trackers, web seeds or nodes that are taken of each kind; more only delay.
const MAX_LINKS: usize = 100;

/// Piece layers by the root of the file they belong to.
pub type PieceLayers = HashMap<merkle::Hash, Vec<merkle::Hash>>;

/// Why a torrent file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetainfoError {
    /// No bencode.
    #[error(transparent)]
    Bencode(#[from] BencodeError),
    /// Its info dictionary is wrong.
    #[error(transparent)]
    Info(#[from] InfoError),
    /// A piece layer does not belong to its file's root.
    #[error("failed to read a torrent: the piece layer of {0:?} does not lead to its root")]
    Layer(String),
}

/// A checked torrent file. Links that cannot be parsed are left out: they are hints.
#[derive(Debug, Clone)]
pub struct Metainfo {
    /// What the info hashes are taken over.
    pub info: Info,
    /// Trackers in tiers (BEP 12): those of a tier are alike, the first tier that answers is used.
    pub tiers: Vec<Vec<Url>>,
    /// Servers of the files (BEP 19).
    pub web_seeds: Vec<Url>,
    /// Scripts that give pieces (BEP 17).
    pub http_seeds: Vec<Url>,
    /// DHT nodes: host name or address, and port.
    pub nodes: Vec<(String, u16)>,
    /// Piece layers of v2 files longer than a piece, as far as the file carries them.
    pub layers: PieceLayers,
}

impl Metainfo {
    /// Reads a torrent file.
    ///
    /// # Errors
    /// [`MetainfoError`]: what is wrong with it.
    pub fn parse(document: &Bytes) -> Result<Self, MetainfoError> {
        if document.len() > MAX_TORRENT_BYTES {
            return Err(InfoError::TooLarge(document.len()).into());
        }
        // Some writers leave a line end behind the document.
        let (value, _) = Value::parse_front(document)?;
        let dict = value.as_dict().ok_or(InfoError::Key("info"))?;
        let raw = dict.raw("info").ok_or(InfoError::Key("info"))?;
        let info = Info::parse(document.slice_ref(raw))?;
        let layers = layers(dict, &info)?;
        Ok(Self {
            tiers: tiers(dict),
            web_seeds: links(dict.get("url-list")),
            http_seeds: links(dict.get("httpseeds")),
            nodes: nodes(dict),
            info,
            layers,
        })
    }
}

fn tiers(dict: &Dict<'_>) -> Vec<Vec<Url>> {
    let list = dict.list("announce-list").unwrap_or_default().iter().take(MAX_LINKS);
    let tiers: Vec<Vec<Url>> = list.map(|tier| links(Some(tier))).filter(|tier| !tier.is_empty()).collect();
    if !tiers.is_empty() {
        return tiers;
    }
    let announce = links(dict.get("announce"));
    if announce.is_empty() { Vec::new() } else { vec![announce] }
}

/// A link, or a list of links.
fn links(value: Option<&Value<'_>>) -> Vec<Url> {
    let each: Vec<&Value<'_>> = match value {
        Some(Value::List(list)) => list.iter().take(MAX_LINKS).collect(),
        Some(value) => vec![value],
        None => Vec::new(),
    };
    each.into_iter().filter_map(|value| value.as_str()).filter_map(link).collect()
}

/// A link a torrent may name, if `text` is one.
pub(super) fn link(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok().filter(|url| url.as_str().len() <= crate::link::Link::MAX_LEN)?;
    let known = matches!(url.scheme(), "http" | "https" | "udp" | "ftp" | "ftps");
    (known && url.has_host()).then_some(url)
}

fn nodes(dict: &Dict<'_>) -> Vec<(String, u16)> {
    let pair = |node: &Value<'_>| match node.as_list()? {
        [host, port] => {
            let host = host.as_str().filter(|host| host.len() <= 255)?;
            Some((host.to_owned(), u16::try_from(port.as_int()?).ok()?))
        }
        _ => None,
    };
    dict.list("nodes").unwrap_or_default().iter().take(MAX_LINKS).filter_map(pair).collect()
}

fn layers(dict: &Dict<'_>, info: &Info) -> Result<PieceLayers, MetainfoError> {
    let mut layers = PieceLayers::new();
    let Some(stated) = dict.dict("piece layers") else { return Ok(layers) };
    let stated: HashMap<&[u8], &Value<'_>> = stated.iter().collect();
    let long = info.files().iter().filter(|file| file.length > info.piece_length());
    for (file, root) in long.filter_map(|file| Some((file, file.root?))) {
        let Some(bytes) = stated.get(&root[..]).and_then(|value| value.as_bytes()) else { continue };
        let (hashes, rest) = bytes.as_chunks::<32>();
        let complete = rest.is_empty() && hashes.len() as u64 == file.length.div_ceil(info.piece_length());
        if !complete || !merkle::layer_matches(hashes, info.piece_length(), &root) {
            return Err(MetainfoError::Layer(file.joined()));
        }
        layers.insert(root, hashes.to_vec());
    }
    Ok(layers)
}
