//! What a round waits for beside its lanes: a checkpoint that is being written, a piece that is being read back.

use tokio::task::JoinHandle;
use videocloud_protocol::failure::{Failure, FailureClass, reason};
use videocloud_store::StoreError;

use super::proof::{Checked, Proof};
use super::stored;

/// A checkpoint that is being written; it gives the bytes from the first on that others may read then.
pub(super) type Saving = JoinHandle<Result<u64, StoreError>>;

/// Waits for the checkpoint that is being written, for ever when none is.
pub(super) async fn ended(saving: &mut Option<Saving>) -> Result<u64, Failure> {
    let Some(running) = saving else { return std::future::pending().await };
    let result = running.await;
    *saving = None;
    match result {
        Ok(saved) => saved.map_err(|error| stored(&error)),
        Err(error) => Err(Failure::new(FailureClass::Transient, reason::INTERNAL, error.to_string())),
    }
}

/// Waits for the next piece that was read back, for ever when there are no piece hashes.
pub(super) async fn checked(proof: &mut Option<Proof>) -> Result<Checked, StoreError> {
    match proof {
        Some(proof) => proof.next().await,
        None => std::future::pending().await,
    }
}
