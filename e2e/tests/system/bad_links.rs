//! Every way in which a link goes wrong: a condition with a reason a user can act on, a Warning event, no Ready, and nothing
//! half-published.

use std::time::Duration;

use anyhow::{Context, ensure};
use videocloud_e2e::system::{
    Objects,
    follow::{condition, condition_is, is_stalled, summary},
};

use crate::world::World;

const NAMESPACE: &str = "default";

struct Bad {
    name: &'static str,
    link: String,
    extra: &'static str,
    reasons: &'static [&'static str],
}

fn table(world: &World) -> Vec<Bad> {
    let origin = world.origin();
    let fault = |path: &str| origin.url(&format!("fault/{path}"));
    let port = origin.address().port();
    let bad = |name, link, reasons| Bad { name, link, extra: "", reasons };
    vec![
        bad("missing", fault("status/404/a.mp4"), &["NotFound"]),
        bad("forbidden", fault("status/403/a.mp4"), &["Forbidden"]),
        bad("no-such-host", "http://no-such-host.invalid/a.mp4".into(), &["NameNotResolved"]),
        bad("html", fault("html/a.mp4"), &["NotMedia"]),
        bad("playlist", fault("playlist/a.mp4"), &["NotMedia"]),
        bad("empty", fault("empty/a.mp4"), &["Empty"]),
        bad("metadata", "http://169.254.169.254/latest/meta-data/a.mp4".into(), &["AddressForbidden"]),
        bad("private", "http://10.96.0.1/a.mp4".into(), &["AddressForbidden"]),
        bad("loopback", format!("http://127.0.0.1:{port}/bigbuckbunny.mp4"), &["AddressForbidden"]),
        bad("redirect-inside", fault("redirect/a.mp4?to=http://169.254.169.254/a.mp4"), &["AddressForbidden"]),
        Bad {
            name: "wrong-digest",
            link: origin.url("bikes.mp4"),
            extra: "  digest: sha256:0000000000000000000000000000000000000000000000000000000000000000\n",
            reasons: &["DigestMismatch"],
        },
        Bad { name: "wrong-size", link: origin.url("bikes.mp4"), extra: "  size: 12345\n", reasons: &["SizeMismatch"] },
        Bad {
            name: "endless",
            link: fault("endless/a.mp4"),
            extra: "  size: 1000000\n",
            reasons: &["SizeMismatch", "TooLarge"],
        },
    ]
}

pub async fn every_bad_link_ends_in_a_condition_a_user_can_act_on(world: &World) -> anyhow::Result<()> {
    let objects = world.objects().await?;
    let bad = table(world);
    for case in &bad {
        let yaml = world.video(&format!("bad-{}", case.name), &[&case.link], &[]);
        objects.apply(&format!("{yaml}{}", case.extra), NAMESPACE).await?;
    }
    let mut wrong = Vec::new();
    for case in &bad {
        if let Err(error) = check(&objects, case).await {
            wrong.push(format!("{}: {error:#}", case.name));
        }
    }
    ensure!(wrong.is_empty(), "{} of {} links:\n{}", wrong.len(), bad.len(), wrong.join("\n"));
    Ok(())
}

async fn check(objects: &Objects, case: &Bad) -> anyhow::Result<()> {
    let name = format!("bad-{}", case.name);
    let video = objects.watch_video(NAMESPACE, &name, Duration::from_secs(180), is_stalled).await?;
    ensure!(condition_is(&video, "Ready", "False"), "not Ready=False: {}", summary(&video));
    let (reason, message) = condition(&video, "Ready");
    ensure!(case.reasons.contains(&reason.as_str()), "reason {reason}, expected {:?}: {message}", case.reasons);
    ensure!(message.len() > 20, "message says too little: {message:?}");
    ensure!(!message.contains("?to="), "message shows the query: {message}");
    let status = video.status.as_ref().context("no status")?;
    ensure!(status.content.is_none() && status.endpoints.is_empty(), "something is published: {}", summary(&video));
    objects.await_event(NAMESPACE, &name, "Warning", &reason, Duration::from_secs(30)).await?;
    Ok(())
}
