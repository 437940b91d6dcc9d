//! The command line.

use clap::{Parser, Subcommand, ValueEnum};
use videocloud_cluster::images::repository::Repository;

/// Shows videocloud on a real cluster: from `kubectl apply` to a playing video.
#[derive(Debug, Parser)]
#[command(name = "videocloud-demo", version)]
pub struct Cli {
    #[command(subcommand)]
    pub action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Make what is missing, apply a sample VideoObject, follow it to Ready, and play it.
    Up {
        /// The cluster to use.
        #[arg(long, value_enum, default_value_t = Where::Local)]
        cluster: Where,
        /// Push the images to REPOSITORY/PART:TAG, from where `--cluster current` pulls them; http:// before it: without TLS.
        #[arg(long, value_name = "REPOSITORY", conflicts_with = "images_present")]
        image_repository: Option<Repository>,
        /// The nodes of `--cluster current` have the images already (`videocloud-cluster load`): push nothing.
        #[arg(long)]
        images_present: bool,
        /// A network (CIDR) the link may lead to although it is private, with `--cluster current`.
        #[arg(long, value_name = "CIDR")]
        allow_network: Vec<String>,
        /// The video to fetch with `--cluster current`; any link that cluster can reach.
        #[arg(long, value_name = "URL", default_value = DEFAULT_LINK)]
        link: String,
    },
    /// Remove what `up` made.
    Down {
        /// The cluster to use.
        #[arg(long, value_enum, default_value_t = Where::Local)]
        cluster: Where,
    },
}

/// A freely licensed film of ten minutes that has been at this address for years.
const DEFAULT_LINK: &str = "https://download.blender.org/peach/bigbuckbunny_movies/BigBuckBunny_320x180.mp4";

/// Which cluster the demo runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Where {
    /// One of its own, on this machine.
    Local,
    /// That of the current kubeconfig.
    Current,
}
