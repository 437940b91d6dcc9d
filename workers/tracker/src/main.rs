//! Content index, claims, tasks; later the BitTorrent tracker.

fn main() {}
