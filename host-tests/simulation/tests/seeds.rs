//! Seeds that say something about the simulation, and those that have found something.
use nanokafka_simulation::run;

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..20 {
        let (first, second) = (run(seed), run(seed));
        assert_eq!(first.log, second.log, "seed {seed}");
        assert_eq!(first.counts, second.counts);
    }
    assert_ne!(run(0).log, run(1).log);
}

/// What happens at all: a simulation without trouble finds nothing.
#[test]
fn trouble_does_occur() {
    let mut counts = nanokafka_simulation::Counts::default();
    for seed in 0..100 {
        for (what, n) in run(seed).counts.0 {
            *counts.0.entry(what).or_default() += n;
        }
    }
    for (what, least) in [
        ("assigned", 500),
        ("started, the broker assigns", 50),
        ("started with auto", 50),
        ("protocols switched", 5),
        ("started beside the other protocol", 5),
        ("lost", 5),
        ("brokers killed", 30),
        ("coordinators moved", 30),
        ("cut", 50),
        ("frozen", 50),
        ("killed", 20),
        ("large records", 100),
        ("leaders moved", 50),
        ("records", 10_000),
        ("records that came before", 1_000),
        ("seeks", 20),
        ("commits of an earlier offset", 2),
        ("errors: commit refused", 1),
    ] {
        let seen = counts.0.get(what).copied().unwrap_or(0);
        assert!(seen >= least, "{what}: {seen}, wanted {least}");
    }
}

/// A leader that moved behind the last record of a batch larger than the window took the verdict with it: the record came again.
#[test]
fn a_record_is_not_handed_out_again_because_its_leader_moves() {
    assert_eq!(run(68_212).violation, None);
}

/// A heartbeat of KIP-848 brought the next assignment while `Assigned` waited for an unfinished commit: it named what was kept.
#[test]
fn what_is_kept_is_not_assigned_again() {
    for seed in [80_176, 85_025] {
        assert_eq!(run(seed).violation, None);
    }
}

/// A static member died between the two rebalances of a cooperative group, and its successor did not know that there was to be a
/// second one: what was withheld stayed nobody's.
#[test]
fn what_a_leader_withholds_finds_its_owner_in_the_end() {
    assert_eq!(run(61_719).violation, None);
}

/// A group on its way to KIP-848 answers SyncGroup with 27 again and again: it was joined again as fast as the link went.
#[test]
fn a_rebalance_that_is_refused_again_and_again_is_not_joined_in_a_loop() {
    assert_eq!(run(6836).violation, None);
}

/// A broker that had not heard of a topic yet answered the leader, which left the topic out: nobody had it for a generation.
#[test]
fn a_topic_that_one_broker_does_not_know_yet_is_not_left_out() {
    assert_eq!(run(4425).violation, None);
}
