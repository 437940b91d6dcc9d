//! Python programs of PyPI, in virtual environments of their own in the cache, which the tests of all crates share.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The environment `name` with `requirements` in it, made on first use: aside and marked at the end, so that an interrupted install is
/// not taken for one.
pub fn environment(name: &str, requirements: &[&str]) -> PathBuf {
    let cache = std::env::var_os("VIDEOCLOUD_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME or VIDEOCLOUD_CACHE is set")).join(".cache/videocloud")
    });
    let folder = cache.join(format!("venv-{name}"));
    let (marker, wanted) = (folder.join("requirement"), requirements.join(" "));
    std::fs::create_dir_all(&cache).unwrap();
    let lock = std::fs::File::create(cache.join(format!("venv-{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if std::fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        return folder;
    }
    let _ = std::fs::remove_dir_all(&folder);
    let run = |program: PathBuf, arguments: &[&str], help: &str| {
        let done = Command::new(&program).args(arguments).stdout(Stdio::null()).status();
        assert!(done.is_ok_and(|status| status.success()), "{} failed: {help}", program.display());
    };
    let help = "install the Debian packages python3 and python3-venv";
    run("python3".into(), &["-m", "venv", &folder.to_string_lossy()], help);
    let install = [&["install", "--quiet"], requirements].concat();
    run(folder.join("bin/pip"), &install, "PyPI must be reachable");
    std::fs::write(marker, wanted).unwrap();
    folder
}
