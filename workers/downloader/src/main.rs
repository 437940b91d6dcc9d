//! Multi-source download of one content.

fn main() {}
