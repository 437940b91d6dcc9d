//! Cables pulled, clusters that do not reach each other, slow links.

use crate::cluster::{Cluster, Error};
use crate::network::namespace::Rate;

impl Cluster {
    /// Pulls the node's cable: neither the host nor another cluster reaches it until [`Cluster::connect`].
    ///
    /// # Errors
    /// The cable is not there.
    pub async fn disconnect(&self) -> Result<(), Error> {
        Ok(self.namespace().plug(false).await?)
    }

    /// Plugs the node's cable in again.
    ///
    /// # Errors
    /// The cable is not there.
    pub async fn connect(&self) -> Result<(), Error> {
        Ok(self.namespace().plug(true).await?)
    }

    /// Cuts this cluster and another off from each other: packets between them vanish without a word, those on open
    /// connections too. The host still reaches both. Until [`Cluster::rejoin`], or [`Cluster::up`] of both.
    ///
    /// # Errors
    /// A node's network is not there.
    pub async fn part_from(&self, other: &Self) -> Result<(), Error> {
        self.namespace().lose(other.node_ip()).await?;
        Ok(other.namespace().lose(self.node_ip()).await?)
    }

    /// Ends what [`Cluster::part_from`] did.
    ///
    /// # Errors
    /// A node's network is not there.
    pub async fn rejoin(&self, other: &Self) -> Result<(), Error> {
        self.namespace().regain(other.node_ip()).await?;
        Ok(other.namespace().regain(self.node_ip()).await?)
    }

    /// Lets no more than `bytes_per_second` leave the node, and no more enter it; `None` takes the limit away.
    ///
    /// # Errors
    /// A node's network is not there, or the kernel has no token bucket filter.
    pub async fn limit_rate(&self, bytes_per_second: Option<u64>) -> Result<(), Error> {
        Ok(self.namespace().limit(bytes_per_second.map(Rate)).await?)
    }
}
