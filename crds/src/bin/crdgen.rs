//! Writes the CustomResourceDefinitions as YAML, one file per kind.

use std::path::PathBuf;
use std::process::ExitCode;

use videocloud_crds::{definitions, file_name, to_yaml};

/// Write the CustomResourceDefinitions of videocloud.dev as YAML, one file per kind.
///
/// Exit codes: 0 written, 1 a file could not be written, 2 wrong usage.
#[derive(clap::Parser)]
#[command(name = "crdgen", version)]
struct Arguments {
    /// Directory to write to, made when it does not exist; can be given several times.
    #[arg(long, default_values = ["crds/generated", "charts/videocloud/files/crds"])]
    out: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = <Arguments as clap::Parser>::parse();
    match arguments.out.iter().try_for_each(|directory| write(directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write(directory: &std::path::Path) -> anyhow::Result<()> {
    use anyhow::Context as _;

    std::fs::create_dir_all(directory).with_context(|| format!("failed to make {}", directory.display()))?;
    for definition in definitions() {
        let path = directory.join(file_name(&definition));
        let yaml = to_yaml(&definition).with_context(|| format!("failed to serialise {}", path.display()))?;
        std::fs::write(&path, yaml).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}
