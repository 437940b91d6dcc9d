//! Playing while chunks are still encoded: as soon as the sound and the first chunk are done, the folder has playlists that grow
//! with every chunk after them. Only what was listed once is ever written again, and then with the same bytes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use videocloud_protocol::failure::Failure;
use videocloud_protocol::ids::ContentId;
use videocloud_protocol::playlist::{Addressing, Presentation, Resource, Variant, hls};
use videocloud_protocol::rendition::{RenditionManifest, Track, TreeFile};

use super::{chunks, local, output};
use crate::encode::{verify, video};
use crate::package::grow::Growing;
use crate::package::{self, Sounds, segments};
use crate::plan::Plan;

/// What can be played so far.
pub(super) struct Live<'a> {
    out: &'a Path,
    work: &'a Path,
    plan: &'a Plan,
    content: ContentId,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sounds: Option<Arc<Sounds>>,
    done: Vec<bool>,
    /// Chunks that are in the playlists.
    shown: usize,
    /// One for each rendition that is offered by HLS.
    variants: Vec<Growth>,
}

struct Growth {
    /// Which rendition of the plan.
    index: usize,
    picture: Growing,
    sound: Vec<Track>,
    files: Vec<TreeFile>,
}

impl<'a> Live<'a> {
    pub(super) fn new(out: &'a Path, work: &'a Path, plan: &'a Plan, content: ContentId) -> Self {
        let state = State { done: vec![false; plan.chunks.len()], ..State::default() };
        Self { out, work, plan, content, state: Mutex::new(state) }
    }

    /// The sound is encoded.
    pub(super) fn sound_done(&self, sounds: &Arc<Sounds>) -> Result<(), Failure> {
        self.change(|state| state.sounds = Some(Arc::clone(sounds)))
    }

    /// A chunk is encoded.
    pub(super) fn chunk_done(&self, index: u32) -> Result<(), Failure> {
        self.change(|state| {
            if let Some(done) = state.done.get_mut(index as usize) {
                *done = true;
            }
        })
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), Failure> {
        let mut state = self.state.lock().map_err(package::internal)?;
        change(&mut state);
        if self.plan.grows() { self.advance(&mut state) } else { Ok(()) }
    }

    /// Shows the chunks that are done and follow what is shown.
    fn advance(&self, state: &mut State) -> Result<(), Failure> {
        let Some(sounds) = state.sounds.clone() else { return Ok(()) };
        let ready = state.done.iter().take_while(|done| **done).count();
        if ready == state.shown {
            return Ok(());
        }
        let first = state.shown == 0;
        if first {
            state.variants = self.begin(&sounds)?;
        }
        for chunk in self.plan.chunks.get(state.shown..ready).unwrap_or_default() {
            let folder = chunks::folder(self.work, chunk.index);
            for variant in &mut state.variants {
                let rendition = &self.plan.renditions[variant.index];
                variant.picture.add(self.plan, rendition, chunk, &folder.join(video::piece_name(variant.index)))?;
            }
        }
        state.shown = ready;
        self.write(state, first)
    }

    /// Writes the sound, which is whole, and opens a picture for each rendition.
    fn begin(&self, sounds: &Sounds) -> Result<Vec<Growth>, Failure> {
        let mut variants = Vec::new();
        for (index, rendition) in self.plan.renditions.iter().enumerate() {
            if !rendition.settings.packaging.hls || rendition.picture.is_none() {
                continue;
            }
            let folder = self.out.join(&rendition.settings.name);
            std::fs::create_dir_all(&folder).map_err(|error| local("create", &folder, error))?;
            let sound = package::write_sound(&folder, self.plan, rendition, sounds)?;
            let file = |track: &Track| -> Result<TreeFile, Failure> {
                let at: PathBuf = folder.join(track.file.as_str());
                let (size, sha256) = verify::digest(&at).map_err(|error| local("read", &at, error))?;
                Ok(TreeFile { path: track.file.clone(), size, mime: "audio/mp4".to_owned(), sha256 })
            };
            let files = sound.iter().map(file).collect::<Result<_, _>>()?;
            variants.push(Growth { index, picture: Growing::new(&folder), sound, files });
        }
        Ok(variants)
    }

    fn write(&self, state: &State, first: bool) -> Result<(), Failure> {
        let target = hls::target_seconds(segments::planned(self.plan), self.plan.clock.timescale);
        let manifests: Vec<RenditionManifest> = state.variants.iter().map(|variant| self.manifest(variant)).collect();
        for manifest in &manifests {
            let name = &manifest.settings.name;
            for track in &manifest.tracks {
                let picture = !track.keyframes.is_empty();
                let text = match (picture, first) {
                    (true, _) => hls::growing(name, track, Addressing::ByteRanges, target),
                    (false, true) => hls::media(name, track, Addressing::ByteRanges),
                    (false, false) => continue,
                };
                let resource = Resource::Media { rendition: name.clone(), track: track.name.clone() };
                output::write(self.out, &resource, &text)?;
            }
        }
        if first && !manifests.is_empty() {
            let variant = |manifest: &'_ RenditionManifest| manifest.settings.name.clone();
            let names: Vec<String> = manifests.iter().map(variant).collect();
            let variants = names.iter().zip(&manifests).map(|(name, manifest)| Variant { name, manifest }).collect();
            let mut presentation = hls::master(&Presentation::new(variants), Addressing::ByteRanges);
            // Playlists of keyframes are written when all are known.
            presentation = presentation
                .lines()
                .filter(|line| !line.starts_with("#EXT-X-I-FRAME-STREAM-INF"))
                .flat_map(|line| [line, "\n"])
                .collect();
            output::write(self.out, &Resource::Master, &presentation)?;
            tracing::info!(playlist = %self.out.join(Resource::Master.to_string()).display(), "can be played while it is encoded");
        }
        Ok(())
    }

    /// The manifest of what there is of a rendition.
    fn manifest(&self, variant: &Growth) -> RenditionManifest {
        let rendition = &self.plan.renditions[variant.index];
        RenditionManifest {
            files: variant.files.clone(),
            tracks: variant.picture.track().into_iter().chain(&variant.sound).cloned().collect(),
            ..package::unfinished(self.plan, rendition, self.content)
        }
    }
}
