//! Objects as files below a root folder.
//!
//! Durability: a put writes a file in `tmp/`, fsyncs it, gives it its name with `link` (only if absent) or `rename`
//! (over the old one), then fsyncs the folder of that name; folders that had to be made are fsynced into their parents
//! first. So after a power loss a name leads to all of its bytes or does not exist. Works on local file systems and
//! NFS; needs hard links.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    ops::Range,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use nix::fcntl::{Flock, FlockArg};
use tokio_stream::wrappers::ReceiverStream;

use super::{ByteStream, MAX_SMALL_OBJECT, ObjectInfo, Put, Version};
use crate::{
    Durability,
    error::{Result, StoreError},
    layout::ObjectPath,
};

/// Folder of files that do not have their name yet.
pub(crate) const TMP: &str = "tmp";
/// Bytes read from a file at once when streaming.
const READ_PIECE: u64 = 1 << 20;

/// A root folder on a file system.
#[derive(Debug, Clone)]
pub(crate) struct FsObjects {
    root: Arc<PathBuf>,
    durability: Durability,
}

impl FsObjects {
    /// Opens a root folder, making it if it is missing.
    pub(crate) fn open(root: &Path, durability: Durability) -> Result<Self> {
        let root = std::path::absolute(root).map_err(|e| StoreError::io("open", root.display().to_string(), e))?;
        make_folders(&root.join(TMP), durability)
            .map_err(|e| StoreError::io("create", root.display().to_string(), e))?;
        Ok(Self { root: Arc::new(root), durability })
    }

    /// A root folder that is not made and that nothing will be written to.
    pub(crate) fn open_to_read(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root).map_err(|e| StoreError::io("open", root.display().to_string(), e))?;
        Ok(Self { root: Arc::new(root), durability: Durability::default() })
    }

    /// The file of an object.
    pub(crate) fn file_path(&self, path: &ObjectPath) -> PathBuf {
        self.root.join(path.as_str())
    }

    /// What it survives.
    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    /// The root folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) async fn put(&self, path: &ObjectPath, bytes: Bytes) -> Result<()> {
        let target = self.file_path(path);
        self.blocking("write", path, move |fs| {
            let temporary = fs.temporary()?;
            temporary.fill(&bytes)?;
            temporary.rename_to(&target)
        })
        .await
    }

    pub(crate) async fn put_if_absent(&self, path: &ObjectPath, bytes: Bytes) -> Result<Put> {
        let target = self.file_path(path);
        self.blocking("write", path, move |fs| {
            let temporary = fs.temporary()?;
            temporary.fill(&bytes)?;
            temporary.link_to(&target)
        })
        .await
    }

    pub(crate) async fn replace(&self, path: &ObjectPath, version: Version, bytes: Bytes) -> Result<bool> {
        let target = self.file_path(path);
        let Version::Bytes(expected) = version else { return Ok(false) };
        self.blocking("replace", path, move |fs| {
            // Replacements exclude each other by this lock; a put-if-absent cannot come between, as the name exists.
            let lock = File::create(fs.root.join("lock"))?;
            let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| io::Error::from(errno))?;
            match std::fs::read(&target) {
                Ok(current) if current == expected => {}
                Ok(_) => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(e) => return Err(e),
            }
            let temporary = fs.temporary()?;
            temporary.fill(&bytes)?;
            temporary.rename_to(&target)?;
            Ok(true)
        })
        .await
    }

    pub(crate) async fn get(&self, path: &ObjectPath) -> Result<(Bytes, Version)> {
        let target = self.file_path(path);
        let bytes = self
            .blocking("read", path, move |_| {
                let mut bytes = Vec::new();
                File::open(&target)?.take(MAX_SMALL_OBJECT).read_to_end(&mut bytes)?;
                Ok(Bytes::from(bytes))
            })
            .await?;
        Ok((bytes.clone(), Version::Bytes(bytes)))
    }

    pub(crate) async fn stat(&self, path: &ObjectPath) -> Result<ObjectInfo> {
        let (target, path_owned) = (self.file_path(path), path.clone());
        self.blocking("examine", path, move |_| info(path_owned, &std::fs::metadata(target)?)).await
    }

    pub(crate) async fn read(&self, path: &ObjectPath, range: Range<u64>) -> Result<ByteStream> {
        let file = self.open_file(path).await?;
        let what = path.to_string();
        let stream = futures::stream::try_unfold(range.start, move |at| {
            let (file, what, end) = (file.clone(), what.clone(), range.end);
            async move {
                if at >= end {
                    return Ok(None);
                }
                let piece = (end - at).min(READ_PIECE);
                let bytes = read_exact_at(file, at, piece, what).await?;
                Ok(Some((bytes, at + piece)))
            }
        });
        Ok(stream.boxed())
    }

    pub(crate) async fn put_file(&self, path: &ObjectPath, from: &Path) -> Result<u64> {
        let (target, from) = (self.file_path(path), from.to_owned());
        self.blocking("copy", path, move |fs| {
            let temporary = fs.temporary()?;
            // Uses reflinks or copy_file_range where the file systems have them.
            let copied = io::copy(&mut File::open(from)?, &mut &temporary.file)?;
            fs.durability.file(&temporary.file)?;
            temporary.rename_to(&target)?;
            Ok(copied)
        })
        .await
    }

    pub(crate) fn list(&self, folder: &str) -> BoxStream<'static, Result<ObjectInfo>> {
        let (sender, receiver) = tokio::sync::mpsc::channel(256);
        let (root, folder) = (self.root.clone(), folder.to_owned());
        // Ends by itself: at the end of the walk, or when the stream is dropped and sending fails.
        tokio::task::spawn_blocking(move || {
            let failed = |e| StoreError::io("list", folder.clone(), e);
            let mut folders = vec![root.join(&folder)];
            while let Some(folder) = folders.pop() {
                let entries = match std::fs::read_dir(&folder) {
                    Ok(entries) => entries,
                    Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                    Err(e) => return drop(sender.blocking_send(Err(failed(e)))),
                };
                for entry in entries {
                    let item = match entry.and_then(|entry| Ok((entry.path(), entry.metadata()?))) {
                        Ok((path, metadata)) if metadata.is_dir() => {
                            folders.push(path);
                            continue;
                        }
                        Ok((path, metadata)) => relative(&root, &path).and_then(|path| info(path, &metadata)),
                        Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                        Err(e) => Err(e),
                    };
                    if sender.blocking_send(item.map_err(failed)).is_err() {
                        return;
                    }
                }
            }
        });
        ReceiverStream::new(receiver).into_stream().boxed()
    }

    pub(crate) async fn delete(&self, path: &ObjectPath) -> Result<()> {
        let target = self.file_path(path);
        self.blocking("delete", path, move |_| absent_is_fine(std::fs::remove_file(target))).await
    }

    pub(crate) async fn delete_folder(&self, folder: &ObjectPath) -> Result<()> {
        let target = self.file_path(folder);
        self.blocking("delete", folder, move |_| absent_is_fine(std::fs::remove_dir_all(target))).await
    }

    /// Opens an object's file for reading.
    pub(crate) async fn open_file(&self, path: &ObjectPath) -> Result<Arc<File>> {
        let target = self.file_path(path);
        self.blocking("open", path, move |_| File::open(target)).await.map(Arc::new)
    }

    /// Gives a file that is durable already a second name, only if that name is free, and makes the name durable.
    pub(crate) async fn link_in(&self, from: &Path, path: &ObjectPath) -> Result<Put> {
        let (from, target) = (from.to_owned(), self.file_path(path));
        self.blocking("link", path, move |fs| link(&from, &target, fs.durability)).await
    }

    /// Runs file work on the blocking threads.
    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        path: &ObjectPath,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (this, what) = (self.clone(), path.to_string());
        match tokio::task::spawn_blocking(move || work(&this)).await {
            Ok(result) => result.map_err(|e| StoreError::io(action, what, e)),
            Err(_) => Err(StoreError::interrupted(action, what)),
        }
    }

    fn temporary(&self) -> io::Result<Temporary> {
        let path = self.root.join(TMP).join(format!("{:032x}", rand::random::<u128>()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path)?;
        Ok(Temporary { file, path, durability: self.durability })
    }
}

/// A file without its final name; removed when dropped.
struct Temporary {
    file: File,
    path: PathBuf,
    durability: Durability,
}

impl Temporary {
    fn fill(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.file).write_all(bytes)?;
        self.durability.file(&self.file)
    }

    fn rename_to(&self, target: &Path) -> io::Result<()> {
        make_parent(target, self.durability)?;
        std::fs::rename(&self.path, target)?;
        self.durability.parent(target)
    }

    fn link_to(&self, target: &Path) -> io::Result<Put> {
        link(&self.path, target, self.durability)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename there is nothing left here; after a failure the sweep removes what this could not.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Reads exactly `length` bytes at `offset` on a blocking thread.
pub(crate) async fn read_exact_at(file: Arc<File>, offset: u64, length: u64, what: String) -> Result<Bytes> {
    let name = what.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut buffer = BytesMut::zeroed(usize::try_from(length).map_err(io::Error::other)?);
        file.read_exact_at(&mut buffer, offset)?;
        Ok(buffer.freeze())
    });
    match read.await {
        Ok(result) => result.map_err(|e| StoreError::io("read", name, e)),
        Err(_) => Err(StoreError::interrupted("read", name)),
    }
}

/// Makes a folder and its parents, each durable in its parent.
pub(crate) fn make_folders(folder: &Path, durability: Durability) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folders(parent, durability)?;
    }
    match std::fs::DirBuilder::new().mode(0o755).create(folder) {
        Ok(()) => durability.parent(folder),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
    }
}

fn make_parent(path: &Path, durability: Durability) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| make_folders(parent, durability))
}

fn link(from: &Path, target: &Path, durability: Durability) -> io::Result<Put> {
    make_parent(target, durability)?;
    match std::fs::hard_link(from, target) {
        Ok(()) => durability.parent(target).map(|()| Put::Created),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(Put::Exists),
        Err(e) => Err(e),
    }
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn info(path: ObjectPath, metadata: &std::fs::Metadata) -> io::Result<ObjectInfo> {
    Ok(ObjectInfo { path, size: metadata.len(), modified: metadata.modified()? })
}

fn relative(root: &Path, path: &Path) -> io::Result<ObjectPath> {
    let relative = path.strip_prefix(root).map_err(io::Error::other)?;
    Ok(ObjectPath::listed(relative.to_string_lossy().into_owned()))
}
