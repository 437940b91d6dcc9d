//! The rights the chart gives: the operator's are those its calls need and no others; tenants get the kinds.

use axum::http::Method;
use serde_json::json;

use crate::world::{NAMESPACE, World};

/// Verb, group, resource (with subresource), namespace (empty for all, or for kinds of the cluster), allowed.
type Right = (&'static str, &'static str, &'static str, &'static str, bool);

const OURS: &str = "videocloud.dev";

const OPERATOR: [Right; 30] = [
    ("watch", OURS, "videoobjects", "", true),
    ("list", OURS, "transcodeprofiles", "", true),
    ("create", OURS, "transcodejobs", "team-a", true),
    ("patch", OURS, "transcodejobs", "team-a", true),
    ("delete", OURS, "transcodejobs", "team-a", true),
    ("patch", OURS, "videoobjects/status", "team-a", true),
    ("patch", OURS, "transcodejobs/status", "team-a", true),
    ("create", "events.k8s.io", "events", "team-a", true),
    ("create", "batch", "jobs", NAMESPACE, true),
    ("delete", "batch", "jobs", NAMESPACE, true),
    ("patch", "batch", "jobs", NAMESPACE, true),
    ("watch", "batch", "jobs", NAMESPACE, true),
    ("create", "", "secrets", NAMESPACE, true),
    ("patch", "", "secrets", NAMESPACE, true),
    ("get", "", "secrets", "team-a", false),
    ("create", "coordination.k8s.io", "leases", NAMESPACE, true),
    ("patch", OURS, "videoobjects", "team-a", false),
    ("delete", OURS, "videoobjects", "team-a", false),
    ("patch", OURS, "transcodeprofiles", "", false),
    ("create", "batch", "jobs", "team-a", false),
    ("list", "", "pods", NAMESPACE, false),
    ("list", "", "pods", "", false),
    ("create", "", "pods", NAMESPACE, false),
    ("create", "", "pods/exec", NAMESPACE, false),
    ("get", "", "secrets", NAMESPACE, false),
    ("list", "", "secrets", "", false),
    ("get", "", "configmaps", "team-a", false),
    ("update", "coordination.k8s.io", "leases", NAMESPACE, false),
    ("impersonate", "", "users", "", false),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings", "", false),
];

const EDITOR: [Right; 6] = [
    ("create", OURS, "videoobjects", "team-a", true),
    ("delete", OURS, "transcodejobs", "team-a", true),
    ("list", OURS, "contentsources", "team-a", true),
    ("patch", OURS, "videoobjects/status", "team-a", false),
    ("create", OURS, "bandwidthpools", "", false),
    ("create", OURS, "videoobjects", "team-b", false),
];

/// Rights that are otherwise than they should be.
pub fn check(world: &World) -> Vec<String> {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "editor", "namespace": "team-a"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "editor"}],
    });
    let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/team-a/rolebindings";
    world.request(Method::POST, bindings, &binding).unwrap();

    let account = |part: &str| format!("system:serviceaccount:{NAMESPACE}:{part}");
    let operator = account("videocloud-operator");
    let mut wrong: Vec<_> = OPERATOR.iter().filter_map(|right| differs(world, &operator, "", right)).collect();
    // The one Lease it elects its leader by.
    let lease = ("update", "coordination.k8s.io", "leases", NAMESPACE, true);
    wrong.extend(differs(world, &operator, "videocloud-operator", &lease));
    // The others speak to the tracker only; Jobs run under the account every namespace has.
    for part in ["videocloud-tracker", "videocloud-uploader", "default"] {
        let nothing = OPERATOR.map(|(verb, group, resource, namespace, _)| (verb, group, resource, namespace, false));
        wrong.extend(nothing.iter().filter_map(|right| differs(world, &account(part), "", right)));
    }
    wrong.extend(EDITOR.iter().filter_map(|right| differs(world, "editor", "", right)));
    wrong
}

fn differs(world: &World, user: &str, name: &str, right: &Right) -> Option<String> {
    let (verb, group, resource, namespace, allowed) = *right;
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let groups =
        if user.starts_with("system:") { json!(["system:serviceaccounts", "system:authenticated"]) } else { json!([]) };
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": groups, "resourceAttributes": {
            "verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": namespace, "name": name,
        }},
    });
    let reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let answer = world.request(Method::POST, reviews, &review).unwrap();
    (answer["status"]["allowed"] != json!(allowed)).then(|| {
        let word = if allowed { "may not" } else { "may" };
        format!("{user} {word} {verb} {resource}/{subresource} of {group:?} in {namespace:?}")
    })
}
