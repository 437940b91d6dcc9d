//! The file wall: Landlock. The child reads its input and its shared libraries, and writes in its working folder alone.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};

use super::Sandbox;

/// The newest Landlock version this rule set was written against; older kernels apply the part they know.
const WRITTEN_FOR: ABI = ABI::V6;

/// Shared libraries and the loader, for builds of ffmpeg that are not static. Absent paths are skipped.
const LIBRARIES: [&str; 5] = ["/lib", "/lib64", "/usr/lib", "/usr/local/lib", "/etc/ld.so.cache"];

/// How far the kernel confined the child's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileConfinement {
    /// Every rule is enforced.
    Full,
    /// An older Landlock: the rules it knows are enforced.
    Partial,
    /// The kernel has no Landlock: only user ids, mounts and the socket wall protect other files.
    None,
}

/// Confines the calling thread and what it starts to the paths of `sandbox`; also denies TCP, signals and abstract sockets
/// to the outside where the kernel can.
pub(super) fn confine(sandbox: &Sandbox) -> Result<FileConfinement, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WRITTEN_FOR))?
        .handle_access(AccessNet::from_all(WRITTEN_FOR))?
        .scope(Scope::from_all(WRITTEN_FOR))?
        .create()?
        .add_rules(path_beneath_rules(existing(LIBRARIES), read | AccessFs::Execute))?
        .add_rules(path_beneath_rules([&sandbox.program], AccessFs::ReadFile | AccessFs::Execute))?
        .add_rules(path_beneath_rules(existing(["/dev/null"]), AccessFs::ReadFile | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules(&sandbox.readable, read))?
        .add_rules(path_beneath_rules(&sandbox.writable, without_execute()))?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => FileConfinement::Full,
        RulesetStatus::PartiallyEnforced => FileConfinement::Partial,
        RulesetStatus::NotEnforced => FileConfinement::None,
    })
}

/// Everything in a working folder but running what was written there.
fn without_execute() -> landlock::BitFlags<AccessFs> {
    AccessFs::from_all(WRITTEN_FOR) & !landlock::BitFlags::from(AccessFs::Execute)
}

fn existing<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<PathBuf> {
    paths.into_iter().map(Path::new).filter(|path| path.exists()).map(Path::to_path_buf).collect()
}
