//! `.torrent`, `.meta4` and `/ws/<info hash>/`: what clients of BitTorrent and Metalink start from, and web seeds, which are paid from
//! the swarm's own share.

use std::time::Duration;

use http::{HeaderValue, Response, header};
use videocloud_protocol::{
    content::{ContentManifest, Visibility},
    ids::ContentId,
    torrent::InfoHash,
};

use super::{
    access::Pass,
    answer::{self, Document, Refusal},
    body::Body,
    entity::{self, Entity},
    service::{Asked, Edge},
    target::Kind,
};
use crate::{rates::Share, torrents::documents::Places};

const NO_CONTENT: Refusal = Refusal::NotFound("no public content has this id");
const NO_SEED: Refusal = Refusal::NotFound("no public content has this info hash, or its file another name");
/// Longest wait for the tracker to know that the swarm has a seed, before a client is sent there.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(2);

impl Edge {
    /// `/c/<content id>.torrent` and `.meta4`.
    pub(super) async fn document_of(
        &self,
        asked: &Asked<'_>,
        id: &ContentId,
        kind: Kind,
    ) -> Result<Response<Body>, Refusal> {
        let manifest = self.0.catalogue.content(id).await?;
        let manifest = manifest.filter(|manifest| manifest.visibility == Visibility::Public).ok_or(NO_CONTENT)?;
        let path = Some(format!("/c/{id}"));
        self.document(asked, &manifest, kind, path, entity::keep(&Pass::Public, false)).await
    }

    /// A document of a content that the request was let through to.
    pub(super) async fn document(
        &self,
        asked: &Asked<'_>,
        manifest: &ContentManifest,
        kind: Kind,
        path: Option<String>,
        keep: String,
    ) -> Result<Response<Body>, Refusal> {
        let torrents = self.0.torrents.torrent(manifest).await.map_err(|error| {
            tracing::warn!(%error, "no torrent");
            Refusal::Unavailable("the torrent of this content cannot be made")
        })?;
        if let Some(announcer) = &self.0.announcer {
            drop(tokio::time::timeout(ANNOUNCE_TIMEOUT, announcer.first(&manifest.id)).await);
        }
        let trackers = self.0.catalogue.trackers(&manifest.id).await;
        let own = self.0.endpoint.clone().or_else(|| asked.host.map(|host| format!("http://{host}")));
        let others = trackers.mirrors.iter().map(|mirror| mirror.trim_end_matches('/').to_owned());
        let others: Vec<String> = others.filter(|mirror| own.as_ref() != Some(mirror)).collect();
        let edges: Vec<String> = own.into_iter().chain(others).collect();
        let web_seeds = manifest.visibility == Visibility::Public;
        let torrent = if kind == Kind::TorrentV2 { &torrents.v2 } else { &torrents.v1 };
        let places = Places { manifest, torrent, trackers: &trackers.urls, edges: &edges, path, web_seeds };
        let (bytes, mime, extension) = match kind {
            Kind::Torrent => (places.torrent(), "application/x-bittorrent", "torrent"),
            Kind::TorrentV2 => (places.torrent(), "application/x-bittorrent", "v2.torrent"),
            Kind::Metalink => (places.metalink().into(), "application/metalink4+xml", "meta4"),
        };
        let name = format!("attachment; filename=\"{}.{extension}\"", manifest.file_name());
        let document = Document { bytes, mime, keep: &keep, disposition: Some(&name) };
        let mut response = answer::document(asked.method, asked.headers, document);
        if let Ok(link) = HeaderValue::from_str(&format!("<{}>; rel=\"alternate\"", places.magnet())) {
            response.headers_mut().insert(header::LINK, link);
        }
        Ok(response)
    }

    /// `/ws/<info hash>/<name>`: the bytes for peers that have our torrent.
    pub(super) async fn web_seed(
        &self,
        asked: &Asked<'_>,
        swarm: &InfoHash,
        name: &str,
    ) -> Result<Response<Body>, Refusal> {
        let content = self.0.torrents.find(swarm).ok_or(NO_SEED)?;
        let manifest = self.0.catalogue.content(&content).await?;
        let public = manifest.filter(|manifest| manifest.visibility == Visibility::Public);
        let manifest = public.filter(|manifest| manifest.file_name() == name).ok_or(NO_SEED)?;
        let entity = Entity::original(&manifest, &content.to_string()[..16], entity::keep(&Pass::Public, true));
        let entity = Entity { share: Share::BitTorrent, ..entity };
        self.send(asked, &entity).await.map_err(|unsent| {
            self.0.catalogue.forget_content(&content);
            unsent.refusal(&entity.place)
        })
    }
}
