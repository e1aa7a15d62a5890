//! Groups of the classic protocol.
use super::{heartbeat, join, sync, Bytes, Script};
use std::time::Duration;

/// A group of two dynamic members, and one of a static one.
pub(super) fn group(script: &mut Script) {
    script.code("heartbeat in no group", 12, 3, heartbeat("g", 1, "x", None));
    script.code("leave no group", 13, 2, Bytes::default().str("g").str("x"));
    script.commit("commit of a generation in no group", "g", 5, "x", None);
    script.committed("nothing committed", "g");
    script.commit("commit of nobody in no group", "g", -1, "", None);
    script.committed("committed by nobody", "g");
    for (what, group, session, kind, id) in [
        ("join without a group", "", 10_000, "consumer", ""),
        ("join for too short", "g", 1, "consumer", ""),
        ("join as an unknown one", "g", 10_000, "consumer", "x"),
    ] {
        script.send(0, 11, 5, join(group, id, None, session, kind, "range"));
        script.joined(what, 0, None);
    }
    script.send(0, 11, 5, join("g", "", None, 10_000, "consumer", "range"));
    let a = script.joined("a gets an id", 0, Some("a"));
    script.code("heartbeat with it", 12, 3, heartbeat("g", -1, &a, None));
    script.send(0, 11, 5, join("g", &a, None, 10_000, "consumer", "range"));
    script.joined("a joins", 0, None);
    script.code("heartbeat before the sync", 12, 3, heartbeat("g", 1, &a, None));
    script.commit("commit before the sync", "g", 1, &a, None);
    script.send(0, 14, 3, sync("g", 1, &a, &[(&a, b"all")]));
    script.synced("a syncs", 0);
    for (what, generation, id) in
        [("right", 1, &a[..]), ("old", 0, &a), ("future", 2, &a), ("unknown", 1, "x"), ("nobody", -1, "")]
    {
        script.code(&format!("heartbeat, {what}"), 12, 3, heartbeat("g", generation, id, None));
        script.commit(&format!("commit, {what}"), "g", generation, id, None);
        script.send(0, 14, 3, sync("g", generation, id, &[]));
        script.synced(&format!("sync, {what}"), 0);
    }
    script.send(0, 11, 5, join("g", "", None, 10_000, "other", "range"));
    script.joined("join of another kind", 0, None);
    script.send(0, 11, 5, join("g", "", None, 10_000, "consumer", "sticky"));
    script.joined("join with another protocol", 0, None);

    script.send(1, 11, 5, join("g", "", None, 10_000, "consumer", "range"));
    let b = script.joined("b gets an id", 1, Some("b"));
    script.send(1, 11, 5, join("g", &b, None, 10_000, "consumer", "range"));
    script.broker.pass(Duration::from_millis(1_500));
    script.code("a hears of it", 12, 3, heartbeat("g", 1, &a, None));
    script.commit("a commits meanwhile", "g", 1, &a, None);
    script.send(0, 14, 3, sync("g", 1, &a, &[]));
    script.synced("a syncs meanwhile", 0);
    script.send(0, 11, 5, join("g", &a, None, 10_000, "consumer", "range"));
    script.joined("a joins again", 0, None);
    script.joined("b joins", 1, None);
    script.send(1, 14, 3, sync("g", 2, &b, &[]));
    script.send(0, 14, 3, sync("g", 2, &a, &[(&a, b"left"), (&b, b"right")]));
    script.synced("a has", 0);
    script.synced("b has", 1);
    script.send(1, 11, 5, join("g", &b, None, 10_000, "consumer", "range"));
    script.joined("b joins again, as a follower", 1, None);
    script.code("b leaves", 13, 2, Bytes::default().str("g").str(&b));
    script.code("b leaves again", 13, 2, Bytes::default().str("g").str(&b));
    script.code("b is out", 12, 3, heartbeat("g", 2, &b, None));
    script.commit("b commits", "g", 2, &b, None);
    script.code("a hears of that", 12, 3, heartbeat("g", 2, &a, None));
    script.send(0, 11, 5, join("g", &a, None, 10_000, "consumer", "range"));
    script.joined("a is alone", 0, None);
    script.send(0, 14, 3, sync("g", 3, &a, &[]));
    script.synced("a forgets itself", 0);
    script.code("a leaves", 13, 2, Bytes::default().str("g").str(&a));
    script.commit("nobody commits in the empty group", "g", -1, "", None);

    script.send(0, 11, 5, join("s", "", Some("i"), 10_000, "consumer", "range"));
    let old = script.joined("a static member", 0, Some("old"));
    script.send(0, 14, 3, heartbeat("s", 1, &old, Some("i")).i32(1).str(&old).bytes(b"all"));
    script.synced("it has", 0);
    script.send(0, 11, 5, join("s", "", Some("i"), 10_000, "consumer", "range"));
    let new = script.joined("it is back", 0, Some("new"));
    script.code("its old id", 12, 3, heartbeat("s", 1, &old, Some("i")));
    script.commit("its old id commits", "s", 1, &old, Some("i"));
    script.code("its new id", 12, 3, heartbeat("s", 1, &new, Some("i")));
    script.code("another instance", 12, 3, heartbeat("s", 1, &new, Some("j")));
    script.send(0, 14, 3, heartbeat("s", 1, &new, Some("i")).i32(0));
    script.synced("it has again", 0);
}
