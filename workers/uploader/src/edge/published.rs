//! `/v/<namespace>/<name>/…`: what an object's owner shares.

use std::sync::Arc;

use http::Response;
use videocloud_protocol::{
    content::Visibility,
    ids::ContentId,
    playlist::{Addressing, Presentation, Resource, Variant, dash, hls, thumbnails},
    publication::{Original, Publication, PublishedRendition},
    rendition::{RenditionManifest, Track, TreePath},
};

use super::{
    access::{self, Pass},
    answer::{self, Refusal},
    arrival::Coming,
    body::Body,
    entity::{self, Entity},
    growing::{self, Standing},
    service::{Asked, Edge, Unsent},
    target::Item,
};

pub(super) const NO_RENDITION: Refusal =
    Refusal::NotFound("this video has no rendition of this name, or it is not ready yet");
const NO_THUMBNAILS: Refusal = Refusal::NotFound("this video has no thumbnails of this name");
const NOT_WHOLE: Refusal =
    Refusal::NotFound("this video is still being fetched: its torrents are made when it is whole");
const NOTHING_YET: Refusal =
    Refusal::Unavailable("this video is being fetched, and nothing of it can be shown at the moment");
const NO_PLAYLIST: Refusal = Refusal::NotFound("this video has no rendition for streaming yet");

/// A publication a request has been let through to.
pub(super) struct Opened<'a> {
    publication: &'a Publication,
    pub(super) pass: Pass,
    version: String,
}

impl Edge {
    pub(super) async fn published(
        &self,
        asked: &Asked<'_>,
        namespace: &str,
        name: &str,
        item: &Item,
    ) -> Result<Response<Body>, Refusal> {
        let publication = self.0.catalogue.publication(namespace, name).await?;
        let publication = publication.ok_or(Refusal::NotFound("no video is published under this name"))?;
        let key = self.0.signing_key.as_ref();
        let pass = access::check(publication.access, key, (namespace, name), asked.query, asked.now)?;
        let opened = Opened { version: version(&publication), publication: &publication, pass };
        match item {
            Item::Stream(resource @ (Resource::Master | Resource::Mpd)) => {
                self.presentation(asked, &opened, resource).await
            }
            Item::Stream(
                resource @ (Resource::Media { rendition, track } | Resource::Keyframes { rendition, track }),
            ) => {
                const NO_KEYFRAMES: Refusal = Refusal::NotFound("this track has no keyframes to show alone");
                let manifest = match self.streamed(&publication, rendition).await? {
                    (_, Standing::Finished(manifest)) => manifest,
                    (_, Standing::Growing(_)) if matches!(resource, Resource::Keyframes { .. }) => {
                        return Err(NO_KEYFRAMES);
                    }
                    (_, Standing::Growing(growth)) => {
                        return self.growing_playlist(asked, &opened, &growth, rendition, track);
                    }
                };
                let (track, query) = (find(&manifest, track)?, opened.query());
                let text = match resource {
                    Resource::Keyframes { .. } if track.keyframes.is_empty() => return Err(NO_KEYFRAMES),
                    Resource::Keyframes { .. } => hls::keyframes(rendition, track, opened.addressing(&query)),
                    _ => hls::media(rendition, track, opened.addressing(&query)),
                };
                let mime = Resource::Master.mime(None);
                Ok(answer::text(asked.method, asked.headers, text, mime, &entity::keep_playlist(&opened.pass)))
            }
            Item::Thumbnails => {
                let (_, manifest) = self.sprites(&publication).await?;
                let text = thumbnails::index(&manifest, opened.addressing(&opened.query())).ok_or(NO_THUMBNAILS)?;
                Ok(answer::text(asked.method, asked.headers, text, "text/vtt", &entity::keep_playlist(&opened.pass)))
            }
            Item::File => {
                let entity = match &publication.original {
                    Original::Content(id) => {
                        let content = self.0.catalogue.original(id).await?;
                        let content = content.ok_or(Refusal::Gone("the original of this video is no longer kept"))?;
                        Entity::original(&content, name, opened.keep(asked))
                    }
                    Original::Arriving(claim) => {
                        let there = self.0.catalogue.arriving(claim).await?;
                        let there = there.filter(|there| there.bytes() > 0).ok_or(NOTHING_YET)?;
                        let object = (namespace.to_owned(), name.to_owned());
                        Entity::coming(Coming { claim: *claim, object, uid: publication.uid.clone() }, &there)
                    }
                };
                self.send(asked, &entity).await.map_err(|unsent| unsent.refusal(&entity.place))
            }
            Item::Document(kind) => {
                // The tracker's word on who may know of the content is the newer one.
                let id = publication.original.content().ok_or(NOT_WHOLE)?;
                let content = self.0.catalogue.content(id).await?;
                let content = content.ok_or(Refusal::Gone("the original of this video is no longer kept"))?;
                let keep = entity::keep(&opened.pass, false);
                let path = (content.visibility == Visibility::Public).then(|| format!("/c/{}", content.id));
                self.document(asked, &content, *kind, path, keep).await
            }
            item => self.of_rendition(asked, &opened, item).await,
        }
    }

    /// A playlist of all renditions that are made for it.
    async fn presentation(
        &self,
        asked: &Asked<'_>,
        opened: &Opened<'_>,
        resource: &Resource,
    ) -> Result<Response<Body>, Refusal> {
        let mut manifests = Vec::new();
        for rendition in &opened.publication.renditions {
            let manifest = match self.standing(opened.publication, rendition).await? {
                Some(Standing::Finished(manifest)) => manifest,
                // DASH says how long it all is: it is written when that is there.
                Some(Standing::Growing(growth)) if *resource == Resource::Master => match growth.manifest() {
                    Some(manifest) => Arc::new(manifest),
                    None => continue,
                },
                Some(Standing::Growing(_)) | None => continue,
            };
            let packaging = &manifest.settings.packaging;
            let wanted = if *resource == Resource::Mpd { packaging.dash } else { packaging.hls };
            if wanted && !manifest.tracks.is_empty() {
                manifests.push((rendition, manifest));
            }
        }
        if manifests.is_empty() {
            return Err(NO_PLAYLIST);
        }
        let variants = manifests.iter().map(|(rendition, manifest)| Variant { name: &rendition.name, manifest });
        let presentation = Presentation::new(variants.collect());
        let query = opened.query();
        let text = match resource {
            Resource::Mpd => dash::manifest(&presentation, opened.addressing(&query)),
            _ => hls::master(&presentation, opened.addressing(&query)),
        };
        let keep = entity::keep_playlist(&opened.pass);
        Ok(answer::text(asked.method, asked.headers, text, resource.mime(None), &keep))
    }

    /// Something that lies in a rendition. One whose files are gone may have been deleted and made anew since its manifest was
    /// read, so the manifest is read once more.
    async fn of_rendition(
        &self,
        asked: &Asked<'_>,
        opened: &Opened<'_>,
        item: &Item,
    ) -> Result<Response<Body>, Refusal> {
        let mut again = true;
        loop {
            let (rendition, entity) = self.entity(opened, item, opened.keep(asked)).await?;
            match self.send(asked, &entity).await {
                Err(Unsent::Missing) => {
                    self.0.catalogue.forget_rendition(&rendition.key, rendition.run.as_ref());
                    if !std::mem::take(&mut again) {
                        return Err(Unsent::Missing.refusal(&entity.place));
                    }
                }
                sent => return sent.map_err(|unsent| unsent.refusal(&entity.place)),
            }
        }
    }

    async fn entity<'a>(
        &self,
        opened: &Opened<'a>,
        item: &Item,
        keep: String,
    ) -> Result<(&'a PublishedRendition, Entity), Refusal> {
        let publication = opened.publication;
        match item {
            Item::Stream(
                resource @ (Resource::Init { rendition, track } | Resource::Segment { rendition, track, .. }),
            ) => {
                let (published, manifest) = match self.streamed(publication, rendition).await? {
                    (published, Standing::Finished(manifest)) => (published, manifest),
                    (published, Standing::Growing(growth)) => {
                        return Ok((published, growing::entity(published, &growth, resource, keep)?));
                    }
                };
                let track = find(&manifest, track)?;
                let range = resource.range(track).ok_or(Refusal::NotFound("this track has no such segment"))?;
                let entity = Entity::piece(&manifest, track, range, resource.mime(Some(track)), keep);
                entity.map(|entity| (published, entity)).ok_or(NO_RENDITION)
            }
            Item::Progressive { rendition, extension } => {
                let (published, manifest) = self.rendition(publication, rendition).await?;
                let file = manifest.progressive.as_ref().filter(|file| file.extension == *extension);
                let file = file.and_then(|progressive| entity::find(&manifest, &progressive.file));
                let missing = Refusal::NotFound("this rendition has no progressive file of this kind");
                Ok((published, Entity::file(&manifest, file.ok_or(missing)?, keep)))
            }
            Item::Poster => {
                for published in &publication.renditions {
                    let manifest = self.0.catalogue.rendition(&published.key).await?;
                    let Some(manifest) = manifest else { continue };
                    let file = manifest.poster.as_ref().and_then(|poster| entity::find(&manifest, poster));
                    if let Some(file) = file {
                        return Ok((published, Entity::file(&manifest, file, keep)));
                    }
                }
                Err(Refusal::NotFound("this video has no poster yet"))
            }
            Item::Sheet(number) => {
                let (published, manifest) = self.sprites(publication).await?;
                let index = number.checked_sub(1);
                let sheets = manifest.sprites.as_ref().map(|sprites| sprites.sheets.as_slice()).unwrap_or_default();
                let file = index.and_then(|index| sheets.get(index)).and_then(|path| entity::find(&manifest, path));
                Ok((published, Entity::file(&manifest, file.ok_or(NO_THUMBNAILS)?, keep)))
            }
            Item::File | Item::Document(_) | Item::Thumbnails | Item::Stream(_) => Err(NO_RENDITION),
        }
    }

    /// The best rendition that has sprite sheets.
    async fn sprites<'a>(
        &self,
        publication: &'a Publication,
    ) -> Result<(&'a PublishedRendition, Arc<RenditionManifest>), Refusal> {
        for published in &publication.renditions {
            let manifest = self.0.catalogue.rendition(&published.key).await?;
            if let Some(manifest) = manifest.filter(|manifest| manifest.sprites.is_some()) {
                return Ok((published, manifest));
            }
        }
        Err(NO_THUMBNAILS)
    }

    async fn rendition<'a>(
        &self,
        publication: &'a Publication,
        name: &str,
    ) -> Result<(&'a PublishedRendition, Arc<RenditionManifest>), Refusal> {
        let published = named(publication, name)?;
        let manifest = self.0.catalogue.rendition(&published.key).await?;
        Ok((published, manifest.ok_or(NO_RENDITION)?))
    }

    /// As [`Self::rendition`], of which a beginning is enough.
    async fn streamed<'a>(
        &self,
        publication: &'a Publication,
        name: &str,
    ) -> Result<(&'a PublishedRendition, Standing), Refusal> {
        let published = named(publication, name)?;
        let standing = self.standing(publication, published).await?;
        Ok((published, standing.ok_or(NO_RENDITION)?))
    }
}

impl Opened<'_> {
    /// The query for URIs in playlists: the signature, if there is one, and which version of the object the playlist is of.
    pub(super) fn query(&self) -> String {
        match &self.pass {
            Pass::Public => format!("v={}", self.version),
            Pass::Signed { query, .. } => format!("{query}&v={}", self.version),
        }
    }

    pub(super) fn addressing<'a>(&self, query: &'a str) -> Addressing<'a> {
        Addressing::Segments { query }
    }

    fn keep(&self, asked: &Asked<'_>) -> String {
        entity::keep(&self.pass, asked.query.version == Some(self.version.as_str()))
    }
}

/// Names what an object shares now: an address with it always leads to the same bytes, so these may be kept for ever. An
/// object may be deleted, and another made of its name.
fn version(publication: &Publication) -> String {
    let keys = publication.renditions.iter().map(|rendition| rendition.key.as_bytes().as_slice());
    let original = match &publication.original {
        Original::Content(id) => id.as_bytes().as_slice(),
        Original::Arriving(claim) => claim.as_bytes().as_slice(),
    };
    let parts = std::iter::once(original).chain(keys);
    ContentId::derive(parts).to_string()[..16].to_owned()
}

fn named<'a>(publication: &'a Publication, name: &str) -> Result<&'a PublishedRendition, Refusal> {
    publication.renditions.iter().find(|rendition| rendition.name == name).ok_or(NO_RENDITION)
}

pub(super) fn find<'a>(manifest: &'a RenditionManifest, track: &TreePath) -> Result<&'a Track, Refusal> {
    let found = manifest.tracks.iter().find(|candidate| candidate.name == *track);
    found.ok_or(Refusal::NotFound("this rendition has no such track"))
}
