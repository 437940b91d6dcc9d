//! What travels between the parts.
