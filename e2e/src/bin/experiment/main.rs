//! The experiment with real clients: `make experiment`, or `make experiment LONG=1`.
//!
//! Tracker and uploader as they ship, the operator's own arithmetic, and peers that are libtorrent and aria2, each in a network
//! namespace of its own behind a line that tc holds to a rate at both ends. Writes JSON and charts.
#![allow(clippy::print_stdout, reason = "it tells what it does")]
#![allow(unreachable_pub, reason = "the modules of one program")]

mod crowd;
mod place;
mod play;
mod plot;
mod stage1;
mod stage2;
mod world;

// One environment with libtorrent for all tests.
#[allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]
#[path = "../../../../workers/uploader/tests/support/venv.rs"]
mod venv;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use crowd::Crowd;
use place::Place;
use play::Pool;
use world::{Scale, World};

/// Policies against each other, judged by real BitTorrent clients. Needs root: it makes network namespaces.
#[derive(Debug, Parser)]
struct Flags {
    /// Hours instead of minutes.
    #[arg(long)]
    long: bool,
    /// 1: what swarms make of upload. 2: policies. 3: policies among swarms that are all alike, where there is nothing to gain. 4: policies
    /// with more capacity than viewers need, where the least egress is asked for.
    #[arg(long, value_delimiter = ',', default_value = "1,2,3,4")]
    stages: Vec<u8>,
    /// Blocks, instead of the mode's.
    #[arg(long)]
    blocks: Option<u64>,
    /// Seconds of an arm in a block, instead of the mode's.
    #[arg(long)]
    seconds: Option<u64>,
    /// Where results go.
    #[arg(long, default_value = "target/experiment")]
    out: PathBuf,
    /// The folder of the built programs.
    #[arg(long)]
    programs: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    // PyPI is out of reach from the namespace.
    let python = venv::libtorrent().join("bin/python");
    place::move_in()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Runtime::new()?.block_on(run(&flags, &python))
}

async fn run(flags: &Flags, python: &Path) -> anyhow::Result<()> {
    let own = std::env::current_exe().context("failed to find this program's own folder")?;
    let programs = flags.programs.clone().or_else(|| own.parent().map(Path::to_owned)).context("no --programs")?;
    let mut scale = if flags.long { Scale::LONG } else { Scale::SHORT };
    scale.blocks = flags.blocks.unwrap_or(scale.blocks);
    scale.seconds = flags.seconds.unwrap_or(scale.seconds);
    std::fs::create_dir_all(&flags.out)?;
    for stage in &flags.stages {
        let scale = if *stage == 4 { scale.ample() } else { scale };
        let world = World::new(scale, *stage == 3);
        let place = Place::open(&programs, world.kinds.len(), scale.size, scale.interval, 4 * scale.capacity).await?;
        let lines: Vec<_> = world.slots.iter().map(|slot| slot.line).collect();
        let mut crowd = Crowd::start(python, &lines).await?;
        println!("stage {stage}: {} peers in {} swarms, {}", world.slots.len(), world.kinds.len(), scale.name);
        let mut pool = Pool { place: &place, generation: 0, interval: 0, viewers: 0 };
        let result = match stage {
            1 => stage1::run(&world, &mut crowd, &place, &mut pool).await?,
            2 => stage2::run(&world, &mut crowd, &place, &mut pool, 6).await?,
            _ => stage2::run(&world, &mut crowd, &place, &mut pool, 4).await?,
        };
        std::fs::write(flags.out.join(format!("stage{stage}.json")), serde_json::to_vec_pretty(&result)?)?;
        if *stage != 1 {
            plot::save(&result, &flags.out.join(format!("stage{stage}")))?;
        }
        // The next stage makes them anew.
        drop((crowd, place));
        let devices = std::fs::read_to_string("/proc/thread-self/net/dev")?;
        for line in devices.lines().filter_map(|line| line.trim().split_once(':')) {
            if line.0.starts_with("peer") {
                let _ = place::ip(&format!("link delete {}", line.0));
            }
        }
    }
    println!("results are in {}", flags.out.display());
    Ok(())
}
