//! The whole of a run on one machine: a source file in, a playable folder out.
//!
//! The folder keeps a `.work` part while it is being made: the plan and one marker per finished chunk. A run that was killed
//! goes on from there and gives the same bytes. An encoder that outlives it writes to folders that nobody looks into any more.

mod chunks;
mod display;
mod live;
mod output;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::ids::ContentId;
use videocloud_protocol::rendition::{RenditionSettings, rendition_key};
use videocloud_protocol::task::{Chunking, RenditionOrder};

use crate::disk::fault;
use crate::encode::chunk::ChunkDone;
use crate::encode::{Driver, verify};
use crate::ingest;
use crate::package::{self, Finished, Work};
use crate::plan::Plan;
use crate::quality::title;
use display::Display;
use live::Live;
pub use report::{Report, cpu_millis};

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The source.
    pub input: PathBuf,
    /// What to make, best first.
    pub settings: Vec<RenditionSettings>,
    /// Where.
    pub out: PathBuf,
    /// Chunks encoded at the same time.
    pub workers: usize,
    /// How to cut.
    pub chunking: Chunking,
}

/// The folder in the output that a run works in.
const WORK: &str = ".work";

fn local(what: &str, path: &Path, error: impl Into<std::io::Error>) -> Failure {
    fault(what, path, &error.into())
}

/// Does it all.
///
/// # Errors
/// The [`Failure`] of the step that failed. What was finished stays for the next try.
pub async fn run(driver: &Driver, options: &Options) -> Result<Report, Failure> {
    let is_new = !options.out.exists();
    let made = into_folder(driver, options).await;
    if made.as_ref().is_err_and(|failure| matches!(failure.class, FailureClass::BadInput | FailureClass::BadSpec)) {
        // Each fails where something is left that another try or somebody else needs.
        let _ = chunks::tidy(&options.out.join(WORK));
        let _ = std::fs::remove_dir(options.out.join(WORK));
        if is_new {
            let _ = std::fs::remove_dir(&options.out);
        }
    }
    made
}

async fn into_folder(driver: &Driver, options: &Options) -> Result<Report, Failure> {
    let started = Instant::now();
    let display = Display::new();
    display.stage("Probing");
    let input = options.input.canonicalize().map_err(|error| {
        let message = format!("failed to open {}: {error}", options.input.display());
        Failure::new(FailureClass::BadInput, reason::NOT_FOUND, message)
    })?;
    if !input.is_file() {
        let message = format!("failed to open {}: it is no file", options.input.display());
        return Err(Failure::new(FailureClass::BadInput, reason::NOT_MEDIA, message));
    }
    let settings = output::distinct(&options.settings)?;
    std::fs::create_dir_all(&options.out).map_err(|error| local("create", &options.out, error))?;
    let out = options.out.canonicalize().map_err(|error| local("open", &options.out, error))?;
    output::spare(&out, &input, &settings)?;
    let work = out.join(WORK);
    std::fs::create_dir_all(&work).map_err(|error| local("create", &work, error))?;

    let scratch = chunks::scratch(&work)?;

    let ingested = ingest::ingest(driver, &input, &scratch).await?;
    let content = content_id(&input).await?;
    let orders: Vec<RenditionOrder> = settings
        .iter()
        .map(|settings| RenditionOrder { key: rendition_key(&content, settings), settings: settings.clone() })
        .collect();
    display.stage("Planning");
    let packets = ingest::packets(driver, &ingested, &scratch).await?;
    let container = ingested.source.container;
    let mut plan = Plan::make(ingested.facts.clone(), container, &packets, &orders, options.chunking)?;
    drop(packets);
    title::tune(driver, &ingested.source, &mut plan, &scratch).await?;
    if !chunks::keep_if_same(&work, &plan)? {
        output::clear(&out, &plan)?;
    }

    let folders: Vec<PathBuf> = plan.chunks.iter().map(|chunk| chunks::folder(&work, chunk.index)).collect();
    let job = Work { driver, ingested: &ingested, content, plan: &plan, chunks: &folders, scratch: &scratch };
    let made = make(job, &out, &work, options.workers, &display).await;
    if made.as_ref().is_err_and(|failure| failure.class == FailureClass::BadInput) {
        // What could be played of it so far is not to be mistaken for the video, and nothing of it is of use to another try.
        output::clear(&out, &plan)?;
        std::fs::remove_dir_all(&work).map_err(|error| local("remove", &work, error))?;
    }
    let (done, finished) = made?;
    output::publish(&out, &finished)?;
    let report = Report::new(content, &plan, &done, &finished, started.elapsed());
    report.write(&out.join("report.json"))?;
    std::fs::remove_dir_all(&work).map_err(|error| local("remove", &work, error))?;
    display.done(&report);
    Ok(report)
}

/// Encodes sound and chunks side by side, showing what can be played, and finishes.
async fn make(
    job: Work<'_>,
    out: &Path,
    work: &Path,
    workers: usize,
    display: &Display,
) -> Result<(Vec<ChunkDone>, Vec<Finished>), Failure> {
    let Work { driver, ingested, content, plan, .. } = job;
    let live = Live::new(out, work, plan, content);
    let sound = async {
        let sounds = Arc::new(package::sounds(&job).await?);
        live.sound_done(&sounds)?;
        Ok(sounds)
    };
    let encoding =
        chunks::Encoding { driver, source: &ingested.source, plan, work, scratch: job.scratch, display, live: &live };
    let (sounds, done) = futures::try_join!(sound, encoding.all(workers))?;
    display.stage("Packaging");
    Ok((done, package::finish(job, &sounds).await?))
}

async fn content_id(input: &Path) -> Result<ContentId, Failure> {
    let path = input.to_path_buf();
    let digest = tokio::task::spawn_blocking(move || verify::digest(&path)).await;
    let (_, hex) = digest.map_err(package::internal)?.map_err(|error| local("read", input, error))?;
    hex.parse().map_err(package::internal)
}
