//! The tracker's API as the operator, the workers and the uploaders speak it: requests, answers and the client.

mod api;
mod client;
mod delivery;
mod hosts;
mod seed;

pub use api::{
    ClaimAnswer, ClaimOwner, ClaimRequest, ClaimSync, ClaimSyncAnswer, LiveClaim, RenditionsAnswer, RenditionsRequest,
    SwarmRate, Updates, UploaderReport, UploaderSwarm, UploaderTable, Wanted,
};
pub use client::{Client, ClientError};
pub use delivery::{
    AnnounceUrls, DivisionAnswer, IntervalSamples, ModelSnapshot, PoolRate, PoolSummary, PoolTable, PoolsAnswer,
    Sample, SampleFlag, SamplesAnswer, TableReceipt, UploaderSummary, UploadersAnswer,
};
pub use hosts::{HostGrant, HostShare, HostUse, HostsAnswer, HostsRequest};
pub use seed::SeedAnnounce;
