//! An independent truth in which no law is assumed: peers that exchange pieces.
//!
//! Viewers arrive, download rarest piece first from those who unchoke them (tit for tat and one
//! optimistic slot), give up when hungry for too long, and leave at once or linger as seeds. The
//! cloud is one more seed in every swarm, held to the rate a policy gave it. Judged by what
//! viewers get. What the policies know of the swarms is what a tracker would tell them.

mod belief;
mod choke;
mod flow;
mod lender;
mod peer;
mod play;
mod scenario;
mod swarm;
#[cfg(test)]
mod tests;
mod verdict;

pub use play::play;
pub use scenario::{MAX_PIECES, Pieces, Service};
pub use verdict::{SERVED, Verdict, Viewer, World};
