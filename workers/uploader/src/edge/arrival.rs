//! The bytes of a file that is being fetched: what its worker shows is read from the staging area, the rest when it is there, and what
//! is left from the content once that is published. Nothing but what was proven is ever read.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::StreamExt;
use videocloud_protocol::{
    ids::ClaimKey,
    publication::{Original, Publication},
};
use videocloud_store::{Arriving, ByteStream};

use crate::{
    catalogue::Catalogue,
    source::{Blob, Library, Reader, reader::ReadError},
};

/// Bytes handed on at once.
const PIECE: u64 = 256 << 10;
/// How often it is looked for more, while somebody waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A reader waits this long while nothing new comes at all,
const STANDSTILL: Duration = Duration::from_secs(60);
/// and this long for a byte that others come before.
const PATIENCE: Duration = Duration::from_secs(600);
/// Times in a row that bytes which were there are found gone: a part was written anew, or the content was published.
const MOVES: u32 = 5;

/// What is being fetched, and for which object.
#[derive(Debug, Clone)]
pub struct Coming {
    /// The claim it is fetched for.
    pub claim: ClaimKey,
    /// Namespace and name of the object.
    pub object: (String, String),
    /// The object's uid: one of the same name later is another.
    pub uid: String,
}

/// Reads one file while it comes.
pub struct Arrival {
    coming: Coming,
    catalogue: Arc<Catalogue>,
    library: Arc<Library>,
    size: u64,
    place: Place,
}

/// Where bytes come from now.
enum Place {
    /// Not found yet, or not there any more.
    Unknown,
    Staged(Staged),
    Published(Box<Reader>),
}

/// A run of bytes of the staging area.
struct Staged {
    there: Arc<Arriving>,
    stream: Option<ByteStream>,
    rest: Bytes,
    at: u64,
}

impl Arrival {
    /// Reads `coming`, `size` bytes in all.
    #[must_use]
    pub fn new(coming: Coming, catalogue: Arc<Catalogue>, library: Arc<Library>, size: u64) -> Self {
        Self { coming, catalogue, library, size, place: Place::Unknown }
    }

    /// Most bytes worth asking for at once.
    #[must_use]
    pub const fn piece(&self) -> u64 {
        PIECE
    }

    /// Waits until byte `at` can be read; gives where those end that can.
    ///
    /// # Errors
    /// [`ReadError::NotComing`] when that is not to be expected.
    pub async fn ready(&mut self, at: u64) -> Result<u64, ReadError> {
        let begun = Instant::now();
        let (mut grown, mut had) = (begun, 0);
        loop {
            if let Place::Published(_) = self.place {
                return Ok(self.size);
            }
            match self.catalogue.arriving(&self.coming.claim).await.map_err(|error| lost(at, error.to_string()))? {
                Some(there) if there.bytes() > 0 && there.size() != self.size => {
                    return Err(lost(at, format!("it has {} bytes now, and had {}", there.size(), self.size)));
                }
                Some(there) => {
                    if let Some(end) = there.run_from(at) {
                        self.follow(there, at);
                        return Ok(end);
                    }
                    if there.bytes() > had {
                        (had, grown) = (there.bytes(), Instant::now());
                    }
                }
                None => self.settle(at).await?,
            }
            if grown.elapsed() > STANDSTILL || begun.elapsed() > PATIENCE {
                return Err(lost(at, format!("it was waited for {} s", begun.elapsed().as_secs())));
            }
            if !matches!(self.place, Place::Published(_)) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Reads between 1 and `wanted` bytes at `at`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(&mut self, at: u64, wanted: u64) -> Result<Bytes, ReadError> {
        let mut moves = 0;
        loop {
            let end = self.ready(at).await?;
            let read = match &mut self.place {
                Place::Published(reader) => return reader.read(at, wanted, end).await,
                Place::Staged(staged) => staged.read(at, wanted, end).await,
                Place::Unknown => return Err(lost(at, "nothing is known of it".into())),
            };
            match read {
                Ok(bytes) if !bytes.is_empty() => return Ok(bytes),
                Err(error) if !error.is_not_found() => return Err(error),
                Ok(_) | Err(_) if moves == MOVES => {
                    return Err(lost(at, "its bytes are not where they should be".into()));
                }
                Ok(_) | Err(_) => {
                    moves += 1;
                    self.place = Place::Unknown;
                    self.catalogue.forget_arriving(&self.coming.claim);
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
    }

    /// Goes on with what is shown now, in the stream that is open if that reads the same part.
    fn follow(&mut self, there: Arc<Arriving>, at: u64) {
        match &mut self.place {
            Place::Staged(staged) if staged.at == at => staged.there = there,
            place => *place = Place::Staged(Staged { there, stream: None, rest: Bytes::new(), at }),
        }
    }

    /// The download is over: goes on with the content, if it is published already.
    async fn settle(&mut self, at: u64) -> Result<(), ReadError> {
        let (namespace, name) = &self.coming.object;
        let found = self.catalogue.publication(namespace, name).await.map_err(|error| lost(at, error.to_string()))?;
        let Some(publication) = found.filter(|found| found.uid == self.coming.uid) else {
            return Err(lost(at, "it is not published any more".into()));
        };
        let Publication { original: Original::Content(content), .. } = &*publication else { return Ok(()) };
        let manifest = self.catalogue.original(content).await.map_err(|error| lost(at, error.to_string()))?;
        match manifest {
            Some(manifest) if manifest.size == self.size => {
                let reader = self.library.open(&Blob::Content(*content), self.size).await?;
                self.place = Place::Published(Box::new(reader));
                Ok(())
            }
            Some(_) => Err(lost(at, "another content came of it".into())),
            None => Ok(()),
        }
    }
}

impl Staged {
    /// Reads between 1 and `wanted` bytes at `at`, of a run that ends at `end`; none when there are none.
    async fn read(&mut self, at: u64, wanted: u64, end: u64) -> Result<Bytes, ReadError> {
        // A stream ends with its part, or where that was not there yet: the next one begins at that byte.
        for _ in 0..2 {
            if self.rest.is_empty() {
                let mut stream = match self.stream.take() {
                    Some(stream) => stream,
                    None => self.there.read(at..end).await?,
                };
                let Some(bytes) = stream.next().await else { continue };
                (self.rest, self.stream) = (bytes?, Some(stream));
            }
            let length = usize::try_from(wanted).unwrap_or(usize::MAX).min(self.rest.len());
            let read = self.rest.split_to(length);
            self.at = at + read.len() as u64;
            return Ok(read);
        }
        Ok(Bytes::new())
    }
}

fn lost(at: u64, why: String) -> ReadError {
    ReadError::NotComing { at, why }
}
