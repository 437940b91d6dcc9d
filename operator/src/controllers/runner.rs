//! Drives a controller: one pass at a time per object, so many side by side, errors with back-off, every pass measured.

use std::{convert::Infallible, fmt::Debug, future::Future, sync::Arc, time::Instant};

use futures::StreamExt;
use kube::{
    Resource,
    runtime::{
        controller::{Action, Config, ReconcileReason, ReconcileRequest, applier},
        reflector::Store,
    },
};
use tokio_util::sync::CancellationToken;

use super::{Error, Pass, World, backoff::Backoff};
use crate::{
    index::{Named, WakeQueue},
    metrics::{Controller, Outcome},
};

struct Context {
    world: Arc<World>,
    backoff: Backoff,
}

/// Runs passes over the objects of `store` that `queue` names, beginning with all of them, until `stop`. A pass that is under
/// way is finished.
pub async fn run<K, F>(
    controller: Controller,
    world: Arc<World>,
    store: Store<K>,
    queue: &WakeQueue,
    pass: impl Fn(Arc<K>, Arc<World>) -> F + Clone,
    stop: CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + 'static,
    F: Future<Output = Result<Pass, Error>>,
{
    queue.open();
    for object in store.state() {
        queue.push(&Named::of(&*object));
    }
    let requests = queue.stream().map(|name| {
        let request = ReconcileRequest { obj_ref: name.reference::<K>(), reason: ReconcileReason::Unknown };
        Ok::<_, Infallible>(request)
    });
    let config = Config::default().concurrency(world.settings.control.concurrency);
    let context = Arc::new(Context { world, backoff: Backoff::default() });
    let reconcile = move |object: Arc<K>, context: Arc<Context>| {
        let pass = pass.clone();
        Box::pin(async move {
            let started = Instant::now();
            let uid = object.meta().uid.clone().unwrap_or_default();
            let result = pass(Arc::clone(&object), Arc::clone(&context.world)).await;
            let outcome = match &result {
                Ok(Pass { changed: false, .. }) => Outcome::Unchanged,
                Ok(Pass { changed: true, .. }) => Outcome::Changed,
                Err(_) => Outcome::Error,
            };
            context.world.metrics.pass(controller, outcome, started.elapsed());
            if result.is_ok() {
                context.backoff.succeeded(&uid);
            }
            result.map(|pass| pass.again.map_or_else(Action::await_change, Action::requeue))
        })
    };
    let on_error = |object: Arc<K>, error: &Error, context: Arc<Context>| {
        let delay = context.backoff.failed(object.meta().uid.as_deref().unwrap_or_default());
        tracing::warn!(kind = %K::kind(&()), object = %Named::of(&*object), %error, ?delay, "pass failed, trying again");
        Action::requeue(delay)
    };
    let requests = requests.take_until(stop.cancelled_owned());
    applier(reconcile, on_error, context, store, requests.boxed_local(), config)
        .for_each(|_| std::future::ready(()))
        .await;
}
