//! Cooperative members that cannot join again: each connection ends before the coordinator has their JoinGroup, as behind a router
//! that drops what is long. They keep what they have and read on, but must not commit what is another's by then.
use nanokafka::{
    Assignor, Config, Consumer, Error, Event, GroupProtocol, Instant, OffsetReset, Seed, Storage, Superloop,
};
use nanokafka_scripted::{batch, Api, Cluster, Cut, End, Net};
use std::task::Poll;
use std::time::Duration;

const SESSION: u64 = 10_000;

fn classic() -> Config<'static> {
    Config::new("b1:9092")
        .group_id("g")
        .auto_offset_reset(OffsetReset::Earliest)
        .session_timeout(Duration::from_millis(SESSION))
        .heartbeat_interval(Duration::from_secs(1))
        .max_poll_interval(Duration::from_secs(20))
        .auto_commit_interval(Duration::from_secs(1))
        .partition_assignment_strategy(&[Assignor::CooperativeSticky])
}

fn broker_assigns() -> Config<'static> {
    Config::new("b1:9092")
        .group_id("g")
        .group_protocol(GroupProtocol::Consumer)
        .auto_offset_reset(OffsetReset::Earliest)
        .auto_commit_interval(Duration::from_secs(1))
}

struct Member {
    consumer: Consumer<'static, Superloop>,
    net: Net,
    /// `+` assigned, `-` revoked, `!` lost; `.` records.
    told: String,
}

struct Group {
    cluster: Cluster,
    members: Vec<Member>,
}

impl Group {
    /// A cluster with records on their way all the time.
    fn new() -> Self {
        let cluster = Cluster::new(2);
        cluster.configure(|settings| {
            (settings.initial_rebalance_delay_ms, settings.latency_ms) = (0, 5);
            settings.consumer_session_timeout_ms = SESSION;
            settings.consumer_heartbeat_interval_ms = 1_000;
        });
        cluster.set_coordinator("g", 1).topic("t", 4);
        (0..4).for_each(|n| _ = cluster.partition("t", n).elect(2));
        for n in 0..2_000u64 {
            cluster.at(n * 100, move |cluster| _ = cluster.partition("t", (n % 4) as i32).append(batch().fill(1, 10)));
        }
        cluster.time_limit(600_000);
        Group { cluster, members: vec![] }
    }

    fn join(&mut self, config: Config<'static>) {
        let (storage, seed) = (Storage::boxed(4, 3, 512), Seed::new([self.members.len() as u8 + 1; 32]));
        let mut consumer = Consumer::<Superloop>::new(storage, config, Superloop, seed).unwrap();
        consumer.subscribe(&["t"]).unwrap();
        self.members.push(Member { consumer, net: self.cluster.net(3), told: String::new() });
    }

    /// Everybody polls until it is so, for so long at most.
    fn run(&mut self, what: &str, within: u64, done: impl Fn(&Group) -> bool) {
        let end = self.cluster.millis() + within;
        while !done(self) {
            let told: Vec<_> = self.members.iter().map(|member| &member.told).collect();
            assert!(self.cluster.millis() < end, "{what}: {told:?}\n{}", self.cluster.log());
            let mut next = Instant::NEVER;
            for Member { consumer, net, told } in &mut self.members {
                match consumer.poll(self.cluster.now(), net) {
                    Ok(Some(Event::Assigned(new))) if new.clone().next().is_some() => told.push('+'),
                    Ok(Some(Event::Revoked(_))) => told.push('-'),
                    Ok(Some(Event::Lost(_))) => told.push('!'),
                    Ok(Some(Event::Records(records))) => {
                        records.for_each(drop);
                        if !told.ends_with('.') {
                            told.push('.');
                        }
                    }
                    Ok(_) | Err(Error::Timeout(_) | Error::Transport(_)) => {}
                    Err(error) => panic!("{error}"),
                }
                next = next.min(consumer.next_timeout(self.cluster.now()));
            }
            self.cluster.tick(next);
        }
    }

    fn told(&self, at: usize, sign: char) -> usize {
        self.members[at].told.matches(sign).count()
    }

    /// When the member's last commit was taken.
    fn committed(&self, at: usize) -> u64 {
        let net = self.members[at].net.index();
        let all = self.cluster.accepted_since(0);
        all.iter().filter(|accepted| accepted.net == net).map(|accepted| accepted.at).max().unwrap_or(0)
    }

    fn joins(&self, at: usize) -> usize {
        let net = self.members[at].net.index();
        self.cluster.requests_of(Api::JoinGroup).iter().filter(|request| request.net == net).count()
    }

    /// From now on no JoinGroup reaches the coordinator, after one that does and ends the first member's connection. Returns when
    /// that was, once the others have read and committed everything.
    fn cut_joins(&mut self) -> u64 {
        let joins = self.joins(0);
        self.cluster.end_instead(Api::JoinGroup, End::Reset);
        (0..1_000).for_each(|_| _ = self.cluster.cut_next(1, Cut::written(100, End::Reset)));
        self.run("it joins again", 10_000, |group| group.joins(0) > joins);
        let since = self.cluster.millis();
        self.run("others have what it had", 3 * SESSION, |group| {
            let all = group.cluster.accepted_since(0);
            (0..4).all(|part| all.iter().any(|accepted| accepted.at > since && accepted.partition == part))
        });
        since
    }

    /// The first member can join again, and has lost its partitions: it commits nothing until it has some again.
    fn is_replaced(&mut self, since: u64) {
        self.cluster.heal();
        self.run("it has some again", 20_000, |group| group.told(0, '+') > 0);
        let again = self.cluster.millis();
        let late: Vec<_> = self.cluster.accepted_since(0).into_iter().filter(|a| a.at > since && a.net == 0).collect();
        assert_eq!(late, [], "another's by then");
        assert_eq!((self.told(0, '!'), self.told(0, '-')), (1, 0), "{}", self.members[0].told);
        self.run("and commits them", 10_000, |group| group.committed(0) > again);
    }
}

/// A group with members of KIP-848 takes any id of a classic member, also that of one that it has thrown out: its JoinGroup is
/// answered as if nothing had been, and what it commits then counts.
#[test]
fn a_member_that_a_mixed_group_has_thrown_out_has_lost_all() {
    let mut group = Group::new();
    group.join(classic());
    group.join(broker_assigns());
    group.run("both have some", 20_000, |group| {
        group.cluster.millis() > 10_000 && (0..2).all(|at| group.told(at, '.') > 0)
    });
    group.members[0].told.clear();
    group.join(broker_assigns());
    group.run("a third one joins", 5_000, |group| {
        group.cluster.requests_of(Api::ConsumerGroupHeartbeat).iter().any(|request| request.net == 2)
    });
    let since = group.cut_joins();
    group.is_replaced(since);
}

/// A classic group knows its members: who was thrown out is not taken back with its old id. Before that its commits are refused
/// without a question.
#[test]
fn a_member_that_a_classic_group_has_thrown_out_has_lost_all() {
    let mut group = Group::new();
    group.join(classic());
    group.run("one has all", 20_000, |group| group.told(0, '+') == 1);
    group.join(classic());
    group.run("the other waits", 20_000, |group| group.joins(1) == 2);
    group.members[0].told.clear();
    let since = group.cut_joins();
    assert!(group.told(0, '.') > 0, "it reads on");
    let (Member { consumer, net, .. }, now) = (&mut group.members[0], group.cluster.now());
    let Poll::Ready(Err(Error::Broker(error))) = consumer.commit_sync(now, net) else { panic!("an error") };
    assert_eq!((error.code.name(), error.fatal), (Some("REBALANCE_IN_PROGRESS"), false));
    group.is_replaced(since);
}
