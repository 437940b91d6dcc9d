//! `trace`: samples of a live tracker, interval after interval, as the table `fit` reads.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use videocloud_protocol::ids::ContentId;
use videocloud_protocol::token::{Grant, TokenKey};
use videocloud_protocol::tracker::{Client, ClientError, IntervalSamples, Sample, SampleFlag};

use super::cli::TraceArgs;
use super::error::CommandError;
use super::progress;
use super::write::Sink;

/// How long the tracker may hold an answer back.
const WAIT: Duration = Duration::from_secs(50);
/// Tries in a row before the tracker is given up, and the pause between them.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_secs(3);
/// How long a token holds that is made here.
const TOKEN: Duration = Duration::from_secs(30 * 24 * 3600);

/// Rows written, and samples left out.
#[derive(Debug, Default)]
struct Tally {
    intervals: u64,
    rows: u64,
    unfit: u64,
    partial: u64,
    others: u64,
}

/// Follows the tracker until enough intervals are there or the user stops it; then the file appears.
pub(crate) fn run(args: &TraceArgs) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(CommandError::Follow)?;
    let mut sink = Sink::open(&args.out)?;
    sink.write("id,interval,upload,download,seeders,leechers\n")?;
    let tally = runtime.block_on(follow(args, &mut sink))?;
    sink.finish()?;
    let Tally { intervals, rows, unfit, partial, others } = tally;
    eprintln!("{rows} samples of {intervals} intervals");
    if unfit + partial + others > 0 {
        eprintln!(
            "left out: {unfit} of swarms that wanted no more or were lent upload, {partial} of intervals the tracker did not watch \
             as a whole, {others} of other pools"
        );
    }
    Ok(())
}

async fn follow(args: &TraceArgs, sink: &mut Sink) -> Result<Tally, CommandError> {
    // Fails only when a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let token = match &args.key_file {
        Some(file) => {
            let key = TokenKey::read(file).map_err(|error| CommandError::Usage(format!("--key-file: {error}")))?;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            key.mint(&Grant::Operator, now + TOKEN)
        }
        None => String::new(),
    };
    let tracker = Client::new(args.tracker.clone(), token)?;
    let bar = progress::steps("intervals");
    bar.set_length(args.intervals.unwrap_or(0));
    let (mut tally, mut failures) = (Tally::default(), 0);
    // What was finished before the start is as good.
    let mut after = 0;
    while args.intervals.is_none_or(|wanted| tally.intervals < wanted) {
        let step = async {
            let answer = tracker.samples(after, WAIT).await?;
            let pool = match &args.pool {
                Some(pool) if !answer.intervals.is_empty() => Some(contents(&tracker, pool).await?),
                _ => None,
            };
            Ok::<_, ClientError>((answer, pool))
        };
        let answer = tokio::select! {
            answer = step => answer,
            stopped = tokio::signal::ctrl_c() => {
                stopped.map_err(CommandError::Follow)?;
                break;
            }
        };
        let (answer, pool) = match answer {
            Ok(answer) => answer,
            Err(error) if error.is_transient() && failures < TRIES => {
                failures += 1;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        failures = 0;
        for interval in answer.intervals {
            after = interval.interval;
            record(&interval, pool.as_ref(), sink, &mut tally)?;
            bar.inc(1);
            if args.intervals == Some(tally.intervals) {
                break;
            }
        }
    }
    bar.finish_and_clear();
    Ok(tally)
}

/// The contents a pool's table names.
async fn contents(tracker: &Client, pool: &str) -> Result<HashSet<ContentId>, ClientError> {
    let table = tracker.table(pool).await?;
    Ok(table.into_iter().flat_map(|table| table.rates).map(|rate| rate.content).collect())
}

fn record(
    interval: &IntervalSamples,
    pool: Option<&HashSet<ContentId>>,
    sink: &mut Sink,
    tally: &mut Tally,
) -> Result<(), CommandError> {
    tally.intervals += 1;
    let seconds = interval.millis.max(1) as f64 / 1000.0;
    for sample in &interval.samples {
        let has = |flag| sample.flags.contains(&flag);
        let is_others = pool.is_some_and(|pool| sample.content.is_none_or(|content| !pool.contains(&content)));
        if sample.leechers_milli == 0 {
            continue;
        }
        let reason = if is_others {
            Some(&mut tally.others)
        } else if has(SampleFlag::Partial) {
            Some(&mut tally.partial)
        } else if has(SampleFlag::DemandLimited) || has(SampleFlag::Borrowed) {
            Some(&mut tally.unfit)
        } else {
            None
        };
        match reason {
            Some(count) => *count += 1,
            None => {
                sink.write(&row(interval.interval, seconds, sample))?;
                tally.rows += 1;
            }
        }
    }
    Ok(())
}

fn row(interval: u64, seconds: f64, sample: &Sample) -> String {
    let id = sample.content.map_or_else(|| sample.info_hash.to_string(), |content| content.to_string());
    let rate = |bytes: u64| bytes as f64 / seconds;
    let peers = |milli: u64| milli as f64 / 1000.0;
    format!(
        "{id},{interval},{:.1},{:.1},{},{}\n",
        rate(sample.bittorrent_bytes),
        rate(sample.downloaded_bytes),
        peers(sample.seeders_milli),
        peers(sample.leechers_milli),
    )
}
