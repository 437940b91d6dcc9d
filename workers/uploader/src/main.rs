//! The HTTP edge and BitTorrent seeder of one member cluster.

fn main() {}
