//! Claims: what is certain, what is a hint, who sees what.

use std::time::Duration;

use videocloud_protocol::{
    content::Visibility,
    digest::Digest,
    failure::FailureClass,
    ids::TaskId,
    task::SourceState,
    tracker::{ClaimSync, LiveClaim, Wanted},
};
use videocloud_tracker::{Settings, database::DatabaseLocation};

use crate::support::{Running, claim, content, downloaded, failed, hex, owner, source, wanted};

const LINK: &str = "http://origin.example/a.mp4?signature=1";

/// Claims for `uid`, and lets its download end with content `seed`.
async fn fetch(tracker: &Running, uid: &str, namespace: &str, wanted: &Wanted, seed: u8) {
    let (key, task) = (wanted.key(), TaskId::download(&wanted.key()));
    tracker.operator().claim(&key, &claim(uid, namespace, wanted)).await.unwrap();
    let sources = wanted.links.iter().map(|link| source(link.url().as_str(), SourceState::Active)).collect();
    let result = downloaded(content(seed, wanted.visibility.clone()), sources);
    tracker.worker(&task).report(&task, &result).await.unwrap();
}

pub async fn a_second_wish_for_a_link_needs_no_job(location: &DatabaseLocation) {
    let tracker = Running::start(location).await;
    let operator = tracker.operator();
    let one = wanted(&[LINK]);
    let first = operator.claim(&one.key(), &claim("a", "team", &one)).await.unwrap();
    assert_eq!((first.content, first.known.len(), first.links.len()), (None, 0, 0));
    fetch(&tracker, "a", "team", &one, 1).await;
    // Another namespace, another set of links with one in common, another key.
    let other = wanted(&["http://mirror.example/b", LINK]);
    assert_ne!(other.key(), one.key());
    let second = operator.claim(&other.key(), &claim("b", "rivals", &other)).await.unwrap();
    assert_eq!(second.content, Some(content(1, Visibility::Public)));
    // Other headers, or another size: not the same.
    let headers = Wanted { variant: "x".into(), ..one.clone() };
    assert_eq!(operator.claim(&headers.key(), &claim("c", "team", &headers)).await.unwrap().content, None);
    let size = Wanted { size: Some(5), ..one.clone() };
    let sized = operator.claim(&size.key(), &claim("d", "team", &size)).await.unwrap();
    assert_eq!((sized.content, sized.known.len()), (None, 0));
    tracker.stop().await;
}

pub async fn stale_links_are_hints_and_more_links_are_given(location: &DatabaseLocation) {
    let settings = Settings { revalidate_after: Duration::ZERO, egress_capacity: None };
    let tracker = Running::with(location, settings).await;
    fetch(&tracker, "a", "team", &wanted(&[LINK, "http://mirror.example/a"]), 1).await;
    let again = wanted(&[LINK]);
    let answer = tracker.operator().claim(&again.key(), &claim("b", "team", &again)).await.unwrap();
    assert_eq!(answer.content, None);
    assert_eq!(answer.known.len(), 1);
    assert_eq!(answer.known[0].link.url().as_str(), LINK);
    assert_eq!((answer.known[0].size, answer.known[0].etag.as_deref()), (1001, Some("\"v1\"")));
    assert_eq!(answer.links, wanted(&["http://mirror.example/a"]).links);
    tracker.stop().await;
}

pub async fn private_content_stays_private(location: &DatabaseLocation) {
    let tracker = Running::start(location).await;
    let operator = tracker.operator();
    let private = Wanted { visibility: Visibility::Namespace("team".into()), ..wanted(&[LINK]) };
    fetch(&tracker, "a", "team", &private, 7).await;
    let digest: Digest = format!("sha256:{}", hex(7, 32)).parse().unwrap();
    let by_digest = Wanted { digest: Some(digest), ..wanted(&["http://elsewhere.example/x"]) };
    let by_link = wanted(&[LINK]);
    for (wish, what) in [(&by_digest, "digest"), (&by_link, "link")] {
        let answer = operator.claim(&wish.key(), &claim("b", "rivals", wish)).await.unwrap();
        assert_eq!((answer.content, answer.known.len(), answer.links.len()), (None, 0, 0), "{what}");
    }
    let own = operator.claim(&by_digest.key(), &claim("c", "team", &by_digest)).await.unwrap();
    assert_eq!(own.content.map(|content| content.visibility), Some(Visibility::Namespace("team".into())));
    let id = content(7, Visibility::Public).id;
    let uploader = tracker.uploader();
    let seen = uploader.content(&id).await.unwrap().unwrap();
    assert_eq!(seen.visibility, Visibility::Namespace("team".into()));
    // Somebody fetches the same bytes without credentials; the store's manifest stays the first one.
    let task = TaskId::download(&by_link.key());
    let stored = content(7, Visibility::Namespace("team".into()));
    let result = downloaded(stored, vec![source(LINK, SourceState::Active)]);
    tracker.worker(&task).report(&task, &result).await.unwrap();
    assert_eq!(uploader.content(&id).await.unwrap().unwrap().visibility, Visibility::Public);
    let answer = operator.claim(&by_digest.key(), &claim("b", "rivals", &by_digest)).await.unwrap();
    assert_eq!(answer.content.map(|content| content.id), Some(id));
    // Nobody claims in another namespace's name.
    let error = operator.claim(&private.key(), &claim("d", "rivals", &private)).await.unwrap_err();
    assert!(error.to_string().contains("400"), "{error}");
    tracker.stop().await;
}

pub async fn digests_are_proof_only_when_strong_and_of_the_right_size(location: &DatabaseLocation) {
    let tracker = Running::start(location).await;
    fetch(&tracker, "a", "team", &wanted(&[LINK]), 9).await;
    for (digest, size, certain) in [
        (format!("sha256:{}", hex(9, 32)), None, true),
        (format!("blake3:{}", hex(9, 32)), Some(1009), true),
        (format!("sha256:{}", hex(9, 32)), Some(1), false),
        (format!("sha1:{}", hex(9, 20)), None, false),
        (format!("md5:{}", hex(9, 16)), None, false),
    ] {
        let wish = Wanted { digest: Some(digest.parse().unwrap()), size, ..wanted(&["http://new.example/"]) };
        let answer = tracker.operator().claim(&wish.key(), &claim("b", "team", &wish)).await.unwrap();
        assert_eq!(answer.content.is_some(), certain, "{digest} {size:?}");
        // A weak match still finds the other links.
        assert_eq!(answer.links.len(), usize::from(digest.starts_with("sha1")), "{digest}");
    }
    // A fresh link is no answer to somebody who wants other bytes.
    let wish = Wanted { digest: Some(format!("sha256:{}", hex(8, 32)).parse().unwrap()), ..wanted(&[LINK]) };
    let answer = tracker.operator().claim(&wish.key(), &claim("c", "team", &wish)).await.unwrap();
    assert_eq!((answer.content, answer.known.len()), (None, 0));
    tracker.stop().await;
}

pub async fn sync_drops_restores_and_names_the_abandoned(location: &DatabaseLocation) {
    let tracker = Running::start(location).await;
    let operator = tracker.operator();
    let (kept, gone, lost) = (wanted(&["http://h/kept"]), wanted(&["http://h/gone"]), wanted(&["http://h/lost"]));
    for (uid, wish) in [("k", &kept), ("g", &gone)] {
        operator.claim(&wish.key(), &claim(uid, "team", wish)).await.unwrap();
    }
    let live = |uid: &str, wish: &Wanted| LiveClaim { key: wish.key(), owner: owner(uid, "team"), content: None };
    let claims = vec![live("k", &kept), live("l", &lost)];
    let graceful = operator.sync_claims(&ClaimSync { claims: claims.clone(), grace_seconds: 600 }).await.unwrap();
    assert_eq!((graceful.dropped, graceful.restored, graceful.abandoned.len()), (0, 1, 0));
    for expected in [1, 0] {
        let answer = operator.sync_claims(&ClaimSync { claims: claims.clone(), grace_seconds: 0 }).await.unwrap();
        // Named again until it is forgotten, in case the first answer was lost.
        assert_eq!((answer.dropped, answer.restored, answer.abandoned), (expected, 0, vec![gone.key()]));
    }
    operator.claim(&gone.key(), &claim("new", "team", &gone)).await.unwrap();
    let claims = [claims, vec![live("new", &gone)]].concat();
    let answer = operator.sync_claims(&ClaimSync { claims, grace_seconds: 0 }).await.unwrap();
    assert_eq!((answer.dropped, answer.abandoned.len()), (0, 0));
    tracker.stop().await;
}

pub async fn failed_links_are_not_trusted(location: &DatabaseLocation) {
    let tracker = Running::start(location).await;
    fetch(&tracker, "a", "team", &wanted(&[LINK]), 3).await;
    let other = wanted(&[LINK, "http://mirror.example/a"]);
    let task = TaskId::download(&other.key());
    tracker.operator().claim(&other.key(), &claim("b", "team", &other)).await.unwrap();
    let videocloud_protocol::task::TaskResult::Failed { failure, .. } = failed(FailureClass::SourceFailed) else {
        unreachable!("that is what it makes")
    };
    let sources = vec![source(LINK, SourceState::Failed)];
    let result = videocloud_protocol::task::TaskResult::Failed { failure, sources };
    tracker.worker(&task).report(&task, &result).await.unwrap();
    let again = wanted(&[LINK]);
    let answer = tracker.operator().claim(&again.key(), &claim("c", "team", &again)).await.unwrap();
    assert_eq!((answer.content, answer.known.len()), (None, 0));
    tracker.stop().await;
}
