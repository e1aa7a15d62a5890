//! Sticky assignments (KIP-54, KIP-429), not Java's but as good in what Java promises, and better where subscriptions differ: the
//! sum of squares of what members have is the least there is, so that no chain of moves balances better, and among all such
//! assignments as few partitions leave their owners as can be. Therefore an assignment is kept if it can be, and what a
//! cooperative group withholds in one rebalance finds its place in the next without a third.
//!
//! A first assignment, which is nearly that, is improved step by step. Members are the nodes of a graph. From one to another
//! leads an edge for each partition that the one has and the other wants; it costs 1 if the one claims the partition, -1 if
//! the other does. A path makes its first member give and its last one take, which also costs what that changes of the sum of
//! squares; that weighs more than all partitions. As long as there is a path or a cycle of negative cost its partitions
//! move; when there is none the assignment is the best (the optimality condition of minimum-cost flows). Each step lowers the
//! cost, so the steps end.
use super::assign::{place, Plan, SCRATCH};

/// More than all the partitions that can move.
const BALANCE: i64 = 1 << 32;

/// Others of the same generation claim the partition too.
const CONTESTED: u16 = 0x8000;

/// Words of a member's scratch.
const COUNT: usize = 0;
/// Place of the member from which the cheapest path comes, 0 for none, and the partition it passes on.
const PARENT: usize = 1;
const PARTITION: usize = 2;
/// Of that path, in two words.
const COST: usize = 3;

impl Plan<'_> {
    pub(super) fn stick(&mut self) {
        self.read_claims();
        self.keep();
        // what nobody has comes first: it fills gaps that would else be filled with what others have to lose
        self.spread(false);
        self.spread(true);
        while self.improve() {}
    }

    /// Of two that claim a partition the later generation is right. Of the same generation nobody is, as in Java.
    fn read_claims(&mut self) {
        for member in 0..self.members {
            let Some(claimant) = self.member(member) else { continue };
            let (claims, generation) = (claimant.claims(), claimant.generation);
            for (topic, number) in claims {
                let Some(partition) = self.find(topic, number.into()) else { continue };
                let (_, claim) = self.view().partition(partition);
                let rival = claim & !CONTESTED;
                let theirs = self.member(usize::from(rival).wrapping_sub(1)).map(|rival| rival.generation);
                match theirs {
                    Some(theirs) if theirs > generation || rival == place(member) => {}
                    Some(theirs) if theirs == generation => self.claim(partition, claim | CONTESTED),
                    _ => self.claim(partition, place(member)),
                }
            }
        }
    }

    fn find(&self, topic: u16, number: usize) -> Option<usize> {
        let mut start = 0;
        for at in 0..self.topics {
            let end = self.view().end(at, start);
            if self.view().topic(at) == topic {
                return Some(start.saturating_add(number)).filter(|&partition| partition < end);
            }
            start = end;
        }
        None
    }

    /// Everybody has what is rightly claimed and still wanted.
    fn keep(&mut self) {
        let mut start = 0;
        for topic in 0..self.topics {
            let end = self.view().end(topic, start);
            for partition in start..end {
                let (_, claim) = self.view().partition(partition);
                let member = usize::from(claim).wrapping_sub(1);
                if claim & CONTESTED == 0 && self.view().subscribes(member, topic) {
                    self.hand(partition, member);
                }
            }
            start = end;
        }
    }

    /// Each partition to who has least of those that want it, if it is nobody's; with `moving`, also if that improves balance.
    fn spread(&mut self, moving: bool) {
        let mut start = 0;
        for topic in 0..self.topics {
            let end = self.view().end(topic, start);
            for partition in start..end {
                let view = self.view();
                let Some(to) = view.subscribers(topic).min_by_key(|&member| self.count(member)) else { continue };
                match usize::from(view.partition(partition).0).checked_sub(1) {
                    None => self.hand(partition, to),
                    Some(from) if moving && self.count(from) > self.count(to).saturating_add(1) => {
                        self.hand(partition, to);
                    }
                    _ => {}
                }
            }
            start = end;
        }
    }

    /// One step; whether there was one.
    fn improve(&mut self) -> bool {
        for member in 0..self.members {
            // the member gives one: (n - 1)² - n²
            let cost = 1i64.saturating_sub(self.count(member).saturating_mul(2)).saturating_mul(BALANCE);
            self.set_scratch(member, PARENT, 0);
            self.set_cost(member, cost);
        }
        // Bellman and Ford: a path without a cycle is known after as many rounds as there are members
        let mut last = None;
        for _ in 0..=self.members {
            last = self.relax();
            if last.is_none() {
                break;
            }
        }
        let end = match last {
            Some(behind) => {
                // still shorter: there is a cycle, and so many steps back is on it
                (0..self.members).fold(Some(behind), |member, _| self.parent(member?))
            }
            // the member takes one: (n + 1)² - n²
            None => {
                let taken = |member| self.count(member).saturating_mul(2).saturating_add(1).saturating_mul(BALANCE);
                let total = |member| self.cost(member).saturating_add(taken(member));
                (0..self.members).min_by_key(|&member| total(member)).filter(|&member| total(member) < 0)
            }
        };
        let Some(end) = end else { return false };
        let mut to = end;
        for _ in 0..self.members {
            let Some(from) = self.parent(to) else { break };
            self.hand(self.scratch_word(to, PARTITION) as usize, to);
            to = from;
            if to == end {
                break;
            }
        }
        true
    }

    /// One round over all edges; a member whose path has become cheaper.
    fn relax(&mut self) -> Option<usize> {
        let (mut last, mut start) = (None, 0);
        for topic in 0..self.topics {
            let end = self.view().end(topic, start);
            for to in 0..self.members {
                if !self.view().subscribes(to, topic) {
                    continue;
                }
                for partition in start..end {
                    let (owner, claim) = self.view().partition(partition);
                    let from = usize::from(owner).wrapping_sub(1);
                    let edge = i64::from(claim == owner).saturating_sub((claim == place(to)).into());
                    let cost = self.cost(from).saturating_add(edge);
                    if from != to && cost < self.cost(to) {
                        self.set_scratch(to, PARENT, owner.into());
                        self.set_scratch(to, PARTITION, partition as u32);
                        self.set_cost(to, cost);
                        last = Some(to);
                    }
                }
            }
            start = end;
        }
        last
    }

    fn hand(&mut self, partition: usize, to: usize) {
        let from = usize::from(self.view().partition(partition).0).checked_sub(1);
        for (member, more) in from.map(|from| (from, -1)).into_iter().chain([(to, 1)]) {
            let count = self.scratch_word(member, COUNT).saturating_add_signed(more);
            self.set_scratch(member, COUNT, count);
        }
        self.give(partition, place(to));
    }

    fn scratch_at(&self, member: usize, field: usize) -> usize {
        self.scratch().saturating_add(member.saturating_mul(SCRATCH)).saturating_add(field)
    }

    fn scratch_word(&self, member: usize, field: usize) -> u32 {
        self.word(self.scratch_at(member, field))
    }

    fn set_scratch(&mut self, member: usize, field: usize, value: u32) {
        self.set(self.scratch_at(member, field), value);
    }

    fn count(&self, member: usize) -> i64 {
        self.scratch_word(member, COUNT).into()
    }

    fn parent(&self, member: usize) -> Option<usize> {
        (self.scratch_word(member, PARENT) as usize).checked_sub(1)
    }

    fn cost(&self, member: usize) -> i64 {
        let half = |field| u64::from(self.scratch_word(member, field));
        (half(COST) | half(COST + 1) << 32) as i64
    }

    fn set_cost(&mut self, member: usize, cost: i64) {
        self.set_scratch(member, COST, cost as u32);
        self.set_scratch(member, COST + 1, (cost >> 32) as u32);
    }
}
