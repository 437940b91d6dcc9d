//! The one suite of the API, run on both databases through real sockets with the real client.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "suite/claims.rs"]
mod claims;
#[path = "suite/edge.rs"]
mod edge;
mod support;
#[path = "suite/tasks.rs"]
mod tasks;

use support::{postgres::Postgres, sqlite};
use tempfile::TempDir;

macro_rules! both {
    ($($module:ident :: $case:ident),* $(,)?) => {
        mod on_sqlite {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let folder = TempDir::new().unwrap();
                $module::$case(&sqlite(folder.path())).await;
            })*
        }
        mod on_postgres {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let server = Postgres::start();
                $module::$case(&server.location()).await;
            })*
        }
    };
}

both! {
    claims::a_second_wish_for_a_link_needs_no_job,
    claims::stale_links_are_hints_and_more_links_are_given,
    claims::private_content_stays_private,
    claims::digests_are_proof_only_when_strong_and_of_the_right_size,
    claims::sync_drops_restores_and_names_the_abandoned,
    claims::failed_links_are_not_trusted,
    tasks::results_survive_a_restart_and_revisions_grow,
    tasks::progress_then_failure_then_success,
    tasks::late_reports_change_nothing,
    tasks::a_poll_wakes_on_a_result_and_ends_on_time,
    tasks::batches_are_bounded_and_lose_nothing,
    tasks::forgotten_tasks_start_again,
    edge::publications_come_and_go,
    edge::renditions_are_found_by_key_and_by_source,
    edge::uploaders_get_tables_that_grow,
    edge::only_one_tracker_per_database,
}
