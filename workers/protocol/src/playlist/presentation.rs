//! A set of renditions of one source as players see it: variants of the picture beside groups of sound.

use crate::rendition::{RenditionManifest, Sprites, Track, TrackKind};

/// A rendition under the name its owner knows it by.
#[derive(Debug, Clone, Copy)]
pub struct Variant<'a> {
    /// Profile name, used in paths.
    pub name: &'a str,
    /// The rendition.
    pub manifest: &'a RenditionManifest,
}

impl<'a> Variant<'a> {
    /// The video track, if there is one.
    #[must_use]
    pub fn video(&self) -> Option<&'a Track> {
        self.manifest.tracks.iter().find(|track| matches!(track.kind, TrackKind::Video { .. }))
    }

    /// The audio tracks in order.
    pub fn audio(&self) -> impl Iterator<Item = &'a Track> + use<'a> {
        self.manifest.tracks.iter().filter(|track| matches!(track.kind, TrackKind::Audio { .. }))
    }

    /// The caption tracks in order.
    pub fn captions(&self) -> impl Iterator<Item = &'a Track> + use<'a> {
        self.manifest.tracks.iter().filter(|track| matches!(track.kind, TrackKind::Captions { .. }))
    }

    /// Digests of the audio files: renditions whose sound is the same bytes share one group.
    fn audio_identity(&self) -> Vec<&'a str> {
        let files = &self.manifest.files;
        self.audio()
            .map(|track| files.iter().find(|file| file.path == track.file).map_or("", |file| file.sha256.as_str()))
            .collect()
    }
}

/// Audio tracks that one or more variants play with: those of the first variant that has them.
#[derive(Debug, Clone, Copy)]
pub struct AudioGroup<'a> {
    /// The variant whose tracks they are.
    pub of: Variant<'a>,
}

impl AudioGroup<'_> {
    /// Name of the group, unique in its presentation.
    #[must_use]
    pub fn id(&self) -> String {
        format!("audio-{}", self.of.name)
    }

    /// Bits per second of the heaviest track: (mean, peak).
    #[must_use]
    pub fn bits_per_second(&self) -> (u64, u64) {
        let mean = self.of.audio().map(|track| track.bits_per_second).max();
        let peak = self.of.audio().map(|track| track.peak_bits_per_second).max();
        (mean.unwrap_or(0), peak.unwrap_or(0))
    }
}

/// Renditions of one source, best first.
#[derive(Debug, Clone)]
pub struct Presentation<'a> {
    /// The renditions.
    pub variants: Vec<Variant<'a>>,
}

impl<'a> Presentation<'a> {
    /// A presentation of `variants`, best first.
    #[must_use]
    pub fn new(variants: Vec<Variant<'a>>) -> Self {
        Self { variants }
    }

    /// The distinct audio groups, in order of first use.
    #[must_use]
    pub fn audio_groups(&self) -> Vec<AudioGroup<'a>> {
        let mut groups: Vec<AudioGroup<'a>> = Vec::new();
        for variant in self.variants.iter().filter(|variant| variant.audio().next().is_some()) {
            if !groups.iter().any(|group| group.of.audio_identity() == variant.audio_identity()) {
                groups.push(AudioGroup { of: *variant });
            }
        }
        groups
    }

    /// The group `variant` plays with; `None` when it is silent.
    #[must_use]
    pub fn audio_group(&self, variant: &Variant<'a>) -> Option<AudioGroup<'a>> {
        let identity = variant.audio_identity();
        if identity.is_empty() {
            return None;
        }
        self.audio_groups().into_iter().find(|group| group.of.audio_identity() == identity)
    }

    /// The variant whose captions stand for all (they come from the same source): the first that has any.
    #[must_use]
    pub fn captions(&self) -> Option<Variant<'a>> {
        self.variants.iter().copied().find(|variant| variant.captions().next().is_some())
    }

    /// The sprite sheets that stand for all: those of the first variant that has any.
    #[must_use]
    pub fn sprites(&self) -> Option<(&'a RenditionManifest, &'a Sprites)> {
        self.variants.iter().find_map(|variant| Some((variant.manifest, variant.manifest.sprites.as_ref()?)))
    }

    /// The longest duration of any variant, milliseconds.
    #[must_use]
    pub fn duration_millis(&self) -> u64 {
        self.variants.iter().map(|variant| variant.manifest.duration_millis).max().unwrap_or(0)
    }
}
