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
//! cost, so the steps end; that they also end soon is made sure by their number, at most one for each partition.
use super::assign::{place, Plan};
use core::cmp::Ordering;

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
        // tests need half as many steps at most; where they end the assignment is valid, however good
        for _ in self.index.partitions() {
            if !self.improve() {
                break;
            }
        }
    }

    /// Of two that claim a partition the later generation is right. Of the same generation nobody is, as in Java.
    fn read_claims(&mut self) {
        let index = self.index;
        for (at, member) in (0..index.count()).filter_map(|at| index.member(at).map(|member| (at, member))) {
            for (topic, number) in member.claims() {
                let Some(partition) = index.of_topic(topic).nth(number as usize) else { continue };
                let (_, claim) = self.partition(partition);
                let rival = claim & !CONTESTED;
                let theirs = usize::from(rival).checked_sub(1).and_then(|rival| index.member(rival));
                match theirs.map(|rival| rival.generation.cmp(&member.generation)) {
                    Some(_) if rival == place(at) => {}
                    Some(Ordering::Greater) => {}
                    Some(Ordering::Equal) => self.claim(partition, claim | CONTESTED),
                    _ => self.claim(partition, place(at)),
                }
            }
        }
    }

    /// Everybody has what is rightly claimed and still wanted.
    fn keep(&mut self) {
        let index = self.index;
        for (topic, partition) in index.partitions() {
            let (_, claim) = self.partition(partition);
            match usize::from(claim).checked_sub(1) {
                Some(member) if claim & CONTESTED == 0 && index.subscribes(member, topic) => {
                    self.hand(partition, member)
                }
                _ => {}
            }
        }
    }

    /// Each partition to who has least of those that want it, if it is nobody's; with `moving`, also if that improves balance.
    fn spread(&mut self, moving: bool) {
        let index = self.index;
        for (topic, partition) in index.partitions() {
            let Some(to) = index.subscribers(topic).min_by_key(|&member| self.count(member)) else { continue };
            match usize::from(self.partition(partition).0).checked_sub(1) {
                None => self.hand(partition, to),
                Some(from) if moving && self.count(from) > self.count(to).saturating_add(1) => self.hand(partition, to),
                _ => {}
            }
        }
    }

    /// One step; whether there was one.
    fn improve(&mut self) -> bool {
        let members = self.index.count();
        for member in 0..members {
            // the member gives one: (n - 1)² - n²
            let cost = 1i64.saturating_sub(self.count(member).saturating_mul(2)).saturating_mul(BALANCE);
            self.reach(member, 0, 0, cost);
        }
        // Bellman and Ford: a path without a cycle is known after as many rounds as there are members
        let mut last = None;
        for _ in 0..=members {
            last = self.relax();
            if last.is_none() {
                break;
            }
        }
        let end = match last {
            Some(behind) => {
                // still cheaper: there is a cycle, and so many steps back is on it
                (0..members).try_fold(behind, |member, _| self.parent(member))
            }
            None => {
                // the member takes one: (n + 1)² - n²
                let taken = |member| self.count(member).saturating_mul(2).saturating_add(1).saturating_mul(BALANCE);
                let total = |member| self.cost(member).saturating_add(taken(member));
                (0..members).min_by_key(|&member| total(member)).filter(|&member| total(member) < 0)
            }
        };
        let Some(end) = end else { return false };
        let mut to = end;
        for _ in 0..members {
            let Some(from) = self.parent(to) else { break };
            self.hand(self.scratch(to, PARTITION) as usize, to);
            to = from;
            if to == end {
                break;
            }
        }
        true
    }

    /// One round over all edges; a member whose path has become cheaper.
    fn relax(&mut self) -> Option<usize> {
        let (index, mut last) = (self.index, None);
        for (topic, partition) in index.partitions() {
            let (owner, claim) = self.partition(partition);
            let Some(from) = usize::from(owner).checked_sub(1) else { continue };
            let given = self.cost(from).saturating_add((claim == owner).into());
            for to in (0..index.count()).filter(|to| *to != from) {
                let cost = given.saturating_sub((claim == place(to)).into());
                if cost < self.cost(to) && index.subscribes(to, topic) {
                    self.reach(to, owner, partition, cost);
                    last = Some(to);
                }
            }
        }
        last
    }

    /// The cheapest path to a member that is known.
    fn reach(&mut self, member: usize, parent: u16, partition: usize, cost: i64) {
        self.set_scratch(member, PARENT, parent.into());
        self.set_scratch(member, PARTITION, partition as u32);
        self.set_scratch(member, COST, cost as u32);
        self.set_scratch(member, COST + 1, (cost >> 32) as u32);
    }

    fn hand(&mut self, partition: usize, to: usize) {
        let (owner, _) = self.partition(partition);
        if let Some(from) = usize::from(owner).checked_sub(1) {
            self.set_scratch(from, COUNT, self.scratch(from, COUNT).saturating_sub(1));
        }
        self.set_scratch(to, COUNT, self.scratch(to, COUNT).saturating_add(1));
        self.give(partition, place(to));
    }

    fn count(&self, member: usize) -> i64 {
        self.scratch(member, COUNT).into()
    }

    fn parent(&self, member: usize) -> Option<usize> {
        (self.scratch(member, PARENT) as usize).checked_sub(1)
    }

    fn cost(&self, member: usize) -> i64 {
        i64::from(self.scratch(member, COST)) | i64::from(self.scratch(member, COST + 1)) << 32
    }
}
