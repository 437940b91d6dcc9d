//! The installed system on a real local cluster: every scenario of a video's life, good and bad, one after another in one
//! installation. The cluster is made before the first scenario and removed after the last.

#![allow(unreachable_pub, reason = "the modules of one program")]

mod bad_links;
mod deletion;
mod delivery;
mod disk;
mod faults;
mod happy;
mod mixed;
mod shared;
mod transcode;
mod upgrade;
mod watching;
// The uploader's own: one environment with libtorrent for all tests.
#[allow(clippy::unwrap_used, clippy::expect_used)]
#[path = "../../../workers/uploader/tests/support/venv.rs"]
mod venv;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use world::World;

macro_rules! scenarios {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        vec![$((
            concat!(stringify!($module), "::", stringify!($name)),
            (|world| Box::pin($module::$name(world))) as world::Scenario,
        )),+]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One cluster, two cores: scenarios take turns.
    arguments.test_threads = Some(1);
    let scenarios = scenarios![
        happy::a_link_becomes_a_playing_video,
        happy::kubectl_shows_what_a_user_asks_for,
        shared::two_objects_with_one_link_are_one_download,
        shared::a_known_content_is_ready_without_a_transfer,
        mixed::links_of_every_kind_give_the_right_bytes,
        watching::a_video_is_watched_while_it_is_fetched,
        bad_links::every_bad_link_ends_in_a_condition_a_user_can_act_on,
        deletion::deleting_during_download_leaves_nothing,
        deletion::deleting_during_transcode_leaves_nothing,
        disk::a_full_store_says_so_and_work_goes_on_when_there_is_room,
        upgrade::an_upgrade_leaves_running_jobs_alone,
        transcode::a_film_is_made_by_four_pods_and_plays_in_a_browser,
        delivery::a_patched_policy_changes_what_peers_receive,
        faults::twenty_rounds_of_kills_all_end_ready,
    ];
    if arguments.list {
        let trials = scenarios.into_iter().map(|(name, _)| Trial::test(name, || Ok(()))).collect();
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    let world = match World::start() {
        Ok(world) => world,
        Err(error) => {
            eprintln!("failed to start the system under test: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let trials = scenarios
        .into_iter()
        .map(|(name, scenario)| {
            let world = world.clone();
            let run = move || world.run(name, scenario).map_err(|error| format!("{error:#}").into());
            Trial::test(name, run)
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Err(error) = world.stop() {
        eprintln!("failed to remove the cluster of the tests: {error:#}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}
