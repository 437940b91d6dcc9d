//! libtorrent of PyPI, as peers and seeds of tests and benchmarks.

#[path = "../../../store/tests/support/venv.rs"]
mod environment;

pub use environment::environment;
use std::path::PathBuf;

/// Its virtual environment, made on first use.
pub fn libtorrent() -> PathBuf {
    environment("libtorrent", &["libtorrent==2.1.1"])
}
