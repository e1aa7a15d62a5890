//! Groups whose members come and go, by every assignor: each partition has one owner, and each record is read once.
use nanokafka::{
    Assignor, Capacity, Config, Consumer, Error, Event, GroupProtocol, Instant, OffsetReset, Resource, Seed, Storage,
    Superloop,
};
use nanokafka_scripted::{batch, Api, Cluster, Connecting, End, GroupPhase, Net};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const PARTITIONS: i32 = 6;

const ALL: [&[Assignor]; 4] =
    [&[Assignor::Range], &[Assignor::RoundRobin], &[Assignor::Sticky], &[Assignor::CooperativeSticky]];
const COOPERATIVE: &[Assignor] = &[Assignor::CooperativeSticky];
const DEFAULT: &[Assignor] = &[Assignor::Range, Assignor::CooperativeSticky];

fn config(assignors: &'static [Assignor]) -> Config<'static> {
    Config::new("b1:9092")
        .group_id("g")
        .auto_offset_reset(OffsetReset::Earliest)
        .session_timeout(Duration::from_secs(10))
        .heartbeat_interval(Duration::from_secs(1))
        .partition_assignment_strategy(assignors)
}

/// KIP-848.
fn broker_assigns() -> Config<'static> {
    Config::new("b1:9092")
        .group_id("g")
        .group_protocol(GroupProtocol::Consumer)
        .auto_offset_reset(OffsetReset::Earliest)
}

struct Member {
    consumer: Consumer<'static, Superloop>,
    net: Net,
    /// By its events.
    owned: BTreeSet<i32>,
    /// Told to it, and its until the next poll.
    ending: BTreeSet<i32>,
    /// Each `Assigned`, `Revoked` and `Lost`, in order.
    told: Vec<(char, Vec<i32>)>,
    /// Records that were handed out while its JoinGroup waited.
    meanwhile: usize,
    /// It polls no sooner.
    sleeps_until: u64,
}

/// Its JoinGroup waits for the others'.
fn is_joining(cluster: &Cluster, net: usize) -> bool {
    let mut all = cluster.requests_of(Api::JoinGroup).into_iter();
    all.any(|request| request.net == net && request.answer.is_none())
}

/// A group with records on their way all the time.
struct Team {
    cluster: Cluster,
    members: Vec<Member>,
    /// The next offset of each partition.
    read: BTreeMap<i32, i64>,
    errors: Vec<Error>,
    seed: u8,
    /// Records of the last poll that had some.
    taken: usize,
}

impl Team {
    fn new() -> Self {
        let cluster = Cluster::new(2);
        cluster.configure(|settings| {
            settings.initial_rebalance_delay_ms = 0;
            settings.consumer_heartbeat_interval_ms = 1_000;
            settings.consumer_session_timeout_ms = 10_000;
            settings.latency_ms = 5;
        });
        cluster.topic("t", PARTITIONS as usize);
        for n in 0..1_200u64 {
            cluster.at(n * 100, move |cluster| {
                cluster.partition("t", (n % PARTITIONS as u64) as i32).append(batch().fill(5, 10));
            });
        }
        cluster.time_limit(600_000);
        Team { cluster, members: vec![], read: BTreeMap::new(), errors: vec![], seed: 0, taken: 0 }
    }

    fn join(&mut self, config: Config<'static>) {
        self.join_with(config, Storage::boxed(PARTITIONS as usize, 3, 512));
    }

    fn join_with(&mut self, config: Config<'static>, storage: Storage<'static>) {
        self.seed += 1;
        let mut consumer = Consumer::<Superloop>::new(storage, config, Superloop, Seed::new([self.seed; 32])).unwrap();
        consumer.subscribe(&["t"]).unwrap();
        let net = self.cluster.net(3);
        let (owned, ending) = (BTreeSet::new(), BTreeSet::new());
        self.members.push(Member { consumer, net, owned, ending, told: vec![], meanwhile: 0, sleeps_until: 0 });
    }

    /// One poll of everybody.
    fn turn(&mut self) {
        let (mut next, mut idle) = (Instant::NEVER, true);
        for at in 0..self.members.len() {
            let others: BTreeSet<i32> = self
                .members
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != at)
                .flat_map(|(_, member)| member.owned.union(&member.ending))
                .copied()
                .collect();
            let member = &mut self.members[at];
            if self.cluster.millis() < member.sleeps_until {
                next = next.min(Instant::from_millis(member.sleeps_until));
                continue;
            }
            member.ending.clear();
            let event = member.consumer.poll(self.cluster.now(), &mut member.net);
            idle &= matches!(event, Ok(None));
            let list =
                |partitions: nanokafka::Partitions<'_>| partitions.map(|entry| entry.partition).collect::<Vec<_>>();
            match event {
                Ok(Some(Event::Assigned(partitions))) => {
                    let new = list(partitions);
                    assert!(new.iter().all(|partition| !others.contains(partition)), "{new:?} of {others:?}");
                    assert!(new.iter().all(|partition| member.owned.insert(*partition)), "{new:?} again");
                    member.told.push(('+', new));
                }
                Ok(Some(Event::Revoked(partitions))) => {
                    let gone = list(partitions);
                    assert!(
                        gone.iter().all(|partition| member.owned.remove(partition)),
                        "{gone:?} of {:?}",
                        member.owned
                    );
                    member.ending.extend(&gone);
                    member.told.push(('-', gone));
                }
                Ok(Some(Event::Lost(partitions))) => {
                    let gone = list(partitions);
                    member.owned.clear();
                    member.told.push(('!', gone));
                }
                Ok(Some(Event::Records(records))) => {
                    let partition = records.topic_partition().partition;
                    let joining = is_joining(&self.cluster, member.net.index());
                    assert!(member.owned.contains(&partition), "{partition} of {:?}", member.owned);
                    // often a batch is left in the middle
                    self.taken = self.taken % 3 + 1;
                    for record in records.take(self.taken) {
                        let expected = self.read.entry(partition).or_default();
                        assert_eq!(record.offset(), *expected, "partition {partition}:\n{}", self.cluster.log());
                        *expected += 1;
                        member.meanwhile += usize::from(joining);
                    }
                }
                Ok(_) => {}
                Err(error) => self.errors.push(error),
            }
            next = next.min(self.members[at].consumer.next_timeout(self.cluster.now()));
        }
        // things also happen while records are half taken
        assert!(!idle && self.taken == 1 || self.cluster.tick(next), "nothing will ever happen");
    }

    fn turn_until(&mut self, what: &str, mut done: impl FnMut(&Team) -> bool) {
        let end = self.cluster.millis() + 150_000;
        while !done(self) {
            assert!(self.cluster.millis() < end, "{what}: {:?}\n{}", self.owned(), self.cluster.log());
            self.turn();
        }
    }

    fn owned(&self) -> Vec<&BTreeSet<i32>> {
        self.members.iter().map(|member| &member.owned).collect()
    }

    /// Until all has one owner, evenly, and stays so for three heartbeats.
    fn settle(&mut self) {
        let mut since = self.cluster.millis();
        self.turn_until("settled", |team| {
            let counts: Vec<usize> = team.members.iter().map(|member| member.owned.len()).collect();
            let even = counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1;
            if !even || counts.iter().sum::<usize>() != PARTITIONS as usize {
                since = team.cluster.millis();
            }
            team.cluster.millis() >= since + 3_000
        });
    }

    /// In order, with all that is read committed.
    fn leave(&mut self, at: usize) {
        let mut member = self.members.remove(at);
        while member.consumer.close(self.cluster.now(), &mut member.net).is_pending() {
            let next = member.consumer.next_timeout(self.cluster.now());
            self.cluster.tick(next);
        }
    }

    fn finish(mut self) {
        let total =
            |team: &Team| (0..PARTITIONS).map(|n| team.cluster.partition("t", n).records_from(0).len()).sum::<usize>();
        self.turn_until("all is read", |team| {
            team.cluster.millis() > 120_000 && team.read.values().sum::<i64>() as usize == total(team)
        });
        assert_eq!(self.errors, []);
        assert_eq!(self.cluster.take_violations(), Vec::<String>::new());
    }
}

#[test]
fn members_come_and_go_and_every_record_is_read_once() {
    for assignors in ALL.into_iter().chain([DEFAULT]) {
        let mut team = Team::new();
        for _ in 0..3 {
            team.join(config(assignors));
            team.settle();
        }
        assert_eq!(
            team.cluster.group("g").unwrap().protocol,
            if assignors == DEFAULT { "range" } else { name(assignors) }
        );
        team.leave(1);
        team.settle();
        team.leave(0);
        team.settle();
        team.finish();
    }
}

#[test]
fn members_whose_broker_assigns_come_and_go_and_every_record_is_read_once() {
    for config in [broker_assigns(), broker_assigns().group_remote_assignor("range")] {
        for statically in [false, true] {
            let mut team = Team::new();
            for id in ["one", "two", "three"] {
                team.join(if statically { config.group_instance_id(id) } else { config });
                team.settle();
            }
            let told = &team.members[0].told;
            let [('+', all), ('-', moved), ('+', none), ('-', more), ('+', nothing)] = &told[..] else {
                panic!("{told:?}")
            };
            assert_eq!((all.len(), moved.len(), none.len(), more.len(), nothing.len()), (6, 3, 0, 1, 0));
            if statically {
                // it comes back to what it had, and nobody hears of it
                let (had, told) = (team.members[1].owned.clone(), team.members[0].told.len());
                team.leave(1);
                team.join(config.group_instance_id("two"));
                team.settle();
                assert_eq!((&team.members[2].owned, team.members[0].told.len()), (&had, told));
            } else {
                team.leave(1);
                team.settle();
                team.leave(0);
                team.settle();
                assert_eq!(team.members[0].owned.len(), 6);
            }
            assert_eq!(team.cluster.requests_of(Api::JoinGroup).len(), 0);
            team.finish();
        }
    }
}

/// One that the group has given up hears of it before it reads on, and its commit counts for nothing.
#[test]
fn a_member_that_was_asleep_for_longer_than_the_brokers_session_has_lost_all() {
    let mut team = Team::new();
    team.cluster.configure(|settings| settings.consumer_session_timeout_ms = 45_000);
    team.join(broker_assigns());
    team.join(broker_assigns());
    team.settle();
    team.members[0].sleeps_until = team.cluster.millis() + 60_000;
    // what it has read since its last commit is read again by the other
    let awake = team.members[0].sleeps_until - 1_000;
    let committed = |team: &Team, n| team.cluster.committed_offset("g", "t", n).unwrap_or(0);
    for n in team.members[0].owned.clone() {
        let (committed, read) = (committed(&team, n), team.read.get_mut(&n).unwrap());
        assert!(committed <= *read);
        *read = committed;
    }
    team.members[0].owned.clear(); // as the broker will see it
    team.turn_until("the other has all", |team| team.members[1].owned.len() == 6);
    team.turn_until("it wakes", |team| team.cluster.millis() >= awake);
    team.settle();
    let told: Vec<char> = team.members[0].told.iter().map(|told| told.0).collect();
    assert!(told.ends_with(&['!', '+']) || told.ends_with(&['!', '+', '+']), "{told:?}");
    team.finish();
}

/// While a record is held nothing changes; heartbeats go on, and what they brought is done at the next poll.
#[test]
fn records_that_are_held_while_the_broker_assigns_stay_its_own() {
    let mut team = Team::new();
    team.join(broker_assigns());
    team.settle();
    let mut held = team.members.remove(0);
    loop {
        let now = team.cluster.now();
        let Some(Event::Records(mut records)) = held.consumer.poll(now, &mut held.net).unwrap() else {
            let next = held.consumer.next_timeout(now);
            assert!(team.cluster.tick(next));
            continue;
        };
        let partition = records.topic_partition().partition;
        let take = |team: &mut Team, record: nanokafka::Record<'_>| {
            assert_eq!(record.offset(), team.read.insert(partition, record.offset() + 1).unwrap_or(0));
        };
        take(&mut team, records.next().unwrap());
        team.join(broker_assigns());
        let until = team.cluster.millis() + 25_000;
        while team.cluster.millis() < until {
            let now = team.cluster.now();
            records.keep_alive(now, &mut held.net).unwrap();
            let next = records.next_timeout(now);
            team.cluster.at(next.as_millis().max(now.as_millis() + 1), |_| {});
            team.turn();
        }
        assert_eq!(team.members[0].owned.len(), 0, "nothing is handed out that is not given up");
        records.for_each(|record| take(&mut team, record));
        break;
    }
    team.members.insert(0, held);
    team.settle();
    assert!(team.members[0].told.iter().all(|(sign, _)| *sign != '!'), "{:?}", team.members[0].told);
    team.finish();
}

/// Answers that break off anywhere, and connections that end with them.
#[test]
fn a_lost_heartbeat_costs_nothing() {
    for lost in 0..6 {
        let mut team = Team::new();
        team.join(broker_assigns());
        team.join(broker_assigns());
        let before = team.cluster.count(Api::ConsumerGroupHeartbeat);
        team.turn_until("some heartbeats", |team| team.cluster.count(Api::ConsumerGroupHeartbeat) >= before + lost);
        team.cluster.end_instead(Api::ConsumerGroupHeartbeat, End::Reset);
        team.settle();
        team.join(broker_assigns());
        team.settle();
        assert!(team.members.iter().all(|member| member.told.iter().all(|(sign, _)| *sign != '!')));
        team.finish();
    }
}

fn name(assignors: &[Assignor]) -> &'static str {
    match assignors {
        [Assignor::Range] => "range",
        [Assignor::RoundRobin] => "roundrobin",
        [Assignor::Sticky] => "sticky",
        _ => "cooperative-sticky",
    }
}

#[test]
fn a_cooperative_member_gives_up_what_moves_once_and_reads_the_rest_meanwhile() {
    let mut team = Team::new();
    team.join(config(COOPERATIVE));
    team.settle();
    team.join(config(COOPERATIVE));
    team.settle();
    let told = &team.members[0].told;
    let [('+', all), ('-', moved), ('+', none)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((all.len(), moved.len(), none.len()), (6, 3, 0));
    let second = &team.members[1].told;
    assert!(matches!(&second[..], [('+', none), ('+', three)] if none.is_empty() && three == moved), "{second:?}");
    let kept = team.members[0].owned.clone();
    team.join(config(COOPERATIVE));
    team.settle();
    assert!(team.members[0].owned.is_subset(&kept));
    assert_eq!(team.members[0].told.len(), 5, "{:?}", team.members[0].told);
    // the positions of what is kept are not asked for again
    let asked = team.cluster.requests_of(Api::OffsetFetch).len();
    assert!(
        team.members.iter().take(2).any(|member| member.meanwhile > 0),
        "nothing was read while the group was joining"
    );
    team.leave(2);
    team.settle();
    assert!(team.cluster.requests_of(Api::OffsetFetch).len() - asked <= 2);
    team.finish();
}

/// What shows that the test above sees something.
#[test]
fn an_eager_member_reads_nothing_while_the_group_joins() {
    let mut team = Team::new();
    for joined in 0..3 {
        let before: Vec<_> = team.owned().into_iter().cloned().collect();
        team.join(config(&[Assignor::Sticky]));
        team.settle();
        // it gets back what it had, as far as that is fair
        assert!(before.iter().zip(team.owned()).all(|(before, now)| now.is_subset(before)), "{joined}: {before:?}");
    }
    assert_eq!(team.members[0].meanwhile, 0);
    assert_eq!(team.members[0].told[1], ('-', vec![0, 1, 2, 3, 4, 5]));
    assert_eq!(team.members[0].told.iter().filter(|(sign, _)| *sign == '-').count(), 2);
    team.finish();
}

/// A slow member holds the others up: they read what they keep, and it loses nothing of what it keeps.
#[test]
fn a_rebalance_that_waits_for_a_slow_member_stops_nobody() {
    let mut team = Team::new();
    team.join(config(COOPERATIVE));
    team.join(config(COOPERATIVE));
    team.settle();
    team.members[1].sleeps_until = team.cluster.millis() + 6_000;
    let before = team.read.clone();
    let kept = team.members[0].owned.clone();
    team.join(config(COOPERATIVE));
    let until = team.cluster.millis() + 5_500;
    team.turn_until("time passes", |team| team.cluster.millis() >= until);
    assert_eq!(team.cluster.group("g").unwrap().phase, GroupPhase::PreparingRebalance);
    for partition in kept {
        assert!(team.read[&partition] >= before[&partition] + 10, "{partition}: {:?} {before:?}", team.read);
    }
    team.settle();
    team.finish();
}

/// The same for longer than the others' sessions: they have to make sure that the coordinator has not forgotten them.
#[test]
fn a_rebalance_that_outlasts_the_sessions_costs_nobody_its_partitions() {
    let mut team = Team::new();
    team.join(config(COOPERATIVE));
    team.join(config(COOPERATIVE).session_timeout(Duration::from_secs(120)));
    team.settle();
    team.members[1].sleeps_until = team.cluster.millis() + 45_000;
    team.join(config(COOPERATIVE));
    let until = team.cluster.millis() + 44_000;
    team.turn_until("time passes", |team| team.cluster.millis() >= until);
    assert_eq!(team.cluster.group("g").unwrap().phase, GroupPhase::PreparingRebalance);
    team.settle();
    assert!(team.members.iter().all(|member| member.told.iter().all(|(sign, _)| *sign != '!')), "{:?}", team.owned());
    team.finish();
}

/// Its JoinGroup may be on its way for minutes, while the group waits for the others. It keeps its partitions meanwhile, but not
/// for longer than its session when nobody answers.
#[test]
fn a_cooperative_member_that_joins_over_a_dead_connection_is_lost_with_its_session() {
    let cluster = Cluster::new(1);
    let topic = cluster.topic("t", 1);
    cluster.topic("other", 1);
    for n in 0..400 {
        let topic = topic.clone();
        cluster.at(n * 1_000, move |_| _ = topic.append(0, batch().fill(1, 10)));
    }
    let mut consumer =
        Consumer::<Superloop>::new(Storage::boxed(4, 2, 512), config(COOPERATIVE), Superloop, Seed::new([1; 32]))
            .unwrap();
    let mut net = cluster.net(2);
    consumer.subscribe(&["t"]).unwrap();
    let (mut dead_since, mut records_since) = (None, 0);
    loop {
        match consumer.poll(cluster.now(), &mut net) {
            Ok(Some(Event::Records(records))) => records_since += records.count(),
            Ok(Some(Event::Lost(_))) => break,
            Ok(Some(_)) | Err(_) => {}
            Ok(None) => {
                assert!(cluster
                    .tick(consumer.next_timeout(cluster.now()).min(cluster.now().after(Duration::from_millis(100)))))
            }
        }
        if cluster.millis() >= 20_000 && dead_since.is_none() {
            cluster.end_instead(Api::JoinGroup, End::Stall).connecting("b1", 9092, Connecting::Blackhole, usize::MAX);
            consumer.subscribe(&["t", "other"]).unwrap();
            (dead_since, records_since) = (Some(cluster.millis()), 0);
        }
        assert!(cluster.millis() < 400_000, "never lost");
    }
    let took = cluster.millis() - dead_since.expect("lost too soon");
    assert!((9_000..=11_000).contains(&took), "{took} ms");
    assert!(records_since >= 8, "{records_since} records");
}

/// A rolling change of the assignor, one member at a time, as Kafka's documentation of KIP-429 has it: in the middle all offer
/// both, and the group changes when the last one has only the new one, or prefers it.
#[test]
fn assignors_are_changed_one_member_at_a_time() {
    const BOTH: &[Assignor] = &[Assignor::RoundRobin, Assignor::Range];
    const UPGRADE: &[Assignor] = &[Assignor::CooperativeSticky, Assignor::Range];
    for (old, both, new) in [
        (&[Assignor::Range][..], BOTH, &[Assignor::RoundRobin][..]),
        (&[Assignor::RoundRobin], BOTH, &[Assignor::Range]),
        (&[Assignor::Range], UPGRADE, COOPERATIVE),
    ] {
        let mut team = Team::new();
        for _ in 0..3 {
            team.join(config(old));
        }
        team.settle();
        for assignors in [both, new] {
            for _ in 0..3 {
                team.leave(0);
                team.settle();
                team.join(config(assignors));
                team.settle();
            }
        }
        assert_eq!(team.cluster.group("g").unwrap().protocol, name(new));
        team.finish();
    }
}

#[test]
fn a_member_that_dies_while_it_gives_partitions_up_is_replaced() {
    let mut team = Team::new();
    team.join(config(COOPERATIVE));
    team.settle();
    team.join(config(COOPERATIVE));
    team.turn_until("something is revoked", |team| team.members[0].told.iter().any(|(sign, _)| *sign == '-'));
    // it was told and polls no more: of what it has read since its last commit the others hear
    let committed: BTreeMap<i32, i64> =
        (0..PARTITIONS).map(|n| (n, team.cluster.committed_offset("g", "t", n).unwrap_or(0))).collect();
    for n in 0..PARTITIONS {
        let read = team.read.get(&n).copied().unwrap_or(0);
        assert!(committed[&n] <= read);
        team.read.insert(n, committed[&n]);
    }
    drop(team.members.remove(0));
    team.settle();
    assert!(team.members[0].told.iter().all(|(sign, _)| *sign == '+'), "{:?}", team.members[0].told);
    team.finish();
}

/// It heartbeats through all of the rebalance, as its leader and as a follower, although it does not poll for longer than its
/// session: nothing is lost, and what it holds stays its own until it is told.
#[test]
fn records_that_are_held_through_a_rebalance_stay_its_own() {
    for leads in [true, false] {
        let mut team = Team::new();
        for client in ["first", "second"] {
            team.join(config(COOPERATIVE).client_id(client));
            team.settle();
        }
        assert!(team.cluster.group("g").unwrap().leader.unwrap().starts_with("first"));
        let mut held = team.members.remove(usize::from(!leads));
        team.join(config(COOPERATIVE).client_id("third"));
        team.members[0].sleeps_until = team.cluster.millis() + 4_000;
        // until it joins again, which waits for the other one, and has records: of what it keeps, or of what it is going to lose
        let (mut told, net) = (vec![], held.net.index());
        for _ in 0..100_000 {
            let now = team.cluster.now();
            let event = held.consumer.poll(now, &mut held.net).unwrap();
            if let Some(Event::Revoked(_) | Event::Lost(_)) = event {
                panic!("nothing is told before all have joined");
            }
            let Some(Event::Records(mut records)) = event else {
                team.turn();
                continue;
            };
            let partition = records.topic_partition().partition;
            let take = |team: &mut Team, record: nanokafka::Record<'_>| {
                assert_eq!(record.offset(), team.read.insert(partition, record.offset() + 1).unwrap_or(0));
            };
            take(&mut team, records.next().unwrap());
            if !is_joining(&team.cluster, net) {
                records.for_each(|record| take(&mut team, record));
                continue;
            }
            let generation = team.cluster.group("g").unwrap().generation;
            let until = team.cluster.millis() + 25_000;
            while team.cluster.millis() < until {
                let now = team.cluster.now();
                records.keep_alive(now, &mut held.net).unwrap();
                let next = records.next_timeout(now);
                team.cluster.at(next.as_millis().max(now.as_millis() + 1), |_| {});
                team.turn();
            }
            let group = team.cluster.group("g").unwrap();
            let one = (3, generation + 1, GroupPhase::PreparingRebalance);
            let found = (group.members.len(), group.generation, group.phase);
            assert_eq!(found, one, "one rebalance, whose second half waits for it:\n{}", team.cluster.log());
            records.for_each(|record| take(&mut team, record));
            told.push(partition);
            break;
        }
        assert_eq!(told.len(), 1, "it was never in the middle of a rebalance with records");
        team.members.insert(0, held);
        team.settle();
        assert!(team.members[0].told.iter().all(|(sign, _)| *sign != '!'), "{:?}", team.members[0].told);
        team.finish();
    }
}

/// The names of topics do not change while a record borrows one, so a leader that holds records cannot spread topics that are new
/// to it. It does so when it polls.
#[test]
fn a_leader_that_holds_records_waits_with_topics_that_are_new_to_it() {
    let cluster = Cluster::new(1);
    cluster.configure(|settings| settings.initial_rebalance_delay_ms = 0);
    cluster.topic("t", 1).append(0, batch().fill(4, 10));
    cluster.topic("other", 1).append(0, batch().fill(1, 10));
    let mut nets = [cluster.net(2), cluster.net(2)];
    let mut members = [1, 2].map(|seed| {
        Consumer::<Superloop>::new(Storage::boxed(4, 2, 512), config(COOPERATIVE), Superloop, Seed::new([seed; 32]))
            .unwrap()
    });
    let [leader, other] = &mut members;
    let [net, other_net] = &mut nets;
    leader.subscribe(&["t"]).unwrap();
    other.subscribe(&["other"]).unwrap();
    let turn = |consumer: &mut Consumer<'_, Superloop>, net: &mut Net| {
        let event = consumer.poll(cluster.now(), net).unwrap();
        let assigned = match event {
            Some(Event::Assigned(partitions)) => partitions.count(),
            Some(Event::Lost(_)) => panic!("nobody loses anything"),
            _ => 0,
        };
        let next = consumer.next_timeout(cluster.now());
        cluster.tick(next.min(cluster.now().after(Duration::from_millis(100))));
        assigned
    };
    while turn(leader, net) == 0 {}
    for n in 0..100 {
        cluster.at(cluster.millis() + n * 100, |cluster| {
            cluster.partition("t", 0).append(batch().fill(4, 10));
        });
    }
    // the other one has joined and waits; the leader joins again, and has records before it is answered
    let joins = cluster.count(Api::JoinGroup);
    while cluster.count(Api::JoinGroup) < joins + 2 {
        turn(other, other_net);
    }
    cluster.delay(Api::JoinGroup, 1_000, 2);
    let (mut held, leads) = (false, net.index());
    while !held {
        turn(other, other_net);
        // an answer that is delayed is out, but not here
        let of_leader = cluster.requests_of(Api::JoinGroup).into_iter().filter(|request| request.net == leads);
        let joining = of_leader.count() == 3;
        let event = leader.poll(cluster.now(), net).unwrap();
        if let Some(Event::Records(mut records)) = event {
            held = joining && records.next().is_some();
            let asked = |api| cluster.requests_of(api).iter().filter(|request| request.net == leads).count();
            let before = (asked(Api::JoinGroup), asked(Api::SyncGroup));
            for _ in (0..50).filter(|_| held) {
                records.keep_alive(cluster.now(), net).unwrap();
                assert_eq!(turn(other, other_net), 0);
            }
            assert_eq!((asked(Api::JoinGroup), asked(Api::SyncGroup)), before);
            records.for_each(drop);
        }
        cluster.tick(leader.next_timeout(cluster.now()).min(cluster.now().after(Duration::from_millis(100))));
    }
    let until = cluster.millis() + 20_000;
    let mut assigned = 0;
    while assigned == 0 && cluster.millis() < until {
        turn(leader, net);
        assigned = turn(other, other_net);
    }
    assert_eq!(assigned, 1, "{}", cluster.log());
    assert_eq!(cluster.take_violations(), Vec::<String>::new());
}

/// By the documentation of `Storage::group_memory`: two members of one topic, of which the first has all partitions.
fn memory_to_lead(assignor: Assignor, member_id: usize) -> usize {
    let (members, partitions) = (2, PARTITIONS as usize);
    let each = 12 + member_id + 2;
    match assignor {
        Assignor::Range => members * each,
        Assignor::RoundRobin => 8 + 4 + members * (each + 4) + partitions * 4,
        _ => 8 + 4 + members * (each + 24) + partitions * 10,
    }
}

#[test]
fn with_the_memory_that_is_said_to_do_a_member_leads() {
    for assignors in [&[Assignor::Range], &[Assignor::RoundRobin], &[Assignor::Sticky], COOPERATIVE] {
        for lacks in [0, 1] {
            let mut team = Team::new();
            let member_id = "nanokafka-00000000-0000-0000-0000-000000000000".len();
            let needed = memory_to_lead(assignors[0], member_id);
            let memory = Box::leak(vec![0; needed - lacks].into_boxed_slice());
            let storage = Storage::boxed(PARTITIONS as usize, 3, 512).group_memory(memory);
            team.join_with(config(assignors), storage);
            team.settle();
            assert_eq!(team.cluster.group("g").unwrap().members[0].id.len(), member_id);
            team.join(config(assignors));
            if lacks == 0 {
                team.settle();
                assert_eq!(team.errors, [], "{assignors:?}");
                continue;
            }
            team.turn_until("it resigns", |team| !team.errors.is_empty());
            let capacity = Capacity { what: Resource::GroupMemory, needed, have: needed - 1 };
            assert_eq!(team.errors, [Error::Capacity(capacity)], "{assignors:?}");
        }
    }
}

/// Without enough group memory another member leads, and is told how much is needed.
#[test]
fn who_cannot_lead_a_cooperative_group_resigns() {
    let mut team = Team::new();
    // for members and topics, but not for what the assignor computes
    let memory = Box::leak(vec![0; 200].into_boxed_slice());
    team.join_with(config(COOPERATIVE), Storage::boxed(PARTITIONS as usize, 3, 512).group_memory(memory));
    team.settle();
    team.join(config(COOPERATIVE));
    team.turn_until("it resigns", |team| !team.errors.is_empty());
    let error = team.errors.remove(0);
    assert!(
        matches!(error, Error::Capacity(Capacity { what: Resource::GroupMemory, needed: 201.., have: 200 })),
        "{error}"
    );
    // what it has read and not committed is read again
    for n in 0..PARTITIONS {
        team.read.insert(n, team.cluster.committed_offset("g", "t", n).unwrap_or(0));
    }
    team.settle();
    assert!(team.members[0].told.iter().any(|(sign, _)| *sign == '!'), "{:?}", team.members[0].told);
    team.finish();
}

/// Kafka sets no limit to a client id, and so to a member's.
#[test]
fn who_cannot_read_a_members_id_resigns() {
    let mut team = Team::new();
    let mut first_leader: Option<Vec<u8>> = None;
    team.cluster.mutate_body(Api::JoinGroup, usize::MAX, move |_, body| {
        let string = |at: usize| {
            let length =
                body.get(at..at + 2).map_or(0, |length| usize::from(u16::from_be_bytes([length[0], length[1]])));
            (body.get(at + 2..at + 2 + length).unwrap_or_default().to_vec(), at + 2 + length)
        };
        // throttle, error, generation, the assignor's name
        let (leader, at) = string(string(10).1);
        let (_, members) = string(at);
        if body.get(members..).is_none_or(|members| !members.starts_with(&[0, 0, 0, 2])) {
            return;
        }
        if *first_leader.get_or_insert(leader.clone()) == leader {
            body[members + 3] += 1;
            body.extend([4, 0]);
            body.extend([b'x'; 1024]);
            body.extend([0xff, 0xff, 0, 0, 0, 0]); // no instance, an empty subscription
        }
    });
    team.join(config(COOPERATIVE));
    team.settle();
    team.join(config(COOPERATIVE));
    team.turn_until("it resigns", |team| !team.errors.is_empty());
    let error = team.errors.remove(0);
    assert!(matches!(error, Error::Capacity(Capacity { what: Resource::ReceiveBuffer, .. })), "{error}");
    // what it has read and not committed is read again
    for n in 0..PARTITIONS {
        team.read.insert(n, team.cluster.committed_offset("g", "t", n).unwrap_or(0));
    }
    team.settle();
    assert!(team.members[0].told.iter().any(|(sign, _)| *sign == '!'), "{:?}", team.members[0].told);
    team.finish();
}

/// Java's answer: the application polls, and commits again.
#[test]
fn a_commit_while_the_group_joins_is_answered_at_once() {
    let mut team = Team::new();
    team.join(config(COOPERATIVE));
    team.join(config(COOPERATIVE));
    team.settle();
    team.members[1].sleeps_until = team.cluster.millis() + 5_000;
    team.join(config(COOPERATIVE));
    team.turn_until("it joins and reads on", |team| {
        is_joining(&team.cluster, team.members[0].net.index()) && team.members[0].meanwhile > 3
    });
    let Member { consumer, net, .. } = &mut team.members[0];
    let now = team.cluster.now();
    let std::task::Poll::Ready(Err(Error::Broker(error))) = consumer.commit_sync(now, net) else { panic!("an error") };
    assert_eq!((error.code.name(), error.fatal), (Some("REBALANCE_IN_PROGRESS"), false));
    team.settle();
    let Member { consumer, net, owned, .. } = &mut team.members[0];
    while consumer.commit_sync(team.cluster.now(), net).is_pending() {
        let next = consumer.next_timeout(team.cluster.now());
        team.cluster.tick(next);
    }
    for partition in &*owned {
        assert_eq!(team.cluster.committed_offset("g", "t", *partition), team.read.get(partition).copied());
    }
}

/// Subscriptions of other clients may hold anything: each of theirs in a group that we lead is passed over and understood.
#[test]
fn an_assignor_that_was_not_offered_is_an_error() {
    let mut team = Team::new();
    team.cluster.mutate_body(Api::JoinGroup, usize::MAX, |version, body| {
        // throttle, error, generation and then the name
        if version >= 5 && body.len() > 30 && body[4..6] == [0, 0] {
            body[12] ^= 0x20;
        }
    });
    team.join(config(COOPERATIVE));
    team.turn_until("the error", |team| !team.errors.is_empty());
    let Error::Broker(error) = team.errors.remove(0) else { panic!() };
    assert_eq!(
        (error.api, error.code.name(), error.fatal),
        (Api::JoinGroup, Some("INCONSISTENT_GROUP_PROTOCOL"), true)
    );
}
