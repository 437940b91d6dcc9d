//! One lane: a task that owns a connection, writes what it reads into the staging area, and tells the round.
//!
//! Two rules keep two lanes from writing one byte. A lane writes only while it holds its [`Gate`], and never at or behind the
//! gate's end; and it writes nothing of an answer before the round has looked at the answer's head.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::FutureExt;
use tokio::sync::{Mutex, mpsc, oneshot};
use videocloud_protocol::failure::reason;
use videocloud_store::{After, Staging, StoreError};

use super::throttle::{HostThrottle, Throttle};
use crate::schedule::LaneId;
use crate::source::{Ask, Connection, Opened, SourceError};
use crate::verify::Hashed;

/// Bytes gathered before they are written, as long as they are there without waiting.
const BATCH: usize = 512 << 10;

/// The same for bytes that go past the page cache: a disk that is far away is as fast as there is much for it to do.
const LARGE_BATCH: usize = 2 << 20;

/// The least of that, at low rates.
const LEAST_BATCH: usize = 1 << 10;

/// How often it is said that a request still waits for its turn.
const WAITING_EVERY: Duration = Duration::from_secs(2);

/// How long an answer of unknown length is listened to after the last byte it should have.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// Bytes that may be written and not yet hashed where the page cache does not keep them.
const NEAR: u64 = 8 << 20;

/// How long the hash is waited for.
const CATCHES_UP: Duration = Duration::from_millis(200);

/// How far a lane may write.
#[derive(Debug)]
pub(super) struct Gate {
    end: Mutex<u64>,
}

impl Gate {
    pub(super) fn new(end: u64) -> Arc<Self> {
        Arc::new(Self { end: Mutex::new(end) })
    }

    /// Moves the end; returns when nothing at or behind it is being written any more.
    pub(super) async fn set(&self, end: u64) {
        *self.end.lock().await = end;
    }
}

/// Where bytes go, and how fast they may.
#[derive(Clone)]
pub(super) struct Sink {
    pub(super) staging: Arc<Staging>,
    pub(super) throttle: Arc<Throttle>,
    pub(super) host: Arc<HostThrottle>,
    /// How far the hash is that takes bytes as they are written; `None` when all are read again.
    pub(super) hashed: Option<Hashed>,
}

impl Sink {
    /// What becomes of bytes at `position`. A hash that was given almost all before them is waited for until it is almost there: it is
    /// what the download ends with, and reading bytes again would cost more. One that others keep from going on is not.
    async fn after(&self, position: u64) -> After {
        let Some(mut hashed) = self.hashed.clone() else { return After::Read };
        let near = |reached: u64| position.saturating_sub(reached) < NEAR;
        let settled = hashed.wait_for(|reach| near(reach.hashed) || !near(reach.handed));
        match tokio::time::timeout(CATCHES_UP, settled).await {
            Ok(Ok(reach)) if near(reach.hashed) => After::Rest,
            _ => After::Read,
        }
    }
}

/// What a lane is told to fetch.
pub(super) struct Run {
    pub(super) ask: Ask,
    pub(super) gate: Arc<Gate>,
    /// Resolves when the round has accepted the answer's head; dropped when it has not.
    pub(super) go: oneshot::Receiver<Accepted>,
}

/// What the round says of an accepted answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accepted {
    /// The size of the content, if it is certain: an answer that goes on behind it is wrong.
    pub(super) size: Option<u64>,
}

/// What a lane tells.
pub(super) enum Report {
    /// It may not send its request yet.
    Waiting,
    Opened(Opened),
    /// These bytes were written, following those before, and so many came that do not count.
    Wrote {
        pieces: Vec<Bytes>,
        wasted: u64,
    },
    Finished,
    Failed(SourceError),
    /// The staging area refused bytes.
    Store(StoreError),
}

/// Carries out runs until `runs` closes.
pub(super) async fn work(
    id: LaneId,
    mut connection: Box<dyn Connection>,
    sink: Sink,
    mut runs: mpsc::Receiver<Run>,
    reports: mpsc::Sender<(LaneId, Report)>,
) {
    while let Some(run) = runs.recv().await {
        let end = match fetch(id, connection.as_mut(), &sink, run, &reports).await {
            Ok(()) => Report::Finished,
            Err(Stop::Source(error)) => Report::Failed(error),
            Err(Stop::Store(error)) => Report::Store(error),
            Err(Stop::Dismissed) => return,
        };
        if reports.send((id, end)).await.is_err() {
            return;
        }
    }
}

enum Stop {
    Source(SourceError),
    Store(StoreError),
    /// Nobody wants it any more.
    Dismissed,
}

impl From<SourceError> for Stop {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

async fn fetch(
    id: LaneId,
    connection: &mut dyn Connection,
    sink: &Sink,
    run: Run,
    reports: &mpsc::Sender<(LaneId, Report)>,
) -> Result<(), Stop> {
    let Run { ask, gate, go } = run;
    let tell = |report| async move { reports.send((id, report)).await.map_err(|_| Stop::Dismissed) };
    let mut position = ask.span.start();
    let turn = sink.host.request();
    tokio::pin!(turn);
    while tokio::time::timeout(WAITING_EVERY, &mut turn).await.is_err() {
        tell(Report::Waiting).await?;
    }
    let opened = connection.open(ask).await?;
    let (mut skip, ranges, announced) = (position.saturating_sub(opened.start), opened.ranges, opened.size);
    tell(Report::Opened(opened)).await?;
    let Accepted { size } = go.await.map_err(|_| Stop::Dismissed)?;
    let mut reader = Reader { connection, left: Vec::new(), ended: None };
    let mut ahead = None;
    loop {
        let after = sink.after(position).await;
        let batch = if after == After::Rest { LARGE_BATCH } else { BATCH };
        let most = sink.throttle.batch().min(sink.host.bytes.batch()).clamp(LEAST_BATCH, batch);
        let next = match ahead.take() {
            Some(next) => next,
            None => reader.next(most).await,
        };
        let Some(mut pieces) = next? else {
            let end = *gate.end.lock().await;
            // What was asked for without an end ends where the content does: where it is said to, or where the answer does.
            let whole = end == u64::MAX && announced.or(size).is_none_or(|size| position >= size);
            return if whole || position >= end { Ok(()) } else { Err(ended_early(position).into()) };
        };
        let came: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        sink.throttle.take(came).await;
        sink.host.take(came).await;
        // A source without ranges begins at the first byte, whatever was asked.
        skip = drop_front(&mut pieces, skip);
        let wrote = {
            let end = gate.end.lock().await;
            let room = end.saturating_sub(position);
            let here: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
            let length = keep_front(&mut pieces, room);
            let write = sink.staging.write_pieces_at(position, pieces.clone(), after);
            let written = if position + length < *end {
                let (written, next) = meanwhile(write, reader.next(most)).await;
                ahead = next;
                written
            } else {
                write.await
            };
            written.map_err(Stop::Store)?;
            position += length;
            Wrote { cut: here > length, through: position >= *end }
        };
        // Looked at before the bytes are told of, because with the last of them the round is over.
        let unsure = wrote.through && !ranges && announced.is_none() && size == Some(position);
        if unsure && (wrote.cut || reader.goes_on().await) {
            let message = format!("the source goes on after the {position} bytes the content should have");
            return Err(SourceError::gone(reason::SIZE_MISMATCH, message).into());
        }
        let kept: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        let unread = if wrote.through { reader.left.iter().map(|piece| piece.len() as u64).sum() } else { 0 };
        tell(Report::Wrote { pieces, wasted: came - kept + unread }).await?;
        if wrote.through {
            return Ok(());
        }
    }
}

/// Waits for the first, and takes what the second gives before that is there. The second is dropped where it waits.
async fn meanwhile<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> (A, Option<B>) {
    tokio::pin!(first, second);
    let mut early = None;
    loop {
        tokio::select! {
            biased;
            done = &mut first => return (done, early),
            came = &mut second, if early.is_none() => early = Some(came),
        }
    }
}

/// What became of a batch.
struct Wrote {
    /// Whether the answer brought bytes at or behind the gate's end.
    cut: bool,
    /// Whether the gate's end is reached.
    through: bool,
}

/// Reads an answer in batches. An end or error met behind bytes is kept until those are taken.
struct Reader<'a> {
    connection: &'a mut dyn Connection,
    /// Read beyond the last batch, in reverse order.
    left: Vec<Bytes>,
    ended: Option<Result<(), SourceError>>,
}

impl Reader<'_> {
    /// The next bytes, at most `most`, and those behind them that are there already; `None` at the end of the answer. Safe to drop
    /// and call again: it waits only while it has none.
    async fn next(&mut self, most: usize) -> Result<Option<Vec<Bytes>>, SourceError> {
        let mut pieces = Vec::new();
        let mut length = 0;
        while length < most
            && let Some(piece) = self.left.pop()
        {
            length += piece.len();
            pieces.push(piece);
        }
        if let (true, Some(ended)) = (pieces.is_empty(), self.ended.clone()) {
            return ended.map(|()| None);
        }
        if pieces.is_empty() {
            let Some(first) = self.connection.read().await? else { return Ok(None) };
            length = first.len();
            pieces.push(first);
        }
        while length < most && self.ended.is_none() {
            match self.connection.read().now_or_never() {
                Some(Ok(Some(more))) => {
                    length += more.len();
                    pieces.push(more);
                }
                Some(Ok(None)) => self.ended = Some(Ok(())),
                Some(Err(error)) => self.ended = Some(Err(error)),
                None => break,
            }
        }
        if let (true, Some(last)) = (length > most, pieces.last_mut()) {
            let beyond = last.split_off(last.len() - (length - most));
            self.left.push(beyond);
        }
        Ok(Some(pieces))
    }

    /// Whether bytes follow within [`LAST_LOOK`]. An answer that fails or stays silent after its last byte is not at fault.
    async fn goes_on(&mut self) -> bool {
        matches!(tokio::time::timeout(LAST_LOOK, self.next(BATCH)).await, Ok(Ok(Some(_))))
    }
}

/// Drops `skip` bytes in front; returns how many are still to be dropped.
fn drop_front(pieces: &mut Vec<Bytes>, mut skip: u64) -> u64 {
    pieces.retain_mut(|piece| {
        let cut = usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len());
        skip -= cut as u64;
        drop(piece.split_to(cut));
        !piece.is_empty()
    });
    skip
}

/// Keeps at most `room` bytes; returns how many there are.
pub(super) fn keep_front(pieces: &mut Vec<Bytes>, room: u64) -> u64 {
    let mut kept = 0;
    pieces.retain_mut(|piece| {
        let left = usize::try_from(room - kept).unwrap_or(usize::MAX);
        piece.truncate(left);
        kept += piece.len() as u64;
        !piece.is_empty()
    });
    kept
}

fn ended_early(position: u64) -> SourceError {
    let message = format!("the answer ended early, after byte {position}");
    SourceError::transient(reason::UNREACHABLE, message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use tokio::sync::watch;
    use videocloud_protocol::ids::ClaimKey;
    use videocloud_protocol::tracker::HostShare;
    use videocloud_store::{Durability, Store};

    use super::*;
    use crate::engine::Hosts;
    use crate::source::{BoxFuture, Validator};
    use crate::verify::Reach;

    /// A sink into `folder`, and what says how far its hash is.
    async fn sink(folder: &Path) -> (Sink, watch::Sender<Reach>) {
        let store = Store::open_folder(folder, Durability::Kill).unwrap();
        let key = ClaimKey::from_bytes([1; 16]);
        let alone = HostShare { connections: 1, requests_per_second: None, bytes_per_second: None };
        let (reach, hashed) = watch::channel(Reach::default());
        let sink = Sink {
            staging: Arc::new(store.stage(&key).await.unwrap()),
            throttle: Arc::new(Throttle::new(None)),
            host: Hosts::alone(alone).of("mirror"),
            hashed: Some(hashed),
        };
        (sink, reach)
    }

    #[tokio::test]
    async fn a_hash_is_waited_for_only_where_it_can_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let (sink, reach) = sink(folder.path()).await;
        assert_eq!(sink.after(NEAR - 1).await, After::Rest);
        // A hole is before it that another lane is to fill.
        assert_eq!(sink.after(2 * NEAR).now_or_never(), Some(After::Read));
        reach.send_modify(|reach| reach.handed = 2 * NEAR);
        assert_eq!(sink.after(2 * NEAR).now_or_never(), None, "it is on its way");
        let (after, ()) =
            tokio::join!(sink.after(2 * NEAR), async { reach.send_modify(|reach| reach.hashed = 2 * NEAR) });
        assert_eq!(after, After::Rest);
        reach.send_replace(Reach { handed: 2 * NEAR, hashed: 0 });
        assert_eq!(sink.after(2 * NEAR).await, After::Read, "it takes too long");
        assert_eq!(Sink { hashed: None, ..sink }.after(0).await, After::Read);
    }

    /// An answer of three bytes, of a content of a said size.
    struct Three {
        size: Option<u64>,
        bytes: Option<Bytes>,
    }

    impl Connection for Three {
        fn open(&mut self, ask: Ask) -> BoxFuture<'_, Result<Opened, SourceError>> {
            let (start, size) = (ask.span.start(), self.size);
            let opened = Opened { start, size, ranges: true, validator: Validator::default(), mime: None };
            Box::pin(async move { Ok(opened) })
        }

        fn read(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
            Box::pin(async move { Ok(self.bytes.take()) })
        }
    }

    #[tokio::test]
    async fn what_was_asked_for_without_an_end_ends_where_the_content_does() {
        for (size, finishes) in [(Some(3), true), (None, true), (Some(4), false)] {
            let folder = tempfile::tempdir().unwrap();
            let (sink, _reach) = sink(folder.path()).await;
            let connection = Box::new(Three { size, bytes: Some(Bytes::from_static(b"abc")) });
            let ((runs, orders), (reports, mut told)) = (mpsc::channel(1), mpsc::channel(9));
            let lane = tokio::spawn(work(LaneId(1), connection, sink, orders, reports));
            let (go, accepted) = oneshot::channel();
            let span = crate::schedule::Span::new(0, u64::MAX).unwrap();
            let run = Run { ask: Ask { span, pin: None }, gate: Gate::new(u64::MAX), go: accepted };
            assert!(runs.send(run).await.is_ok());
            assert!(go.send(Accepted { size }).is_ok());
            drop(runs);
            let mut last = None;
            while let Some((_, report)) = told.recv().await {
                last = Some(report);
            }
            lane.await.unwrap();
            assert_eq!(matches!(last, Some(Report::Finished)), finishes, "{size:?}");
        }
    }

    #[test]
    fn pieces_are_cut_at_both_ends() {
        let pieces = || vec![Bytes::from_static(b"abc"), Bytes::from_static(b"def"), Bytes::from_static(b"g")];
        let mut cut = pieces();
        assert_eq!(drop_front(&mut cut, 4), 0);
        assert_eq!(cut.concat(), b"efg");
        assert_eq!(keep_front(&mut cut, 2), 2);
        assert_eq!(cut.concat(), b"ef");
        let mut all = pieces();
        assert_eq!(drop_front(&mut all, 9), 2);
        assert!(all.is_empty());
        let mut none = pieces();
        assert_eq!(keep_front(&mut none, 0), 0);
        assert!(none.is_empty());
    }
}
