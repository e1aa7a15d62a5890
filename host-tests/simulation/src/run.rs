//! One run: who acts when, what goes wrong, and what must be true at the end.
use crate::member::{config, process, Shared};
use crate::plan::{Front, Plan, GROUP, NAMES};
use crate::truth::Log;
use crate::world::{Counts, World};
use nanokafka::{ConnectionId, Instant, Transport};
use nanokafka_scripted::{Cluster, Cut, Direction, End, Net, Profile, Random};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

/// After everything works again, the backlog is handed out and committed within this time: a session, the rebalance that
/// waits for whoever is gone, and the application's own slowness.
const RECOVERY_MS: u64 = 90_000;
/// When nothing has gone wrong for a while, what is appended is handed out within this time.
const PROMPT_MS: u64 = 2_000;
/// The same when connections are fewer than leaders and take turns.
const ROTATING_MS: u64 = 6_000;
/// The same when a connection has died in silence: `fetch.max.wait.ms` and `request.timeout.ms` pass before that is known.
const GIVEN_UP_MS: u64 = 8_500 + PROMPT_MS;
/// Turns of one member in a virtual second in which nothing happened and that it asked for.
const IDLE_TURNS: u64 = 200;
/// Attempts of one connection of a member to reach one broker in a minute.
const CONNECTS: usize = 75;
/// More turns than any run takes.
const TURNS: u64 = 3_000_000;

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A running process, as the scheduler sees it.
struct Task {
    id: usize,
    future: Pin<Box<dyn Future<Output = ()>>>,
    flag: Arc<Flag>,
    superloop: bool,
    impatient: bool,
    net: Net,
    frozen_until: u64,
    /// Of the last turn: time, what had moved, events.
    seen: (u64, u64, u64),
    /// The second in which turns are counted, and how many were for nothing.
    idle: (u64, u64),
}

/// What came of a run.
pub struct Outcome {
    /// The seed it was.
    pub seed: u64,
    /// What happened how often.
    pub counts: Counts,
    /// The first invariant that did not hold.
    pub violation: Option<String>,
    /// Everything that happened, a line each.
    pub log: String,
}

struct Run {
    shared: Shared,
    cluster: Cluster,
    plan: Plan,
    tasks: Vec<Task>,
    random: Random,
    started: usize,
    turns: u64,
}

/// Runs a seed to its end, or to the first violation.
pub fn run(seed: u64) -> Outcome {
    let mut run = Run::new(Plan::new(seed), seed);
    run.whole();
    let cluster = run.cluster.clone();
    let mut world = run.shared.borrow_mut();
    let protocol = cluster.take_violations().into_iter().next();
    let generation = cluster.group(GROUP).map_or(0, |group| group.generation);
    world.counts.add("generations", generation as u64);
    world.counts.add("requests", cluster.requests_since(0).len() as u64);
    let log = cluster.log();
    for (what, sign) in
        [("leaders moved", "leader of"), ("coordinators moved", "coordinator of"), ("brokers killed", "killed")]
    {
        world.counts.add(what, log.lines().filter(|line| line.contains(sign)).count() as u64);
    }
    Outcome { seed, counts: world.counts.clone(), violation: protocol.or(world.violation.take()), log }
}

impl Run {
    fn new(mut plan: Plan, seed: u64) -> Self {
        let cluster = Cluster::new(plan.brokers);
        let (latency, delay) = (plan.latency_ms, plan.initial_delay_ms);
        cluster.time_limit(u64::MAX).configure(|settings| {
            (settings.latency_ms, settings.initial_rebalance_delay_ms) = (latency, delay);
            settings.broker_session_timeout_ms = 3_000;
            (settings.consumer_session_timeout_ms, settings.consumer_heartbeat_interval_ms) = (8_000, 1_500);
        });
        match plan.release {
            0 => {}
            1 => _ = cluster.profile(Profile::kafka_2_8()),
            _ => _ = cluster.profile(Profile::kafka_2_1()),
        }
        let mut logs = vec![];
        for &(topic, partitions) in &plan.topics {
            cluster.replicated_topic(topic, partitions, plan.brokers);
            logs.extend((0..partitions).map(|partition| Log::new(topic, partition as i32)));
        }
        cluster.chaos(plan.chaos.clone());
        let slack = 2 * latency + plan.chaos.late_ms + 1_000;
        let shared = Rc::new(RefCell::new(World::new(cluster.clone(), logs, slack)));
        let random = Random::new(plan.random.number() ^ seed);
        let mut run = Run { shared, cluster, plan, tasks: vec![], random, started: 0, turns: 0 };
        (0..run.plan.members).for_each(|_| run.start());
        run
    }

    fn failed(&self) -> bool {
        self.shared.borrow().violation.is_some()
    }

    fn fail(&self, text: impl Into<String>) {
        self.shared.borrow_mut().fail(text.into());
    }

    fn count(&self, what: &'static str) {
        self.shared.borrow_mut().counts.add(what, 1);
    }

    /// A process starts.
    fn start(&mut self) {
        let Some(name) = NAMES.get(self.started) else { return };
        let mut style = self.plan.style(self.started);
        if self.shared.borrow().quiet {
            style.instance = None; // nobody is fenced
        }
        self.started += 1;
        let net = self.cluster.net(style.connections);
        match self.random.below(6) {
            0 => _ = net.jitter(self.random.number()),
            1 => _ = net.grain(1 + self.random.below(40) as usize),
            _ => {}
        }
        let servers = ["b1:9092", "b1:9092,b2:9092", "b1:9092,b2:9092,b3:9092"][self.plan.brokers - 1];
        let config = config(&style, name, servers);
        let topics = self.plan.topics.iter().map(|(topic, _)| *topic).collect();
        let superloop = style.front == Front::Superloop;
        let impatient = matches!(style.front, Front::Impatient(_));
        let random = Random::new(self.random.number());
        let id = self.shared.borrow_mut().join(name, net.clone(), style, random);
        let future = process(self.shared.clone(), id, config, topics);
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let seen = (u64::MAX, 0, 0);
        self.tasks.push(Task { id, future, flag, superloop, impatient, net, frozen_until: 0, seen, idle: (0, 0) });
        self.count("started");
    }

    /// kill -9: its connections end, or, when the power went, nobody is told.
    fn kill(&mut self, at: usize) {
        let id = self.tasks[at].id;
        self.count("killed");
        if self.random.below(2) == 0 {
            self.note(id, "killed");
            self.disconnect(at);
        } else {
            self.note(id, "lost its power");
            self.tasks.remove(at);
        }
        self.shared.borrow_mut().gone(id);
    }

    /// A process has ended, its sockets with it.
    fn disconnect(&mut self, at: usize) {
        let mut net = self.tasks.remove(at).net;
        for connection in 0..net.connections() {
            net.abort(ConnectionId::new(connection as u8));
        }
    }

    fn note(&self, id: usize, what: &str) {
        let world = self.shared.borrow();
        self.cluster.note(format!("{}: {what}", world.members[id].name));
    }

    /// Lets everybody act until `until`, or until `done`.
    fn go(&mut self, until: u64, mut done: impl FnMut(&mut Run) -> bool) -> bool {
        loop {
            if self.failed() {
                return false;
            }
            if done(self) {
                return true;
            }
            let now = self.cluster.millis();
            if now >= until {
                return false;
            }
            self.turns += 1;
            if self.turns > TURNS {
                self.fail(format!("{TURNS} turns are not enough"));
                return false;
            }
            self.turn(now);
            self.shared.borrow_mut().look();
            if self.tasks.iter().any(|task| task.flag.0.load(Ordering::Relaxed) && task.frozen_until <= now) {
                continue;
            }
            let next = self.next_deadline(now).min(until);
            self.cluster.tick(Instant::from_millis(next));
            let now = self.cluster.millis();
            let mut world = self.shared.borrow_mut();
            world.look();
            let (due, later) = std::mem::take(&mut world.naps).into_iter().partition(|(at, _)| *at <= now);
            world.naps = later;
            drop(world);
            let due: Vec<(u64, Waker)> = due;
            due.into_iter().for_each(|(_, waker)| waker.wake());
        }
    }

    fn next_deadline(&self, now: u64) -> u64 {
        let world = self.shared.borrow();
        let of = |task: &Task| match task.frozen_until > now {
            true => task.frozen_until,
            false if task.superloop => world.members[task.id].deadline,
            false => task.net.deadline().as_millis(),
        };
        let naps = world.naps.iter().map(|(at, _)| *at);
        self.tasks.iter().map(of).chain(naps).min().unwrap_or(u64::MAX)
    }

    /// Everybody who is due acts once, in an order that changes.
    fn turn(&mut self, now: u64) {
        let first = self.random.below(self.tasks.len() as u64) as usize;
        let mut ended = vec![];
        for at in 0..self.tasks.len() {
            let at = (first + at) % self.tasks.len();
            let task = &mut self.tasks[at];
            let woken = task.flag.0.swap(false, Ordering::Relaxed);
            if task.frozen_until > now {
                task.flag.0.store(woken, Ordering::Relaxed);
                continue;
            }
            if !woken && !task.superloop {
                continue;
            }
            let waker = Waker::from(task.flag.clone());
            let asked = !task.superloop || self.shared.borrow().members[task.id].deadline <= now;
            if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                ended.push(task.id);
            }
            let mut world = self.shared.borrow_mut();
            if !world.members[task.id].deaf {
                world.note_turn(task.id);
            }
            let events = world.members[task.id].events;
            drop(world);
            let seen = (now, task.net.activity(), events);
            if now / 1_000 != task.idle.0 {
                task.idle = (now / 1_000, 0);
            }
            if asked && !task.impatient && task.seen == seen {
                task.idle.1 += 1;
                if task.idle.1 > IDLE_TURNS {
                    let mut world = self.shared.borrow_mut();
                    world.violate(task.id, format!("{IDLE_TURNS} turns for nothing in a second"));
                }
            }
            task.seen = seen;
        }
        for id in ended {
            let at = self.tasks.iter().position(|task| task.id == id).expect("it has just run");
            self.disconnect(at);
            self.shared.borrow_mut().gone(id);
        }
    }

    fn whole(&mut self) {
        self.trouble();
        self.heal();
        let settled = |run: &mut Run| {
            if run.tasks.is_empty() {
                // the last one was fenced by its own past: its coordinator was lost between JoinGroup and SyncGroup
                run.start();
            }
            let mut world = run.shared.borrow_mut();
            world.missing().is_none() && world.uncommitted().is_none()
        };
        let from = self.cluster.millis();
        if !self.go(from + RECOVERY_MS, settled) {
            let mut world = self.shared.borrow_mut();
            let (missing, uncommitted) = (world.missing(), world.uncommitted());
            return world.fail(format!("not within {RECOVERY_MS} ms: {missing:?} missing, {uncommitted:?}"));
        }
        self.quiet();
        self.check_connects();
    }

    /// Everything happens that the plan wants.
    fn trouble(&mut self) {
        let (mut next_append, mut next_trouble) = (0, self.plan.trouble_ms);
        while self.cluster.millis() < self.plan.heal_at && !self.failed() {
            let now = self.cluster.millis();
            if now >= next_append {
                next_append = now + 1 + self.random.below(2 * self.plan.append_ms);
                self.append();
            }
            if now >= next_trouble {
                next_trouble = now + 1 + self.random.below(2 * self.plan.trouble_ms);
                self.strike(now);
            }
            self.go(next_append.min(next_trouble).min(self.plan.heal_at), |_| false);
        }
    }

    fn append(&mut self) {
        let mut world = self.shared.borrow_mut();
        let part = self.random.below(world.logs.len() as u64) as usize;
        let log = &mut world.logs[part];
        log.produce(&mut self.random, &self.cluster);
    }

    /// Something goes wrong, or somebody comes or goes.
    fn strike(&mut self, now: u64) {
        let member = self.random.below(self.tasks.len() as u64) as usize;
        let node = 1 + self.random.below(self.plan.brokers as u64) as i32;
        let crowded = self.tasks.len() > 4;
        match self.random.below(12) {
            0 | 1 if !crowded => self.start(),
            2 if !self.tasks.is_empty() => {
                let id = self.tasks[member].id;
                self.note(id, "is to close");
                self.shared.borrow_mut().members[id].closing = true;
                self.tasks[member].flag.0.store(true, Ordering::Relaxed);
            }
            3 if !self.tasks.is_empty() => {
                self.kill(member);
                self.start();
            }
            4 | 5 if !self.tasks.is_empty() => {
                let millis = 500 + self.random.below(16_000);
                self.note(self.tasks[member].id, &format!("frozen for {millis} ms"));
                self.count("frozen");
                self.tasks[member].frozen_until = now + millis;
            }
            6 | 7 if !self.tasks.is_empty() => {
                let direction = [Direction::Both, Direction::ToClient, Direction::ToBroker][node as usize % 3];
                let end = [End::Reset, End::Reset, End::Fin, End::Stall][self.random.below(4) as usize];
                let net = &self.tasks[member].net;
                let stats = net.stats();
                let passed = match direction {
                    Direction::Both => stats.read + stats.written,
                    Direction::ToClient => stats.read,
                    Direction::ToBroker => stats.written,
                };
                net.cut(Cut { direction, after: passed + self.random.below(2_000), end });
                self.count("cut");
            }
            8 => {
                let end = if self.random.below(2) == 0 { End::Reset } else { End::Stall };
                self.cluster.end_all(node, end);
                self.count("connections of a broker ended");
            }
            9 => {
                let millis = 200 + self.random.below(9_000);
                self.cluster.pause(node).note(format!("node {node} frozen for {millis} ms"));
                self.cluster.at(now + millis, move |cluster| {
                    cluster.resume(node);
                });
                self.count("brokers frozen");
            }
            10 => {
                let mut world = self.shared.borrow_mut();
                let part = self.random.below(world.logs.len() as u64) as usize;
                let log = &mut world.logs[part];
                let partition = self.cluster.partition(log.topic, log.partition);
                if self.random.below(2) == 0 {
                    partition.hold_high_watermark(Some(partition.high_watermark()));
                    let (topic, partition) = (log.topic, log.partition);
                    let until = now + self.random.below(5_000);
                    self.cluster.at(until, move |cluster| {
                        cluster.partition(topic, partition).hold_high_watermark(None);
                    });
                    world.counts.add("high watermarks held", 1);
                } else {
                    let (start, end) = (partition.log_start(), partition.log_end());
                    log.delete_before(start + self.random.below((end - start) as u64 / 2 + 1) as i64, &self.cluster);
                    world.counts.add("logs shortened", 1);
                }
            }
            _ => {
                let quota = (self.random.below(2) == 0).then(|| 5_000 + self.random.below(50_000));
                self.cluster.configure(|settings| settings.fetch_quota = quota);
                self.count("quotas changed");
            }
        }
    }

    /// Everything works again; whoever was away is back.
    fn heal(&mut self) {
        let now = self.cluster.millis();
        self.cluster.heal().configure(|settings| settings.fetch_quota = None).note("healed");
        for node in 1..=self.plan.brokers as i32 {
            self.cluster.resume(node);
        }
        self.shared.borrow_mut().healed = true;
        for log in &mut self.shared.borrow_mut().logs {
            log.finish(&self.cluster);
        }
        for task in &mut self.tasks {
            task.frozen_until = now;
            task.net.smooth();
        }
        let closing = |task: &Task| self.shared.borrow().members[task.id].closing;
        if self.tasks.iter().all(closing) {
            self.start();
        }
    }

    /// Nothing goes wrong any more: records come promptly and once, also through rebalances.
    fn quiet(&mut self) {
        let steady = |run: &mut Run| run.is_steady();
        // a killed broker comes back after at most this time
        self.go(self.plan.heal_at + self.plan.chaos.dead_ms, |_| false);
        for round in 0..3 {
            let from = self.cluster.millis();
            if !self.go(from + RECOVERY_MS, steady) {
                let there: Vec<_> = self.tasks.iter().map(|task| NAMES[task.id]).collect();
                let group = self.cluster.group(GROUP).map(|group| (group.phase, group.members.len()));
                return self.fail(format!("no steady group within {RECOVERY_MS} ms: {there:?}, {group:?}"));
            }
            self.shared.borrow_mut().quiet = true;
            self.go(self.cluster.millis() + 1_000, |_| false);
            for _ in 0..4 {
                self.append();
            }
            self.shared.borrow_mut().logs.iter_mut().for_each(|log| log.finish(&self.cluster));
            // a request on a connection that is half open is given up after its own time
            let rotates = |task: &Task| task.net.connections() <= self.plan.brokers;
            let prompt = match self.cluster.stalled() {
                0 if self.tasks.iter().any(rotates) => ROTATING_MS,
                0 => PROMPT_MS,
                _ => GIVEN_UP_MS,
            };
            let from = self.cluster.millis();
            if !self.go(from + prompt, |run| run.shared.borrow_mut().missing().is_none()) {
                let missing = self.shared.borrow_mut().missing();
                return self.fail(format!("{missing:?} not within {prompt} ms"));
            }
            match round {
                0 => self.start(),
                1 if self.tasks.len() > 1 => {
                    let id = self.tasks[0].id;
                    self.shared.borrow_mut().members[id].closing = true;
                    self.tasks[0].flag.0.store(true, Ordering::Relaxed);
                }
                _ => {}
            }
            self.go(self.cluster.millis() + 200, |_| false);
        }
    }

    /// Everybody is a member, and knows what it has; nothing is left to be read.
    fn is_steady(&mut self) -> bool {
        let mut world = self.shared.borrow_mut();
        let closing = self.tasks.iter().any(|task| world.members[task.id].closing);
        !closing && world.is_steady(self.tasks.iter().map(|task| task.id)) && world.missing().is_none()
    }

    fn check_connects(&self) {
        let connects = self.cluster.connects();
        let mut worst = (0, "", 0);
        for (i, first) in connects.iter().enumerate() {
            let same = connects[i..].iter().take_while(|next| next.at < first.at + 60_000).filter(|next| !next.reached);
            let n = same
                .filter(|next| (next.net, next.connection, &next.host) == (first.net, first.connection, &first.host))
                .count();
            worst = worst.max((n, &first.host[..], first.net));
        }
        if worst.0 > CONNECTS {
            self.fail(format!("net {} connects {} times a minute to {}", worst.2, worst.0, worst.1));
        }
    }
}
