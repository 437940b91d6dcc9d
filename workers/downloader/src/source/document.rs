//! Small documents (a Metalink, a torrent) read whole from any source.

use std::time::Duration;

use videocloud_protocol::failure::reason;

use super::{Ask, Source, SourceError};
use crate::schedule::Span;

/// How long a document may take in all.
const TIMEOUT: Duration = Duration::from_secs(60);

/// All bytes of a document of at most `limit` bytes.
///
/// # Errors
/// [`SourceError`] of the source; `Gone` when it is too long.
pub async fn document(source: &dyn Source, limit: usize) -> Result<Vec<u8>, SourceError> {
    let reading = async {
        let span = Span::new(0, u64::MAX).ok_or_else(|| SourceError::gone(reason::INTERNAL, "no span"))?;
        let mut connection = source.connect();
        let opened = connection.open(Ask { span, pin: None }).await?;
        let too_long = || {
            let message = format!("the document has more than the {limit} bytes it may have");
            SourceError::gone(reason::TOO_LARGE, message)
        };
        if opened.size.is_some_and(|size| size > limit as u64) {
            return Err(too_long());
        }
        let mut bytes = Vec::new();
        while let Some(more) = connection.read().await? {
            if bytes.len() + more.len() > limit {
                return Err(too_long());
            }
            bytes.extend_from_slice(&more);
        }
        Ok(bytes)
    };
    let late = || SourceError::transient(reason::UNREACHABLE, "the document did not come in time");
    tokio::time::timeout(TIMEOUT, reading).await.map_err(|_| late())?
}
