//! Without a cluster: links on the command line, a file or a store as the place.
//!
//! A file is fetched through a small store of its own beside it (`.NAME.videocloud`), which is what makes a killed run resumable and
//! keeps unverified bytes from the output path. It goes when the file is in place.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use videocloud_downloader::engine::{Fetched, Hosts, Status, fetch};
use videocloud_downloader::task::{Network, order};
use videocloud_downloader::verify::Which;
use videocloud_protocol::content::Visibility;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_protocol::ids::TaskId;
use videocloud_protocol::link::Link;
use videocloud_protocol::task::{DownloadLimits, DownloadTask, SourceSpec};
use videocloud_protocol::tracker::{HostShare, Wanted};
use videocloud_store::{Durability, Store, StoreUrl};

use crate::bad_spec;
use crate::cli::{self, Cli, Digests};
use crate::display::{self, Display};

/// Downloads what the flags say. Whatever comes of it, the last event says so.
pub(crate) async fn run(mut cli: Cli, stop: &CancellationToken) -> Result<(), Failure> {
    cli.source.append(&mut cli.urls);
    let (json, links) = (cli.json, cli.source.clone());
    let mut shown = false;
    let done = download(cli, stop, &mut shown).await;
    if let (Err(failure), true, false) = (&done, json, shown) {
        display::refused(&links, failure);
    }
    done
}

/// `shown` is set when a display has taken over to say how it ends.
async fn download(cli: Cli, stop: &CancellationToken, shown: &mut bool) -> Result<(), Failure> {
    let files = cli.torrents.files()?;
    if cli.source.is_empty() && files.is_empty() && cli.metalink.is_empty() {
        return Err(bad_spec("failed to start: no --source URL, no --torrent FILE, no --metalink FILE; see --help"));
    }
    let place = Place::of(&cli)?;
    let network = Network::new(cli.allow_network.iter().flatten().copied().collect(), cli.ca_file.as_deref());
    let network = network.map_err(bad_spec)?.through(cli.proxy.clone()).with_torrents(cli.torrents.options());
    let (mut links, mut ways) = (cli.source.iter().map(|link| (link.clone(), None)).collect::<Vec<_>>(), Vec::new());
    for path in &cli.metalink {
        links.push((named(path)?, Some(path.display().to_string())));
    }
    for (link, file) in files {
        links.push((link, None));
        ways.push(network.torrent(file, cli.select.clone()));
    }
    let mut order = order(task(&cli, links)?, &network)?;
    let given = order.candidates.iter_mut().rev();
    given.zip(ways.into_iter().rev()).for_each(|(candidate, way)| candidate.way = way);
    order.any_content = !cli.media_only;
    order.agreement = !cli.no_agreement;
    order.hosts = Hosts::alone(HostShare {
        connections: cli.connections,
        requests_per_second: cli.max_host_requests.map(f64::from),
        bytes_per_second: cli.max_host_rate.map(|rate| rate as f64),
    });
    order.settings = order.settings.with_requests(cli.max_host_requests);
    order.patience = Duration::from_secs(cli.give_up_after.min(cli.progress_deadline));
    if cli.output.is_some() && cli.digests == Digests::Needed {
        order.hashes = cli.digest.iter().fold(Which::default(), |which, digest| which.and(digest.algorithm()));
    }
    let scratch = cli.worker.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let store = match &place.file {
        // As every download manager does: the file is whole when it is there, and nothing waits for the disk.
        Some((_, folder)) => Store::open_folder(folder, Durability::Kill),
        None => Store::open(&place.store, &scratch),
    };
    let store = store.map_err(|error| match (&place.file, error.class()) {
        (Some((output, _)), FailureClass::Transient) => {
            bad_spec(format!("failed to use --output: nothing can be written beside {}: {error}", output.display()))
        }
        (_, class) => Failure::new(class, reason::INTERNAL, error.to_string()),
    })?;
    let status = Status::default();
    let display = Display::start(&cli, status.clone());
    *shown = true;
    let fetched = fetch(&order, &store, &status, stop).await;
    let done = fetched.and_then(|fetched| place.settle(&fetched).map(|()| fetched));
    if done.is_err() {
        place.tidy();
    }
    display.end(&status.now(), &done).await;
    done.map(drop)
}

/// A link that stands for a file: nothing is at it, but the same file has the same.
fn named(path: &Path) -> Result<Link, Failure> {
    let bytes = std::fs::read(path);
    let bytes = bytes.map_err(|error| bad_spec(format!("failed to read {}: {error}", path.display())))?;
    format!("magnet:?xt=urn:sha256:{}", hex::encode(Sha256::digest(&bytes))).parse().map_err(bad_spec)
}

/// The order for `links`, some of which stand for a document.
fn task(cli: &Cli, links: Vec<(Link, Option<String>)>) -> Result<DownloadTask, Failure> {
    let headers = cli.header.iter().map(|header| {
        let (name, value) =
            header.split_once(':').ok_or_else(|| bad_spec("failed to read --header: no colon in it"))?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    });
    let mut headers = headers.collect::<Result<Vec<_>, Failure>>()?;
    if let Some(user) = &cli.user {
        headers.push(("Authorization".to_owned(), format!("Basic {}", BASE64.encode(user))));
    }
    headers.extend(cli.cookie.iter().map(|cookie| ("Cookie".to_owned(), cookie.clone())));
    let wanted = Wanted {
        links: links.iter().map(|(link, _)| link.clone()).collect(),
        digest: cli.digest.clone(),
        size: cli.size,
        visibility: Visibility::Public,
        variant: String::new(),
    };
    let key = wanted.key();
    let source = |(number, (link, document)): (usize, (Link, Option<String>))| SourceSpec {
        name: format!("source-{}", number + 1),
        link,
        select: cli.select.clone(),
        headers: headers.clone(),
        priority: 100,
        credentials: None,
        document,
    };
    Ok(DownloadTask {
        task: TaskId::download(&key),
        key,
        sources: links.into_iter().enumerate().map(source).collect(),
        digest: cli.digest.clone(),
        size: cli.size,
        visibility: Visibility::Public,
        limits: DownloadLimits {
            max_size: cli.max_size,
            progress_deadline_seconds: cli.progress_deadline,
            connections_per_host: cli.connections,
            bytes_per_second: cli.limit_rate,
            upload_bytes_per_second: cli.torrents.upload_limit(),
            shared: None,
        },
        any_content: true,
        while_downloading: cli.order == cli::Order::Playback,
        known: Vec::new(),
    })
}

/// Where the content goes.
struct Place {
    store: StoreUrl,
    /// The output file and the folder of its own store.
    file: Option<(PathBuf, PathBuf)>,
}

impl Place {
    fn of(cli: &Cli) -> Result<Self, Failure> {
        match (&cli.output, &cli.store) {
            (Some(output), _) => {
                let name = output.file_name().ok_or_else(|| bad_spec("failed to use --output: it names no file"))?;
                if output.exists() {
                    return Err(bad_spec(format!("failed to use --output: {} exists already", output.display())));
                }
                let mut hidden = OsString::from(".");
                hidden.push(name);
                hidden.push(".videocloud");
                let folder = std::path::absolute(output).map_err(bad_spec)?.with_file_name(hidden);
                Ok(Self { store: StoreUrl::Folder(folder.clone()), file: Some((output.clone(), folder)) })
            }
            (None, Some(store)) => Ok(Self { store: store.clone(), file: None }),
            (None, None) => Err(bad_spec("failed to start: no --output FILE and no --store URL; see --help")),
        }
    }

    /// Moves a verified content to the output path.
    fn settle(&self, fetched: &Fetched) -> Result<(), Failure> {
        let Some((output, folder)) = &self.file else { return Ok(()) };
        let id = fetched.content.id.to_string();
        let blob = folder.join("blobs").join(&id[..2]).join(&id);
        let failed = |error: std::io::Error| {
            let message = format!("failed to put {} in place: {error}", output.display());
            Failure::new(FailureClass::StoreFull, reason::STORE_FULL, message)
        };
        make_writable(&blob);
        std::fs::rename(&blob, output).map_err(failed)?;
        if let Err(error) = std::fs::remove_dir_all(folder) {
            tracing::warn!(%error, folder = %folder.display(), "failed to remove the working folder");
        }
        Ok(())
    }

    /// Removes the working folder of a failed download unless there is something in it to go on with.
    fn tidy(&self) {
        let Some((_, folder)) = &self.file else { return };
        let inner = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for path in inner.chain([folder.clone()]) {
            // One that holds something stays, and so does what is above it.
            if let Err(error) = std::fs::remove_dir(&path) {
                tracing::debug!(%error, path = %path.display(), "the working folder stays");
            }
        }
    }
}

/// Blobs of a store may be read-only; a user's file is not.
fn make_writable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if let Err(error) = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)) {
        tracing::debug!(%error, "failed to set the mode of the file");
    }
}
