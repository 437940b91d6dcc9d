//! Builds the project's images with the repository's Containerfile. An image whose inputs did not change is not built
//! again, and neither is one that a cluster holds loaded again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::part::Part;
use super::{ImageError, base, repository::Repository};
use crate::assets::packages;
use crate::command::{command, run};
use crate::mounts;
use crate::paths::{self, Lock, PathError};
use crate::progress::Progress;

/// The recipe of all images.
const CONTAINERFILE: &str = include_str!("../../../../Containerfile");

/// Where the images are, as it were: a name that no machine pulls from.
const REPOSITORY: &str = "localhost/videocloud";

/// The longest time one buildah command may take.
const LIMIT: Duration = Duration::from_secs(300);

/// How many archives of one part are kept: going back to a former build costs nothing, and two checkouts share the cache.
const KEPT: usize = 3;

/// What to build the images from.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The folder of the finished programs, for example `target/release`.
    pub programs: PathBuf,
    /// The folder of the pinned builds of ffmpeg and ffprobe; `tools` in the cache when none is given.
    pub tools: Option<PathBuf>,
    /// The tag of all images; one made from their content when none is given.
    pub tag: Option<String>,
}

/// A built image.
#[derive(Debug, Clone)]
pub struct Image {
    /// The part of videocloud in it.
    pub part: Part,
    /// Its name and tag; the tag is the same for all images of one build.
    pub reference: String,
    /// Its name and a tag that only this content has; the archive calls it so.
    pub content: String,
    /// The OCI archive that holds it.
    pub archive: PathBuf,
}

/// Builds the images of all parts, or finds them in the cache.
///
/// # Errors
/// A program is absent, a tool is not the pinned one, or buildah fails.
pub async fn build(inputs: &Inputs, progress: Progress) -> Result<Vec<Image>, ImageError> {
    packages::ensure(packages::IMAGES, progress).await?;
    let cache = paths::cache()?;
    let images = cache.join("images");
    let _lock = Lock::take(&images.join("lock"), || progress.note("waiting for another build of images")).await?;
    let tools = inputs.tools.clone().unwrap_or_else(|| cache.join("tools"));
    let base = base::ensure(&images, progress).await?;
    let base_digest = sha256(&base)?;

    let mut recipes = Vec::new();
    let mut all = Sha256::new();
    for part in Part::ALL {
        let recipe = Recipe::read(part, inputs, &tools, &base_digest)?;
        all.update(&recipe.digest);
        recipes.push(recipe);
    }
    let common = hex::encode(all.finalize());
    let tag = inputs.tag.clone().unwrap_or_else(|| common[..12].to_owned());
    let mut store = Store::new(&images, &base);
    let mut built = Vec::new();
    for recipe in recipes {
        let content = format!("{REPOSITORY}/{}:content-{}", recipe.part, &recipe.digest[..12]);
        let archive = images.join(format!("{}-{}.tar", recipe.part, &recipe.digest[..12]));
        if !archive.exists() {
            let _activity = progress.activity(&format!("building the {} image", recipe.part), None);
            store.build(&recipe, &content, &archive).await?;
        }
        keep_latest(&images, recipe.part, &archive)?;
        let reference = format!("{REPOSITORY}/{}:{tag}", recipe.part);
        built.push(Image { part: recipe.part, reference, content, archive });
    }
    store.remove()?;
    Ok(built)
}

/// Pushes built images to PART:TAG of a repository in a registry, with the credentials of buildah or docker.
///
/// # Errors
/// buildah fails, for example because the registry refuses.
pub async fn push(images: &[Image], repository: &Repository, progress: Progress) -> Result<Vec<String>, ImageError> {
    let folder = paths::cache()?.join("images");
    let _lock = Lock::take(&folder.join("lock"), || progress.note("waiting for another build of images")).await?;
    let store = Store::new(&folder, Path::new(""));
    let verify = format!("--tls-verify={}", !repository.plain);
    let mut pushed = Vec::new();
    for image in images {
        let tag = image.reference.rsplit(':').next().unwrap_or("latest");
        let reference = format!("{}/{}:{tag}", repository.name, image.part);
        let _activity = progress.activity(&format!("pushing {reference}"), None);
        let id = store.buildah(&["pull", "--quiet", &format!("oci-archive:{}", image.archive.display())]).await?;
        store.buildah(&["push", "--quiet", &verify, id.trim(), &format!("docker://{reference}")]).await?;
        pushed.push(reference);
    }
    store.remove()?;
    Ok(pushed)
}

/// The files of one image and the digest of everything that decides its content.
struct Recipe {
    part: Part,
    files: Vec<PathBuf>,
    digest: String,
}

impl Recipe {
    fn read(part: Part, inputs: &Inputs, tools: &Path, base: &str) -> Result<Self, ImageError> {
        let mut whole = Sha256::new();
        whole.update(CONTAINERFILE);
        whole.update(base);
        let program = inputs.programs.join(part.program());
        let absent = |file: &Path, hint| ImageError::Absent { part, file: file.to_owned(), hint };
        if !program.is_file() {
            return Err(absent(&program, "run `make build`"));
        }
        whole.update(sha256(&program)?);
        let mut files = vec![program];
        for tool in part.tools() {
            let file = tools.join(tool.name);
            if !file.is_file() {
                return Err(absent(&file, "run `make tools`"));
            }
            let found = sha256(&file)?;
            if found != tool.sha256 {
                return Err(ImageError::Unpinned { file, found, pinned: tool.sha256 });
            }
            whole.update(found);
            files.push(file);
        }
        Ok(Self { part, files, digest: hex::encode(whole.finalize()) })
    }
}

/// buildah's storage, which lives only while images are being built.
struct Store {
    folder: PathBuf,
    base: PathBuf,
    base_id: Option<String>,
}

impl Store {
    fn new(images: &Path, base: &Path) -> Self {
        Self { folder: images.join("buildah.partial"), base: base.to_owned(), base_id: None }
    }

    /// Builds one image and writes its archive whole or not at all.
    async fn build(&mut self, recipe: &Recipe, name: &str, archive: &Path) -> Result<(), ImageError> {
        let base = match &self.base_id {
            Some(id) => id.clone(),
            None => {
                let source = format!("oci-archive:{}", self.base.display());
                let id = self.buildah(&["pull", "--quiet", &source]).await?.trim().to_owned();
                self.base_id.insert(id).clone()
            }
        };
        let context = self.folder.join("context");
        paths::remove(&context)?;
        paths::make_folder(&context)?;
        for file in &recipe.files {
            let inside = context.join(file.file_name().unwrap_or_default());
            fs::copy(file, &inside).map_err(PathError::io("copy", file))?;
        }
        let recipe_file = self.folder.join("Containerfile");
        paths::write(&recipe_file, CONTAINERFILE)?;
        let (argument, file) = (format!("BASE={base}"), recipe_file.to_string_lossy());
        let context = context.to_string_lossy();
        let build = ["bud", "--quiet", "--isolation", "chroot", "--format", "oci", "--timestamp", "0"];
        let target =
            ["--target", recipe.part.name(), "--build-arg", &argument, "--file", &file, "--tag", name, &context];
        self.buildah(&[&build[..], &target].concat()).await?;
        let partial = self.folder.join("image.tar");
        paths::remove(&partial)?;
        let destination = format!("oci-archive:{}:{name}", partial.display());
        self.buildah(&["push", "--quiet", "--disable-compression", name, &destination]).await?;
        fs::rename(&partial, archive).map_err(PathError::io("put in place", archive))?;
        Ok(())
    }

    async fn buildah(&self, arguments: &[&str]) -> Result<String, ImageError> {
        paths::make_folder(&self.folder)?;
        let driver = if mounts::takes_overlays(&self.folder) { "overlay" } else { "vfs" };
        let mut buildah = command("buildah", ["--storage-driver", driver, "--root"]);
        buildah.arg(self.folder.join("root")).arg("--runroot").arg(self.folder.join("run"));
        buildah.args(arguments).env("PATH", packages::search_path()).env("BUILDAH_ISOLATION", "chroot");
        Ok(run(buildah, b"", LIMIT).await?)
    }

    /// Removes all of it; buildah leaves its storage mounted on itself.
    fn remove(&self) -> Result<(), PathError> {
        mounts::detach_below(&[&self.folder])?;
        paths::remove(&self.folder)
    }
}

/// Keeps the archives of a part that were used last, this one among them, and removes the others.
fn keep_latest(images: &Path, part: Part, used: &Path) -> Result<(), PathError> {
    let touched = File::options().append(true).open(used).and_then(|file| file.set_modified(SystemTime::now()));
    touched.map_err(PathError::io("touch", used))?;
    let mut archives = Vec::new();
    for entry in fs::read_dir(images).map_err(PathError::io("list", images))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&format!("{part}-")) {
            archives.push((entry.metadata().and_then(|found| found.modified()).ok(), entry.path()));
        }
    }
    archives.sort_by(|first, second| second.cmp(first));
    archives.iter().skip(KEPT).try_for_each(|(_, archive)| paths::remove(archive))
}

fn sha256(path: &Path) -> Result<String, PathError> {
    let mut hash = Sha256::new();
    let copied = File::open(path).and_then(|mut file| {
        let mut buffer = vec![0; 1 << 20];
        loop {
            match io::Read::read(&mut file, &mut buffer)? {
                0 => return Ok(()),
                length => hash.update(&buffer[..length]),
            }
        }
    });
    copied.map_err(PathError::io("read", path))?;
    Ok(hex::encode(hash.finalize()))
}
