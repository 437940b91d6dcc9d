//! What is given to one peer: the half of a session that answers requests. Pure; who may be given something is
//! [`super::choker`]'s business, and the bytes are read elsewhere.

use std::collections::VecDeque;

use super::bits::Bits;
use super::message::{Block, Message};
use crate::torrent::Plan;

/// Requests of a peer that wait at most; further ones are refused.
const QUEUE: usize = 250;
/// Longest block that is given, bytes. Clients ask for 16 KiB.
const MAX_BLOCK: u32 = 128 << 10;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Giving {
    fast: bool,
    /// What it was told we have.
    told: Bits,
    wants: bool,
    choked: bool,
    asked: VecDeque<Block>,
}

impl Giving {
    /// A peer that was told of nothing yet, in a torrent of `count` pieces.
    pub(super) fn new(fast: bool, count: u32) -> Self {
        Self { fast, told: Bits::none(count), wants: false, choked: true, asked: VecDeque::new() }
    }

    /// Tells of all that is there, as the first message of a session.
    pub(super) fn begin(&mut self, ours: &Bits) -> Option<Message> {
        if ours.count() == 0 {
            return self.fast.then_some(Message::HaveNone);
        }
        self.told = ours.clone();
        Some(Message::Bitfield(ours.bytes()))
    }

    /// Tells of a piece that came since.
    pub(super) fn tell(&mut self, index: u32, say: impl FnOnce(&Message)) {
        if !self.told.has(index) && self.told.set(index, true) {
            say(&Message::Have(index));
        }
    }

    /// Whether it wants something of ours.
    pub(super) const fn wants(&self) -> bool {
        self.wants
    }

    /// Takes in what it wants.
    pub(super) const fn interested(&mut self, wants: bool) {
        self.wants = wants;
    }

    /// Takes in a request. What is not given is refused, where a refusal can be said.
    pub(super) fn request(&mut self, block: Block, plan: &Plan, say: impl FnMut(&Message)) {
        if self.choked || !self.may(block, plan) || self.asked.len() >= QUEUE {
            self.refuse(block, say);
        } else {
            self.asked.push_back(block);
        }
    }

    /// It does not want a block any more.
    pub(super) fn cancel(&mut self, block: Block, say: impl FnMut(&Message)) {
        if let Some(at) = self.asked.iter().position(|asked| *asked == block) {
            self.asked.remove(at);
            self.refuse(block, say);
        }
    }

    /// Lets its requests through, or not.
    pub(super) fn choke(&mut self, choked: bool, mut say: impl FnMut(&Message)) {
        if std::mem::replace(&mut self.choked, choked) == choked {
            return;
        }
        say(if choked { &Message::Choke } else { &Message::Unchoke });
        if choked {
            for block in std::mem::take(&mut self.asked) {
                self.refuse(block, &mut say);
            }
        }
    }

    /// The next block to be given.
    pub(super) fn next(&mut self) -> Option<Block> {
        self.asked.pop_front()
    }

    fn may(&self, block: Block, plan: &Plan) -> bool {
        let length = plan.info().length_of(block.index.into());
        let end = u64::from(block.begin) + u64::from(block.length);
        self.told.has(block.index) && (1..=MAX_BLOCK).contains(&block.length) && end <= length
    }

    /// Says that a block will not come, where that can be said: a peer without the fast extension asks again.
    pub(super) fn refuse(&self, block: Block, mut say: impl FnMut(&Message)) {
        if self.fast {
            say(&Message::Reject(block));
        }
    }
}
