//! Plan, chunks and finish of one rendition set.

fn main() {}
