//! `videocloud-demo`: a real cluster, the operator, and a video from `kubectl apply` to playing, told step by step.
//!
//! What it does is what the README tells a user to do by hand; every step says how long it took.

#![allow(unreachable_pub, reason = "the modules of one program")]

mod cli;
mod current;
mod local;
mod place;
mod steps;
mod story;

use std::process::ExitCode;

use clap::Parser;
use cli::{Action, Cli, Where};
use current::Source;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // Both ends of TLS in this process use one provider; a second installation is not an error worth ending for.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = async {
        match cli.action {
            Action::Up { cluster: Where::Local, .. } => story::tell(&local::up().await?).await,
            Action::Up { cluster: Where::Current, image_repository, images_present, allow_network, link } => {
                let images = match image_repository {
                    Some(repository) => Some(Source::Push(repository)),
                    None => images_present.then_some(Source::Present),
                };
                story::tell(&current::up(images, allow_network, link).await?).await
            }
            Action::Down { cluster: Where::Local } => local::down().await,
            Action::Down { cluster: Where::Current } => current::down().await,
        }
    };
    tokio::select! {
        done = done => match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("\nthe demo failed: {error:#}");
                ExitCode::FAILURE
            }
        },
        _ = tokio::signal::ctrl_c() => {
            eprintln!("\nstopped; `make demo` goes on from here, `make demo-down` removes everything");
            ExitCode::from(130)
        }
    }
}
