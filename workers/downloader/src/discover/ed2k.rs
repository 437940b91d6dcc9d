//! ed2k links: size and hash of a content. Their network is not used.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::reason;
use videocloud_protocol::link::Link;

use super::{Description, Discovery, Find};
use crate::source::{BoxFuture, SourceError};

/// Longest name that is kept, characters.
const MAX_NAME: usize = 255;

/// One ed2k link.
pub struct Ed2k {
    description: Option<Description>,
}

impl Ed2k {
    /// What `link` says.
    #[must_use]
    pub fn new(link: &Link) -> Self {
        Self { description: parse(link.url().as_str()) }
    }
}

/// The content that `ed2k://|file|NAME|SIZE|HASH|...` describes; `None` when it is no such link.
#[must_use]
pub fn parse(link: &str) -> Option<Description> {
    let text = link.replace("%7C", "|").replace("%7c", "|");
    let mut fields = text.split('|');
    if !fields.next()?.eq_ignore_ascii_case("ed2k://") || fields.next()? != "file" {
        return None;
    }
    let name: String = fields.next()?.chars().take(MAX_NAME).collect();
    let size = fields.next()?.parse().ok().filter(|size| *size > 0)?;
    let hash = <[u8; 16]>::try_from(hex::decode(fields.next()?).ok()?).ok()?;
    Some(Description {
        name: Some(name),
        size: Some(size),
        ed2k: Some(hash),
        certified: true,
        ..Description::default()
    })
}

impl Discovery for Ed2k {
    fn run(&self, finds: mpsc::Sender<Find>, _: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            let description = self.description.clone().ok_or_else(|| {
                SourceError::gone(reason::BAD_SPEC, "not an ed2k link to a file: ed2k://|file|NAME|SIZE|HASH|/")
            })?;
            // Nobody listens any more when the download has ended.
            let _ = finds.send(Find::Description(description)).await;
            Ok(())
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fields_in_their_order() {
        let link: Link = "ed2k://|file|a.mp4|10|0123456789abcdef0123456789abcdef|h=X|/".parse().unwrap();
        let description = parse(link.url().as_str()).unwrap();
        assert_eq!((description.size, description.name.as_deref()), (Some(10), Some("a.mp4")));
        assert_eq!(description.ed2k.map(hex::encode).as_deref(), Some("0123456789abcdef0123456789abcdef"));
        for bad in
            ["ed2k://|server|a|1|", "ed2k://|file|a|x|00|/", "ed2k://|file|a|1|00|/", "ed2k:", "ed2k://|file|a|0|"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
