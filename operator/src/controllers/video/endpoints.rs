//! Where a published video is served: the edge's paths (docs/architecture.md), as text.

use url::Url;
use videocloud_crds::{
    TranscodeJob,
    transcode::Packaging,
    videoobject::{Endpoint, EndpointType},
};

use crate::index::Named;

/// The endpoint of `name` while its bytes are still coming.
pub(super) fn arriving(base: Option<&Url>, name: &Named) -> Vec<Endpoint> {
    endpoints(base, name, &[], &[])
}

/// The endpoints of `name` at the edge `base`, by the finished TranscodeJobs of its renditions, in the order of the spec, and by
/// those whose chunks are being encoded: HLS is there from the first chunk on.
pub(super) fn endpoints(
    base: Option<&Url>,
    name: &Named,
    finished: &[&TranscodeJob],
    growing: &[&TranscodeJob],
) -> Vec<Endpoint> {
    let Some(base) = base else { return Vec::new() };
    let root = format!("{}/v/{}/{}", base.as_str().trim_end_matches('/'), name.namespace, name.name);
    let offers = |job: &TranscodeJob, packaging: Packaging| {
        let settings = job.status.as_ref().and_then(|shown| shown.settings.as_ref());
        settings.is_some_and(|settings| settings.packaging.contains(&packaging))
    };
    let any = |packaging: Packaging| finished.iter().any(|job| offers(job, packaging));
    let mut list = Vec::new();
    let mut push = |type_: EndpointType, path: &str| {
        list.push(Endpoint { type_, cluster: None, url: format!("{root}/{path}") });
    };
    if any(Packaging::Hls) || growing.iter().any(|job| offers(job, Packaging::Hls)) {
        push(EndpointType::Hls, "hls/master.m3u8");
    }
    if any(Packaging::Dash) {
        push(EndpointType::Dash, "dash/manifest.mpd");
    }
    push(EndpointType::File, "file");
    for job in finished.iter().filter(|job| offers(job, Packaging::File)) {
        if let Some(profile) = &job.spec.profile_ref {
            push(EndpointType::File, &format!("{profile}.mp4"));
        }
    }
    let poster = |job: &&TranscodeJob| {
        let settings = job.status.as_ref().and_then(|shown| shown.settings.as_ref());
        settings.is_some_and(|settings| settings.thumbnails.poster)
    };
    if finished.iter().any(poster) {
        push(EndpointType::Poster, "poster.jpg");
    }
    let sprite = |job: &&TranscodeJob| {
        let settings = job.status.as_ref().and_then(|shown| shown.settings.as_ref());
        settings.is_some_and(|settings| settings.thumbnails.sprite.is_some())
    };
    if finished.iter().any(sprite) {
        push(EndpointType::Thumbnails, "thumbnails.vtt");
    }
    list
}
