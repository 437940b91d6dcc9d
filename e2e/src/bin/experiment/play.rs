//! One arm of one block: viewers come and go, the controller does what it does, and everything is counted at the clients.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use videocloud_protocol::tracker::{IntervalSamples, PoolRate, PoolTable};

use crate::{
    crowd::{Crowd, Order},
    place::Place,
    world::World,
};

/// The pool that all tables are of.
pub const POOL: &str = "experiment";
const LOOK: Duration = Duration::from_millis(250);

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// Of each viewer, bytes per second while it lacked something.
    pub rates: Vec<f64>,
    /// Payload that came to clients, by swarm: at them all, and what the uploader sent in all.
    pub down: Vec<u64>,
    pub seeded: u64,
    /// Viewers present, averaged over time, by swarm.
    pub present: Vec<f64>,
}

/// Who is in a slot.
#[derive(Debug, Clone, Copy)]
struct Guest {
    came: Instant,
    stays: f64,
    done: Option<Instant>,
}

/// The conversation with the tracker: tables out, samples in.
pub struct Pool<'a> {
    pub place: &'a Place,
    pub generation: u64,
    pub interval: u64,
    /// Viewers so far.
    pub viewers: u64,
}

impl Pool<'_> {
    /// Puts a table of these rates, by title.
    pub async fn even(&mut self, rates: &[u64]) -> anyhow::Result<()> {
        let row = |(title, rate): (&crate::place::Title, &u64)| PoolRate {
            content: title.id,
            cluster: String::new(),
            bittorrent: *rate,
            http: 0,
            ceiling: 0,
            marginal_milli: 1000,
            dithered: false,
        };
        let rates = self.place.titles.iter().zip(rates).map(row).collect();
        let table = PoolTable { generation: 0, ttl_seconds: 0, unnamed: 0, unnamed_bittorrent: 0, capacity: 0, rates };
        self.put(table).await
    }

    /// Puts a table as the next one.
    pub async fn put(&mut self, mut table: PoolTable) -> anyhow::Result<()> {
        self.generation += 1;
        (table.generation, table.ttl_seconds) = (self.generation, 600);
        self.place.tracker.put_table(POOL, &table).await?;
        Ok(())
    }

    /// Intervals that have finished since the last call.
    pub async fn samples(&mut self) -> anyhow::Result<Vec<IntervalSamples>> {
        let answer = self.place.tracker.samples(self.interval, Duration::ZERO).await?;
        self.interval = answer.intervals.last().map_or(self.interval, |last| last.interval);
        Ok(answer.intervals)
    }
}

/// Plays `seconds` of a block. With `closed`, a viewer that has everything is followed by another at once, whatever the arrivals say.
pub async fn play(
    (world, crowd): (&World, &mut Crowd),
    pool: &mut Pool<'_>,
    (arrivals, closed): (&[Vec<(f64, f64)>], bool),
    seconds: f64,
    mut control: impl FnMut(&IntervalSamples) -> Option<PoolTable>,
) -> anyhow::Result<Played> {
    let (scale, began, seeded) = (&world.scale, Instant::now(), pool.place.seeded().await?);
    // What happened before is nobody's of this arm.
    pool.samples().await?;
    let mut guests: Vec<Option<Guest>> = vec![None; world.slots.len()];
    let mut next = vec![0_usize; world.slots.len()];
    let mut played =
        Played { down: vec![0; world.kinds.len()], present: vec![0.0; world.kinds.len()], ..Played::default() };
    let mut looks = 0.0;
    loop {
        let over = began.elapsed().as_secs_f64() >= seconds;
        let counts = crowd.counts().await?;
        looks += 1.0;
        for (number, slot) in world.slots.iter().enumerate() {
            if let Some(mut guest) = guests[number] {
                let count = counts[number];
                if count.ended.is_some() && guest.done.is_none() {
                    guest.done = Some(Instant::now());
                    guests[number] = Some(guest);
                }
                if guest.done.is_none() && !slot.seed {
                    played.present[slot.swarm] += 1.0;
                }
                let leaves = guest.done.is_some_and(|done| closed || done.elapsed().as_secs_f64() >= guest.stays);
                if over || (leaves && !slot.seed) {
                    crowd.end(number).await?;
                    guests[number] = None;
                    played.down[slot.swarm] += count.down;
                    let lacked = count.ended.unwrap_or_else(|| guest.came.elapsed().as_secs_f64());
                    // Whoever has only just come has no rate yet.
                    if !slot.seed && (count.ended.is_some() || lacked > 0.2 * seconds) {
                        played.rates.push(count.down as f64 / lacked);
                    }
                }
            } else if !over {
                let due = arrivals[number].get(next[number]).copied();
                let due = due.or_else(|| closed.then_some((0.0, 0.0)));
                if let Some((_, stays)) = due.filter(|(at, _)| closed || *at <= began.elapsed().as_secs_f64()) {
                    next[number] += 1;
                    let title = &pool.place.titles[slot.swarm];
                    pool.viewers += 1;
                    let own = pool.place.folder(&format!("viewer-{}", pool.viewers))?;
                    let folder = if slot.seed { &title.whole } else { &own };
                    let order = Order {
                        torrent: &title.torrent,
                        folder,
                        size: title.size,
                        seed: slot.seed,
                        client: slot.client,
                        pace: scale.interval,
                    };
                    crowd.begin(number, order).await?;
                    guests[number] = Some(Guest { came: Instant::now(), stays, done: None });
                }
            }
        }
        if over {
            break;
        }
        for interval in pool.samples().await? {
            if let Some(table) = control(&interval) {
                pool.put(table).await?;
            }
        }
        sleep(LOOK).await;
    }
    played.seeded = pool.place.seeded().await? - seeded;
    played.present.iter_mut().for_each(|present| *present /= looks);
    // Peers that went are forgotten before the next arm begins.
    sleep(Duration::from_secs(scale.interval)).await;
    Ok(played)
}
