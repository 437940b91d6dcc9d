//! Shares of hosts, where they meet the round: which hosts are wanted, and how many connections each may have now.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::round::Round;
use crate::schedule::Standing;

impl Round<'_> {
    /// Says which hosts are wanted, and holds the scheduler to the shares there are.
    pub(super) fn follow_shares(&mut self) {
        let hosts = &self.order.hosts;
        let mut servers: BTreeMap<String, usize> = BTreeMap::new();
        let mut waits = false;
        for id in self.crew.sources() {
            let Some(member) = self.crew.member(id) else { continue };
            if !member.source.is_server() || !self.crew.ledger.usable(id) {
                continue;
            }
            let host = member.source.host();
            let active = self.scheduler.standing(id) == Standing::Active;
            waits |= active && hosts.connections(&host) == 0;
            // Mirrors that are compared with the one that is followed.
            *servers.entry(host).or_default() += usize::from(!active);
        }
        hosts.want(servers.keys().cloned().collect::<BTreeSet<_>>());
        let complete = self.scheduler.is_complete();
        for (host, compared) in &servers {
            let share = hosts.connections(host);
            let beside = usize::from(self.agreement.is_some() && *compared > 0 && share > 1);
            // What is complete needs no connections, but those that compare it do.
            let lanes = if complete && self.agreement.is_some() { 0 } else { share - beside };
            self.scheduler.set_host_lanes(host, lanes);
        }
        if waits && self.scheduler.is_idle() {
            // Nothing can come before it is this download's turn: that is no silence of its sources.
            *self.heard = Instant::now();
        }
    }
}
