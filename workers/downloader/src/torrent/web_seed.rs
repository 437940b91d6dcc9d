//! Where a web seed has a file.

use url::Url;
use videocloud_protocol::torrent::Info;

/// URL of file `index` at a web seed of BEP 19: a seed that ends with `/` is a folder that holds the torrent by its name; one that
/// does not is the file itself, if the torrent is one file.
#[must_use]
pub fn file_url(seed: &Url, info: &Info, index: usize) -> Option<Url> {
    let file = info.files().get(index)?;
    let mut url = seed.clone();
    let folder = seed.path().ends_with('/');
    if info.is_single() && !folder {
        return Some(url);
    }
    {
        let mut parts = url.path_segments_mut().ok()?;
        parts.pop_if_empty().push(info.name());
        if !info.is_single() {
            parts.extend(&file.path);
        }
    }
    Some(url)
}
