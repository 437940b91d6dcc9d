//! Renditions that are still being made: playlists that grow with the chunks that are there, and segments from the run's workspace.
//!
//! Addresses and bytes are those of the finished rendition, so a player that began early goes on without noticing the end.

use std::sync::Arc;

use http::Response;
use videocloud_protocol::{
    playlist::{Resource, hls},
    publication::{Publication, PublishedRendition},
    rendition::{RenditionManifest, TreePath, growing::Growth},
};

use super::{
    answer::{self, Refusal},
    body::Body,
    entity::{self, Entity},
    published::{NO_RENDITION, Opened, find},
    service::{Asked, Edge},
};

/// A rendition, finished or not.
pub(super) enum Standing {
    /// Its manifest is there.
    Finished(Arc<RenditionManifest>),
    /// Something of it is there.
    Growing(Box<Growth>),
}

impl Edge {
    /// How a rendition stands; `None` when there is nothing to play of it.
    pub(super) async fn standing(
        &self,
        publication: &Publication,
        published: &PublishedRendition,
    ) -> Result<Option<Standing>, Refusal> {
        if let Some(manifest) = self.0.catalogue.rendition(&published.key).await? {
            return Ok(Some(Standing::Finished(manifest)));
        }
        let Some(run) = published.run else { return Ok(None) };
        let growth = self.0.catalogue.growth(&run, &published.key).await?;
        let growth = growth.filter(|growth| publication.original.content() == Some(&growth.head.manifest.source));
        Ok(growth.map(|growth| Standing::Growing(Box::new(growth))))
    }

    /// The media playlist of a track that grows, or of the sound beside it.
    pub(super) fn growing_playlist(
        &self,
        asked: &Asked<'_>,
        opened: &Opened<'_>,
        growth: &Growth,
        rendition: &str,
        track: &TreePath,
    ) -> Result<Response<Body>, Refusal> {
        let manifest = growth.manifest().ok_or(NO_RENDITION)?;
        let (track, query) = (find(&manifest, track)?, opened.query());
        let addressing = opened.addressing(&query);
        let text = if growth.grows(track) {
            hls::growing(rendition, track, addressing, growth.head.target_seconds)
        } else {
            hls::media(rendition, track, addressing)
        };
        let keep = entity::keep_growing(&opened.pass);
        Ok(answer::text(asked.method, asked.headers, text, Resource::Master.mime(None), &keep))
    }
}

/// A piece of a rendition that grows.
pub(super) fn entity(
    published: &PublishedRendition,
    growth: &Growth,
    resource: &Resource,
    keep: String,
) -> Result<Entity, Refusal> {
    let missing = Refusal::NotFound("this segment is not there yet");
    let (Some(run), Some(piece)) = (published.run, growth.piece(resource)) else { return Err(missing) };
    let mime = resource.mime(Some(piece.track));
    Entity::of_run(run, growth.head.manifest.source, &piece, mime, keep).ok_or(missing)
}
