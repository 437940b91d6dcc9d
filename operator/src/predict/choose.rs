//! What to transcode before anybody asks: the most requested videos of late by the profiles asked for most (Huang et al., cloud
//! transcoding). Pure.
//!
//! A request is a VideoObject for a video and a TranscodeJob for a profile; each counts less the older it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use videocloud_protocol::ids::ContentId;

use crate::index::{Named, State, TranscodeRow};

/// A request counts half after this many seconds.
const HALF_LIFE: f64 = 24.0 * 3600.0;
/// Profiles that are made ahead.
const PROFILES: usize = 3;
/// Contents that are made ahead.
const CONTENTS: usize = 100;
/// Mean use of the places below which something is made ahead.
const BELOW: f64 = 0.5;
/// Mean use from which what is made ahead is stopped.
const STOP: f64 = 0.7;

/// A rendition to make ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// A video of the content.
    pub video: Named,
    /// The profile.
    pub profile: String,
}

/// What to do, at most one kind of it at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// TranscodeJobs to make.
    pub make: Vec<Ahead>,
    /// TranscodeJobs to stop.
    pub stop: Vec<Named>,
    /// TranscodeJobs to let go on.
    pub resume: Vec<Named>,
}

/// Decides at `now` (seconds since 1970) under a mean use of the places from 0 to 1. At most `most` unfinished TranscodeJobs are
/// there for this reason.
#[must_use]
pub fn choose(state: &State, now: i64, mean_use: f64, most: usize) -> Choice {
    let ahead = || state.transcodes.iter().filter(|(_, row)| row.predicted && !is_finished(row));
    let names =
        |suspended: bool| ahead().filter(move |(_, row)| row.suspended == suspended).map(|(name, _)| name.clone());
    if mean_use >= STOP {
        return Choice { stop: names(false).collect(), ..Choice::default() };
    }
    if mean_use >= BELOW {
        return Choice::default();
    }
    let resume: Vec<Named> = names(true).collect();
    if !resume.is_empty() {
        return Choice { resume, ..Choice::default() };
    }
    let room = most.saturating_sub(ahead().count());
    Choice { make: wanted(state, now).take(room).collect(), ..Choice::default() }
}

fn is_finished(row: &TranscodeRow) -> bool {
    row.succeeded || row.stalled
}

fn weight(now: i64, created: i64) -> f64 {
    let age = now.saturating_sub(created).max(0);
    #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^52")]
    let age = age as f64;
    (-age / HALF_LIFE).exp2()
}

/// Scores in falling order; ties in the order of what is scored.
fn ranked<T: Ord>(scores: BTreeMap<T, f64>) -> Vec<T> {
    let mut ranked: Vec<(T, f64)> = scores.into_iter().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked.into_iter().map(|(item, _)| item).collect()
}

/// Renditions nobody has asked for yet, the most promising first.
fn wanted(state: &State, now: i64) -> impl Iterator<Item = Ahead> {
    let mut contents: BTreeMap<ContentId, f64> = BTreeMap::new();
    let mut videos: HashMap<ContentId, Named> = HashMap::new();
    let mut there: BTreeSet<(ContentId, &str)> = BTreeSet::new();
    for (name, row) in state.videos.iter() {
        let Some(content) = row.content else { continue };
        *contents.entry(content).or_default() += weight(now, row.created);
        for job in state.transcodes.of_video(name).filter_map(|job| state.transcodes.get(job)) {
            there.extend(job.profile.as_deref().map(|profile| (content, profile)));
        }
        if !row.suspended {
            let first = videos.entry(content).or_insert_with(|| name.clone());
            if name < first {
                first.clone_from(name);
            }
        }
    }
    let mut profiles: BTreeMap<&str, f64> = BTreeMap::new();
    for (_, row) in state.transcodes.iter().filter(|(_, row)| !row.predicted) {
        if let Some(profile) = row.profile.as_deref() {
            *profiles.entry(profile).or_default() += weight(now, row.created);
        }
    }
    let profiles: Vec<String> = ranked(profiles).into_iter().take(PROFILES).map(str::to_owned).collect();
    let missing: Vec<Ahead> = ranked(contents)
        .into_iter()
        .take(CONTENTS)
        .filter_map(|content| Some((content, videos.get(&content)?)))
        .flat_map(|(content, video)| {
            let lacks = |profile: &&String| !there.contains(&(content, profile.as_str()));
            let ahead = |profile: &String| Ahead { video: video.clone(), profile: profile.clone() };
            profiles.iter().filter(lacks).map(ahead).collect::<Vec<_>>()
        })
        .collect();
    missing.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::VideoRow;

    const DAY: i64 = 24 * 3600;
    const NOW: i64 = 100 * DAY;

    fn video(state: &mut State, name: &str, content: u8, age: i64) {
        let row = VideoRow {
            uid: name.into(),
            key: None,
            priority: 0,
            created: NOW - age,
            suspended: false,
            content: Some(ContentId::from_bytes([content; 32])),
            stalled: false,
            retry: false,
            renditions: 1,
            ask: None,
            playback: 0,
        };
        state.videos.put(&Named::new("team", name), row);
    }

    fn transcode(state: &mut State, video: &str, profile: &str, age: i64, predicted: bool) -> Named {
        let name = Named::new("team", &format!("{video}-{profile}"));
        let row = TranscodeRow {
            uid: "u".into(),
            video: Named::new("team", video),
            profile: Some(profile.into()),
            priority: 0,
            created: NOW - age,
            suspended: false,
            key: None,
            succeeded: false,
            stalled: false,
            retry: false,
            predicted,
        };
        state.transcodes.put(&name, row);
        name
    }

    fn made(choice: &Choice) -> Vec<(String, String)> {
        choice.make.iter().map(|ahead| (ahead.video.name.to_string(), ahead.profile.clone())).collect()
    }

    fn world() -> State {
        let mut state = State::default();
        // Asked for often, but long ago; asked for twice today; asked for once today.
        for n in 0..4 {
            video(&mut state, &format!("old-{n}"), 1, 10 * DAY);
        }
        video(&mut state, "hot-a", 2, 3600);
        video(&mut state, "hot-b", 2, 7200);
        video(&mut state, "new", 3, 60);
        transcode(&mut state, "hot-a", "720p", 3600, false);
        transcode(&mut state, "hot-b", "360p", 3600, false);
        transcode(&mut state, "new", "720p", 60, false);
        state
    }

    #[test]
    fn the_most_requested_of_late_by_the_profiles_asked_for_most() {
        let state = world();
        let choice = choose(&state, NOW, 0.1, 3);
        let expected = [("new", "360p"), ("old-0", "720p"), ("old-0", "360p")];
        assert_eq!(made(&choice), expected.map(|(video, profile)| (video.to_owned(), profile.to_owned())));
        assert_eq!(made(&choose(&state, NOW, 0.1, 1)).len(), 1);
    }

    #[test]
    fn use_decides_and_there_is_room_between_the_two_marks() {
        let mut state = world();
        let job = transcode(&mut state, "new", "360p", 0, true);
        assert_eq!(choose(&state, NOW, 0.7, 3).stop, std::slice::from_ref(&job));
        assert_eq!(choose(&state, NOW, 0.6, 3), Choice::default());
        assert_eq!(made(&choose(&state, NOW, 0.4, 1)), []);
        let stopped =
            TranscodeRow { suspended: true, ..state.transcodes.get(&job).cloned().unwrap_or_else(|| unreachable!()) };
        state.transcodes.put(&job, stopped);
        assert_eq!(choose(&state, NOW, 0.6, 3), Choice::default());
        assert_eq!(choose(&state, NOW, 0.4, 3).resume, [job]);
    }

    #[test]
    fn what_was_made_ahead_does_not_make_its_profile_asked_for() {
        let mut state = State::default();
        video(&mut state, "a", 1, 60);
        video(&mut state, "b", 2, 60);
        transcode(&mut state, "a", "4k", 60, true);
        assert_eq!(made(&choose(&state, NOW, 0.0, 9)), []);
    }
}
