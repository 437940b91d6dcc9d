//! What upgrades and removals of the release leave as it was, and what they change.

use axum::http::Method;
use serde_json::{Value, json};

use crate::world::{NAMESPACE, World};

const PROFILES: &str = "/apis/videocloud.dev/v1alpha1/transcodeprofiles";
const KINDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// What went otherwise.
pub fn check(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |holds: bool, what: &str| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    let get = |path: &str| world.request(Method::GET, path, &Value::Null).unwrap_or_default();
    let keys = format!("/api/v1/namespaces/{NAMESPACE}/secrets/videocloud-keys");
    let claim = format!("/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/videocloud-store");
    let uid = |object: &Value| object["metadata"]["uid"].clone();

    let before = [get(&keys), get(&format!("{PROFILES}/720p")), get(&claim)];
    for key in ["signing.key", "tracker.key", "uploader.token"] {
        expect(before[0]["data"][key].as_str().is_some_and(|text| text.len() > 32), &format!("{key} was not made"));
    }
    expect(uid(&before[1]).is_string(), "profile 720p was not made");

    // A profile the chart made otherwise in another version, and one that somebody else made.
    for (name, ours) in [("480p", true), ("360p", false)] {
        world.request(Method::DELETE, &format!("{PROFILES}/{name}"), &json!({})).unwrap();
        let sum = if ours { json!({"videocloud.dev/profile-sum": "of another version"}) } else { json!({}) };
        let profile = json!({
            "apiVersion": "videocloud.dev/v1alpha1",
            "kind": "TranscodeProfile",
            "metadata": {"name": name, "annotations": sum},
            "spec": {"codec": "H264", "width": 320, "height": 240, "rateControl": {"crf": 30, "maxBitrate": 300_000}},
        });
        world.request(Method::POST, PROFILES, &profile).unwrap();
    }
    world.install("videocloud", &["--set", "operator.podAnnotations.upgraded=yes"]);
    expect(get(&keys)["data"] == before[0]["data"], "an upgrade changed the keys");
    expect(uid(&get(&format!("{PROFILES}/720p"))) == uid(&before[1]), "an upgrade made an unchanged profile anew");
    let height = |name: &str| get(&format!("{PROFILES}/{name}"))["spec"]["height"].clone();
    expect(height("480p") == json!(480), "an upgrade did not bring a changed profile of the chart up to date");
    expect(height("360p") == json!(240), "an upgrade touched a profile that somebody else made");

    world.must("helm", &["uninstall", "videocloud", "--namespace", NAMESPACE], "");
    expect(get(&keys)["data"] == before[0]["data"], "uninstalling removed the keys");
    expect(uid(&get(&claim)) == uid(&before[2]), "uninstalling removed the videos");
    let kinds = get(&format!("{KINDS}?labelSelector=app.kubernetes.io/part-of%3Dvideocloud"));
    expect(
        kinds["items"].as_array().is_some_and(|items| items.len() == 6),
        "uninstalling removed a kind, or its label",
    );
    expect(uid(&get(&format!("{PROFILES}/720p"))) == uid(&before[1]), "uninstalling removed a profile");

    world.install("videocloud", &[]);
    expect(get(&keys)["data"] == before[0]["data"], "installing again changed the keys");
    expect(uid(&get(&claim)) == uid(&before[2]), "installing again made another claim");
    wrong
}
