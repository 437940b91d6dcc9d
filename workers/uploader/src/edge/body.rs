//! The body of an answer: a text, or bytes of the store sent piece by piece as their rate allows.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use http_body::{Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;

use super::arrival::Arrival;
use crate::{
    pulse,
    rates::{Meter, Sending},
    source::{Reader, reader::ReadError},
};

/// A body of an answer.
pub enum Body {
    /// What is there as a whole.
    Whole(Option<Bytes>),
    /// What is still to be read.
    Stream(BoxStream<'static, Result<Bytes, ReadError>>),
}

impl Body {
    /// No bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self::Whole(None)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole((!bytes.is_empty()).then_some(bytes))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(stream) => stream.poll_next_unpin(cx).map(|next| next.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            // The length is in the head already; what is left is not counted again.
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// One thing to send.
#[derive(Debug)]
pub enum Step {
    /// These bytes.
    Bytes(Bytes),
    /// Bytes `at..end` of the blob.
    Range {
        /// The next one.
        at: u64,
        /// The one after the last.
        end: u64,
    },
}

/// Where bytes are read from.
pub enum Origin {
    /// They are all there.
    Kept(Reader),
    /// They are being fetched.
    Coming(Box<Arrival>),
}

impl Origin {
    fn piece(&self) -> u64 {
        match self {
            Self::Kept(reader) => reader.piece(),
            Self::Coming(arrival) => arrival.piece(),
        }
    }

    /// Waits until byte `at` is there, and gives where those end that are.
    async fn ready(&mut self, at: u64) -> Result<u64, ReadError> {
        match self {
            Self::Kept(_) => Ok(u64::MAX),
            Self::Coming(arrival) => arrival.ready(at).await,
        }
    }

    async fn read(&mut self, at: u64, wanted: u64, end: u64) -> Result<Bytes, ReadError> {
        match self {
            Self::Kept(reader) => reader.read(at, wanted, end).await,
            Self::Coming(arrival) => arrival.read(at, wanted).await,
        }
    }
}

/// Bytes on their way.
pub struct Transfer {
    /// Gives them.
    pub origin: Origin,
    /// What is left to send.
    pub steps: VecDeque<Step>,
    /// Allows them.
    pub sending: Sending,
    /// What their connection takes of the capacity.
    pub meter: Arc<Meter>,
    /// Keeps the connection from being cut while they wait.
    pub flight: pulse::Body,
    /// Counts them.
    pub sent: Counter,
}

impl Transfer {
    /// Reads the first piece, so that a failure can still be told by the status, and makes a body of it and the rest. Who asks for
    /// bytes that are still to come is answered at once, and sent them then.
    ///
    /// # Errors
    /// [`ReadError`] of the first piece.
    pub async fn begin(mut self) -> Result<Body, ReadError> {
        if matches!(self.origin, Origin::Coming(_)) {
            return Ok(Body::Stream(self.into_stream().boxed()));
        }
        let Some(first) = self.next().await.transpose()? else { return Ok(Body::empty()) };
        if self.steps.is_empty() {
            return Ok(Body::Whole(Some(first)));
        }
        let first = futures::stream::once(async { Ok(first) });
        Ok(Body::Stream(first.chain(self.into_stream()).boxed()))
    }

    fn into_stream(self) -> impl Stream<Item = Result<Bytes, ReadError>> + Send {
        futures::stream::unfold(self, |mut transfer| async {
            let next = transfer.next().await?;
            if let Err(error) = &next {
                tracing::warn!(%error, "an answer breaks off");
                transfer.steps.clear();
            }
            Some((next, transfer))
        })
    }

    async fn next(&mut self) -> Option<Result<Bytes, ReadError>> {
        let (at, end) = match self.steps.pop_front()? {
            Step::Bytes(bytes) => return Some(Ok(bytes)),
            Step::Range { at, end } => (at, end),
        };
        // Nothing is allowed to somebody for whom there is nothing yet.
        let there = {
            let _waiting = self.flight.reads();
            match self.origin.ready(at).await {
                Ok(there) => there,
                Err(error) => return Some(Err(error)),
            }
        };
        let wanted = self.origin.piece().min(end.min(there) - at);
        let allowed = match self.sending.try_pass(&self.meter, wanted) {
            Some(allowed) => allowed,
            None => {
                let _waiting = self.flight.paced();
                self.sending.pass(&self.meter, wanted).await
            }
        };
        let _waiting = self.flight.reads();
        let read = self.origin.read(at, allowed, end).await;
        let got = read.as_ref().map_or(0, |bytes| bytes.len() as u64);
        self.sending.sent(&self.meter, allowed, got);
        self.sent.inc_by(got);
        if got > 0 && at + got < end {
            self.steps.push_front(Step::Range { at: at + got, end });
        }
        Some(read)
    }
}
