//! Lending: what swarms leave unused of their BitTorrent rates goes for a moment to those that could use more, the one with the greatest
//! marginal gain first, up to each one's ceiling. A table without ceilings is strict.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use videocloud_protocol::ids::ContentId;

use super::{Allocation, allocation::Rates, sending::Share, swarms::Swarm};

/// Time between decisions.
pub const EVERY: Duration = Duration::from_millis(250);

/// One swarm as lending sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Party {
    /// What the table says.
    pub rates: Rates,
    /// Bytes per second it used lately.
    pub used: u64,
}

/// Remembers when it last decided.
#[derive(Debug, Default)]
pub struct Lending {
    last: Option<Instant>,
}

impl Lending {
    pub(super) fn decide(&mut self, allocation: &Allocation, active: &HashMap<ContentId, Arc<Swarm>>, capacity: u64) {
        let now = Instant::now();
        let elapsed = self.last.replace(now).map_or(EVERY, |last| now - last).max(Duration::from_millis(1));
        let Some(allocated) = allocation.borrowable(now) else {
            active.values().for_each(|swarm| swarm.lately.store(0, Ordering::Relaxed));
            return;
        };
        let swarms: Vec<&Arc<Swarm>> = active.values().collect();
        let per_second = |bytes: u64| (bytes as f64 / elapsed.as_secs_f64()) as u64;
        let parties: Vec<Party> = swarms
            .iter()
            .map(|swarm| Party {
                rates: allocation.rates(&swarm.content(), now),
                used: per_second(swarm.lately.swap(0, Ordering::Relaxed)),
            })
            .collect();
        for (swarm, rate) in swarms.iter().zip(share_out(&parties, allocated.min(capacity))) {
            swarm.gate(Share::BitTorrent).set_rate(rate);
        }
    }
}

/// The rate of each party, of `allocated` bytes per second that the table gives all swarms together, named here or not.
#[must_use]
pub fn share_out(parties: &[Party], allocated: u64) -> Vec<u64> {
    // Who used nearly all it had could use more. The others keep what they use and room to grow into their own until the next look.
    let hungry = |party: &Party| party.used >= party.rates.bittorrent / 10 * 9 && party.rates.bittorrent > 0;
    let keeps = |party: &Party| match hungry(party) {
        true => party.rates.bittorrent,
        false => party.used.saturating_mul(2).min(party.rates.bittorrent),
    };
    let kept = parties.iter().map(keeps).fold(0_u64, u64::saturating_add);
    let mut spare = allocated.saturating_sub(kept);
    let mut rates: Vec<u64> = parties.iter().map(|party| party.rates.bittorrent).collect();
    let mut order: Vec<usize> = (0..parties.len()).filter(|at| hungry(&parties[*at])).collect();
    order.sort_by_key(|at| std::cmp::Reverse(parties[*at].rates.marginal_milli));
    for at in order {
        let rates_of = parties[at].rates;
        let lent = rates_of.ceiling.saturating_sub(rates_of.bittorrent).min(spare);
        rates[at] = rates_of.bittorrent.saturating_add(lent);
        spare -= lent;
    }
    rates
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn party(bittorrent: u64, ceiling: u64, marginal_milli: u32, used: u64) -> Party {
        Party { rates: Rates { http: 0, bittorrent, ceiling, marginal_milli }, used }
    }

    #[test]
    fn what_is_idle_goes_to_the_greatest_gain_first() {
        let parties = [party(100, 150, 1, 100), party(100, 400, 9, 95), party(300, 600, 5, 20)];
        // 300 lends all but twice what it uses: 260.
        assert_eq!(share_out(&parties, 500), [100, 360, 300]);
        assert_eq!(share_out(&parties, 600), [150, 400, 300]);
        let strict = parties.map(|party| Party { rates: Rates { ceiling: 0, ..party.rates }, ..party });
        assert_eq!(share_out(&strict, 500), [100, 100, 300]);
    }

    proptest! {
        #[test]
        fn nobody_loses_and_no_more_is_lent_than_is_idle(
            all in proptest::collection::vec((0_u64..1_000_000, 0_u64..3_000_000, 0_u32..9, 0_u64..1_000_000), 0..20),
        ) {
            let parties: Vec<Party> = all.iter().map(|p| party(p.0, p.1, p.2, p.3)).collect();
            let allocated: u64 = parties.iter().map(|party| party.rates.bittorrent).sum();
            let rates = share_out(&parties, allocated);
            let lent: u64 = parties.iter().zip(&rates).map(|(party, rate)| rate - party.rates.bittorrent).sum();
            let idle: u64 = parties.iter().map(|p| p.rates.bittorrent.saturating_sub(p.used)).sum();
            prop_assert!(lent <= idle);
            prop_assert!(parties.iter().zip(&rates).all(|(p, rate)| *rate <= p.rates.bittorrent.max(p.rates.ceiling)));
        }
    }
}
