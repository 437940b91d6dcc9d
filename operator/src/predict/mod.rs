//! Makes renditions ahead of requests while the places for transcodes stand idle, and stops them when they are needed.
//!
//! What to do is decided by a pure function ([`choose`]); this is the one that carries it out, at most so many objects at a time.
//! Off unless `--predict` says how many.

mod choose;

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
    jiff::Timestamp,
};
use kube::Resource;
use tokio_util::sync::CancellationToken;
use videocloud_crds::{
    TranscodeJob, TranscodeJobSpec, VideoObject,
    transcode::{Chunking, TtlSecondsAfterFinished},
    types::LocalObjectRef,
};

pub use choose::{Ahead, Choice, choose};

use crate::{
    admission::RunStage,
    apiserver::{ApiError, Created},
    controllers::{World, video::transcode_name},
    index::{Named, State},
    status::PREDICTED_ANNOTATION,
};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(60);
/// How much a look counts in the mean use: about the last ten minutes do.
const SHARE: f64 = 0.1;
/// Behind everything that was asked for.
const PRIORITY: i32 = -1000;

/// Predicts until `stop`.
pub async fn predict(world: Arc<World>, stop: CancellationToken) {
    let control = &world.settings.control;
    // Kueue knows what is idle, this operator then does not.
    if control.predict == 0 || world.settings.jobs.queue_name.is_some() {
        return;
    }
    // Busy until seen otherwise.
    let mut mean_use = 1.0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let choice = {
            let state = world.index.state();
            mean_use = mean_use * (1.0 - SHARE) + used(&state, control.max_transcodes) * SHARE;
            choose(&state, Timestamp::now().as_second(), mean_use, control.predict)
        };
        if let Err(error) = carry_out(&world, choice).await {
            tracing::warn!(%error, "failed to transcode ahead of requests, trying again");
        }
    }
}

/// Part of the places for runs that is taken by what was asked for.
fn used(state: &State, places: u32) -> f64 {
    let asked = |run: &crate::index::RunView| {
        let ended = matches!(RunStage::of(run), RunStage::Done(_) | RunStage::Failed(_));
        let names = run.renditions.iter().flat_map(|key| state.transcodes.of_key(key));
        !ended && names.filter_map(|name| state.transcodes.get(name)).any(|row| !row.predicted)
    };
    let taken = state.runs().iter().filter(|run| asked(run)).count() + state.waiting.renditions.len();
    let taken = u32::try_from(taken).unwrap_or(u32::MAX);
    (f64::from(taken) / f64::from(places.max(1))).min(1.0)
}

async fn carry_out(world: &World, choice: Choice) -> Result<(), ApiError> {
    let Choice { make, stop, resume } = choice;
    for (names, suspend) in [(stop, true), (resume, false)] {
        for name in names {
            world.api.suspend_transcode(&name, suspend).await?;
        }
    }
    for Ahead { video, profile } in make {
        let Some(object) = world.index.videos.get(&video) else { continue };
        let job = job(&object, &video, &profile, world.settings.jobs.chunk_parallelism);
        if let Created::New(made) = world.api.create(&video.namespace, &job).await? {
            tracing::info!(%video, profile, "transcoding ahead of requests");
            world.index.transcode_changed(&Named::of(&made), &made);
        }
    }
    Ok(())
}

fn job(object: &VideoObject, video: &Named, profile: &str, parallelism: i32) -> TranscodeJob {
    let owner = OwnerReference {
        // It goes with the video, but is not one of those its spec asks for.
        controller: Some(false),
        block_owner_deletion: Some(false),
        ..object.controller_owner_ref(&()).unwrap_or_default()
    };
    TranscodeJob {
        metadata: ObjectMeta {
            name: Some(transcode_name(&video.name, profile, |_| false)),
            namespace: Some(video.namespace.to_string()),
            annotations: Some([(PREDICTED_ANNOTATION.to_owned(), "true".to_owned())].into()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: TranscodeJobSpec {
            video_ref: LocalObjectRef { name: video.name.to_string().into() },
            profile_ref: Some(profile.into()),
            settings: None,
            chunking: Chunking::default(),
            parallelism,
            queue_name: None,
            priority_class_name: None,
            priority: PRIORITY,
            backoff_limit: 3,
            active_deadline_seconds: 86_400,
            // They go with their video: without them the same would be made ahead again.
            ttl_seconds_after_finished: TtlSecondsAfterFinished::default(),
            suspend: false,
        },
        status: None,
    }
}
