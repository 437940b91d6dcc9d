//! The story of a video in events: what a person would want to read between two statuses, at most one event of a kind. Pure.

use videocloud_crds::{
    VideoObjectStatus,
    conditions::{types, video as reasons},
    videoobject::{SourceState, SourceStatus, VideoPhase},
};

use crate::{events::Note, status};

/// Most dropped sources that are named in one event.
const NAMED: usize = 8;

/// Sources that were given up between two statuses.
pub(super) fn dropped<'a>(
    old: &'a VideoObjectStatus,
    new: &'a VideoObjectStatus,
) -> impl Iterator<Item = &'a SourceStatus> {
    let is_out = |source: &SourceStatus| matches!(source.state, SourceState::Failed | SourceState::Banned);
    let was_out = move |name: &str| old.sources.iter().any(|source| source.name.as_str() == name && is_out(source));
    new.sources.iter().filter(move |source| is_out(source) && !was_out(&source.name))
}

/// What is told when `old` becomes `new`.
pub(super) fn notes(old: &VideoObjectStatus, new: &VideoObjectStatus) -> Vec<Note> {
    let mut notes = Vec::new();
    let ready = status::find(&new.conditions, types::READY);
    let is_new = |reason: &str| status::find(&old.conditions, types::READY).is_none_or(|old| old.reason != reason);
    if new.phase == Some(VideoPhase::Downloading) && old.phase != new.phase {
        let text = ready.map(|ready| ready.message.clone()).unwrap_or_default();
        notes.push(Note { warning: false, reason: "Downloading".into(), action: "Download", text });
    }
    // What someone has to put right while it is tried again.
    if let Some(ready) = ready.filter(|ready| is_new(&ready.reason)) {
        let action = match new.phase {
            Some(VideoPhase::Downloading)
                if !matches!(ready.reason.as_str(), reasons::DOWNLOADING | reasons::JOINED) =>
            {
                Some("Retry")
            }
            Some(VideoPhase::Pending) if ready.reason == reasons::CREDENTIALS_UNAVAILABLE => Some("Admit"),
            _ => None,
        };
        notes.extend(action.map(|action| {
            let (reason, text) = (ready.reason.clone(), ready.message.clone());
            Note { warning: true, reason, action, text }
        }));
    }
    let arrives = |status: &VideoObjectStatus| {
        let delivered = status::find(&status.conditions, types::DELIVERED);
        delivered.filter(|delivered| delivered.reason == reasons::ARRIVING).map(|delivered| delivered.message.clone())
    };
    if let (Some(text), None) = (arrives(new), arrives(old)) {
        notes.push(Note { warning: false, reason: reasons::ARRIVING.into(), action: "Publish", text });
    }
    // The end of all sources is told below.
    if new.phase != Some(VideoPhase::Failed) {
        notes.extend(of_dropped(old, new));
    }
    let flips = [
        (types::DOWNLOADED, "True", "Download"),
        (types::READY, "True", "Publish"),
        (types::STALLED, "True", "GiveUp"),
    ];
    notes.extend(
        flips.iter().filter_map(|(kind, to, action)| Note::on_flip(kind, to, action, &old.conditions, &new.conditions)),
    );
    notes
}

/// One event for all sources that were given up at one time.
fn of_dropped(old: &VideoObjectStatus, new: &VideoObjectStatus) -> Option<Note> {
    let all: Vec<&SourceStatus> = dropped(old, new).collect();
    let named = all.iter().take(NAMED).map(|source| {
        let why = source.message.as_deref().or(source.reason.as_deref()).unwrap_or("given up");
        format!("{}: {why}", source.name)
    });
    let mut text = named.collect::<Vec<_>>().join("; ");
    if all.len() > NAMED {
        text = format!("{text}; and {} more", all.len() - NAMED);
    }
    (!all.is_empty()).then(|| Note { warning: true, reason: reasons::SOURCE_DROPPED.into(), action: "Download", text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, state: SourceState, message: &str) -> SourceStatus {
        SourceStatus { name: name.into(), state, reason: Some("NotFound".into()), message: Some(message.into()) }
    }

    fn status(phase: VideoPhase, sources: Vec<SourceStatus>) -> VideoObjectStatus {
        VideoObjectStatus { phase: Some(phase), sources, ..VideoObjectStatus::default() }
    }

    #[test]
    fn a_dropped_source_is_told_once() {
        let (web, ftp) = (source("web", SourceState::Active, ""), source("ftp", SourceState::Failed, "answered 550"));
        let before = status(VideoPhase::Downloading, vec![web.clone(), source("ftp", SourceState::Active, "")]);
        let after = status(VideoPhase::Downloading, vec![web, ftp]);
        let told = notes(&before, &after);
        assert_eq!(
            (told.len(), told[0].reason.as_str(), told[0].text.as_str()),
            (1, "SourceDropped", "ftp: answered 550")
        );
        assert_eq!(notes(&after, &after), []);
    }

    #[test]
    fn many_dropped_sources_are_one_event_and_a_failed_video_says_it_once() {
        let sources = |state| (0..20).map(|n| source(&format!("s-{n}"), state, "gone")).collect::<Vec<_>>();
        let before = status(VideoPhase::Downloading, sources(SourceState::Waiting));
        let after = status(VideoPhase::Downloading, sources(SourceState::Banned));
        let told = notes(&before, &after);
        assert!(told.len() == 1 && told[0].text.ends_with("; and 12 more"), "{told:?}");
        assert_eq!(notes(&before, &status(VideoPhase::Failed, sources(SourceState::Failed))), []);
    }
}
