//! `/c/<content id>`: contents by what they are, if anyone may know of them.

use http::Response;
use videocloud_protocol::{content::Visibility, ids::ContentId};

use super::{
    access::Pass,
    answer::Refusal,
    body::Body,
    entity::{self, Entity},
    service::{Asked, Edge},
};

impl Edge {
    /// A public content. One that is private is answered as if it did not exist: knowing its digest grants nothing.
    pub(super) async fn content(&self, asked: &Asked<'_>, id: &ContentId) -> Result<Response<Body>, Refusal> {
        let manifest = self.0.catalogue.content(id).await?;
        let Some(manifest) = manifest.filter(|manifest| manifest.visibility == Visibility::Public) else {
            return Err(Refusal::NotFound("no public content has this id"));
        };
        // The id is of the bytes, so they never change under it.
        let entity = Entity::original(&manifest, &id.to_string()[..16], entity::keep(&Pass::Public, true));
        self.send(asked, &entity).await.map_err(|unsent| {
            self.0.catalogue.forget_content(id);
            unsent.refusal(&entity.place)
        })
    }
}
