//! libtorrent of PyPI in a virtual environment of the cache, shared with the other crates' tests.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

const REQUIREMENT: &str = "libtorrent==2.1.1";

/// The environment, made on first use. Marked when whole, so that an interrupted install is not taken for one.
pub fn libtorrent() -> PathBuf {
    let cache = std::env::var_os("VIDEOCLOUD_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME or VIDEOCLOUD_CACHE is set")).join(".cache/videocloud")
    });
    let (folder, marker) = (cache.join("venv-libtorrent"), cache.join("venv-libtorrent/requirement"));
    std::fs::create_dir_all(&cache).unwrap();
    let lock = std::fs::File::create(cache.join("venv-libtorrent.lock")).unwrap();
    lock.lock().unwrap();
    if std::fs::read_to_string(&marker).is_ok_and(|found| found == REQUIREMENT) {
        return folder;
    }
    let _ = std::fs::remove_dir_all(&folder);
    let run = |program: PathBuf, arguments: &[&str], help: &str| {
        let done = Command::new(&program).args(arguments).stdout(Stdio::null()).status();
        assert!(done.is_ok_and(|status| status.success()), "{} failed: {help}", program.display());
    };
    let help = "install the Debian packages python3 and python3-venv";
    run("python3".into(), &["-m", "venv", &folder.to_string_lossy()], help);
    run(folder.join("bin/pip"), &["install", "--quiet", REQUIREMENT], "PyPI must be reachable");
    std::fs::write(marker, REQUIREMENT).unwrap();
    folder
}
