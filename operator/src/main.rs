//! The hub operator: one controller per kind.

fn main() {}
