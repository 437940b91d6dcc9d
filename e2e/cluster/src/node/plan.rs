//! What is decided once for a cluster: its index on this machine and its addresses. A claim under /run keeps two
//! clusters from choosing the same, whichever cache they live in.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::name::ClusterName;
use crate::network::address::{self, Range};
use crate::network::{NetworkError, bridge};
use crate::paths::{self, Lock, PathError};

/// The most clusters at once on one machine.
const CLUSTERS: u8 = 100;

/// The place of a node's address in the bridge's range: after the host's.
const FIRST_NODE: u8 = 10;

/// The addresses of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The cluster's number on this machine, 1 to 100.
    pub index: u8,
    /// The range of the bridge all nodes share.
    pub nodes: Range,
    /// The range of pod addresses.
    pub pods: Range,
    /// The range of service addresses.
    pub services: Range,
    /// The folder of the programs it runs.
    pub programs: PathBuf,
}

impl Plan {
    /// The node's address.
    pub fn node(&self) -> Ipv4Addr {
        self.nodes.address(FIRST_NODE + self.index)
    }

    /// The host's address on the bridge: where pods find a server that the host runs.
    pub fn host(&self) -> Ipv4Addr {
        bridge::gateway(self.nodes)
    }

    /// The cluster DNS service's address.
    pub(crate) fn dns(&self) -> Ipv4Addr {
        self.services.address(10)
    }

    /// The API server's service address.
    pub(crate) fn api_service(&self) -> Ipv4Addr {
        self.services.address(1)
    }

    /// The plan kept in a cluster's state folder, if it is there and whole.
    pub(crate) fn saved(state: &Path) -> Option<Self> {
        parse(&state.join("plan.json"))
    }

    /// Keeps the plan in the state folder.
    pub(crate) fn save(&self, state: &Path) -> Result<(), PathError> {
        write(&state.join("plan.json"), self)
    }
}

/// No plan could be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// All places are taken.
    #[error("failed to find a place for cluster {0}: {CLUSTERS} clusters exist on this machine")]
    Full(ClusterName),
    /// The name is in use from another cache folder.
    #[error(
        "failed to claim the name {name}: a cluster of that name exists at {state}; take it down or choose another name"
    )]
    Claimed {
        /// The name.
        name: ClusterName,
        /// The state folder of the cluster that has it.
        state: PathBuf,
    },
    /// The bridge or the choice of ranges failed.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A claim could not be read or written.
    #[error(transparent)]
    Path(#[from] PathError),
}

#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    index: u8,
    state: PathBuf,
}

/// Claims a place for the cluster and makes the bridge. The saved plan is kept if it still holds on this machine.
pub(crate) async fn claim(name: &ClusterName, state: &Path, programs: &Path) -> Result<Plan, PlanError> {
    let _lock = machine_lock().await?;
    let saved = Plan::saved(state);
    let mut taken = Vec::new();
    let mut own = None;
    for (claimant, claim) in claims()? {
        if claimant != name.as_str() {
            taken.push(claim.index);
        } else if claim.state == state {
            own = Some(claim.index);
        } else {
            return Err(PlanError::Claimed { name: name.clone(), state: claim.state });
        }
    }
    let wanted = own.or(saved.as_ref().map(|saved| saved.index)).filter(|index| !taken.contains(index));
    let free = || (1..=CLUSTERS).find(|index| !taken.contains(index));
    let index = wanted.or_else(free).ok_or_else(|| PlanError::Full(name.clone()))?;
    let nodes = bridge::ensure().await?;
    write(&claims_folder().join(name.as_str()), &Claim { index, state: state.to_owned() })?;

    let host = address::of_host()?;
    let choose = |what, first: u8, second: u8| {
        let candidates = [Ipv4Addr::new(10, first, index, 0), Ipv4Addr::new(172, second, index, 0)];
        let candidates = candidates.map(|base| Range::holding(base, 24));
        address::first_free(candidates, &host).ok_or(NetworkError::NoRange(what))
    };
    let (pods, services) = (choose("pods", 200, 30)?, choose("services", 201, 31)?);
    Ok(Plan { index, nodes, pods, services, programs: programs.to_owned() })
}

/// Gives the cluster's place back, and removes the bridge if it was the last.
pub(crate) async fn release(name: &ClusterName) -> Result<(), PlanError> {
    let _lock = machine_lock().await?;
    paths::remove(&claims_folder().join(name.as_str()))?;
    if claims()?.is_empty() {
        bridge::remove().await?;
    }
    Ok(())
}

async fn machine_lock() -> Result<Lock, PathError> {
    Lock::take(&paths::run().join("claims.lock"), || ()).await
}

fn claims_folder() -> PathBuf {
    paths::run().join("claims")
}

/// Every cluster's claim; one whose cluster's files are gone counts no more.
fn claims() -> Result<Vec<(String, Claim)>, PathError> {
    let folder = claims_folder();
    paths::make_folder(&folder)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).map_err(PathError::io("list", &folder))? {
        let path = entry.map_err(PathError::io("list", &folder))?.path();
        let claimant = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match parse::<Claim>(&path) {
            Some(claim) if claim.state.exists() => found.push((claimant, claim)),
            _ => paths::remove(&path)?,
        }
    }
    Ok(found)
}

fn parse<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), PathError> {
    let text = serde_json::to_vec_pretty(value).map_err(io::Error::from).map_err(PathError::io("write", path))?;
    paths::write(path, text)
}
