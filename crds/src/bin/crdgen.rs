//! Writes the CustomResourceDefinitions as YAML and the API reference as Markdown, one file of each per kind.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use videocloud_crds::{definitions, file_name, reference, to_yaml};

/// Write the CustomResourceDefinitions of videocloud.dev as YAML and their reference as Markdown, one file of each per kind.
///
/// Exit codes: 0 written, 1 a file could not be written, 2 wrong usage.
#[derive(clap::Parser)]
#[command(name = "crdgen", version)]
struct Arguments {
    /// Directory to write to, made when it does not exist; can be given several times.
    #[arg(long, default_values = ["crds/generated", "charts/videocloud/files/crds"])]
    out: Vec<PathBuf>,
    /// Directory to write the reference to.
    #[arg(long, default_value = "docs/reference")]
    reference: PathBuf,
    /// Directory of the examples the pages show, <kind>.yaml.
    #[arg(long, default_value = "docs/samples")]
    examples: PathBuf,
}

fn main() -> ExitCode {
    let arguments = <Arguments as clap::Parser>::parse();
    let written = arguments.out.iter().try_for_each(|directory| write(directory));
    match written.and_then(|()| write_reference(&arguments.reference, &arguments.examples)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write(directory: &Path) -> anyhow::Result<()> {
    use anyhow::Context as _;

    std::fs::create_dir_all(directory).with_context(|| format!("failed to make {}", directory.display()))?;
    for definition in definitions() {
        let path = directory.join(file_name(&definition));
        let yaml = to_yaml(&definition).with_context(|| format!("failed to serialise {}", path.display()))?;
        std::fs::write(&path, yaml).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

fn write_reference(directory: &Path, examples: &Path) -> anyhow::Result<()> {
    use anyhow::Context as _;

    std::fs::create_dir_all(directory).with_context(|| format!("failed to make {}", directory.display()))?;
    for definition in definitions() {
        let name = reference::page_name(&definition);
        let example = examples.join(&name).with_extension("yaml");
        let text =
            std::fs::read_to_string(&example).with_context(|| format!("failed to read {}", example.display()))?;
        let page = reference::page(&definition, &text).with_context(|| format!("failed to describe {name}"))?;
        let path = directory.join(name);
        std::fs::write(&path, page).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}
