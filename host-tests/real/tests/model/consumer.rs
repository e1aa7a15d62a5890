//! Groups of KIP-848.
use super::{Bytes, Script};
use std::time::Duration;

/// What a heartbeat of KIP-848 says: timeout, names (`"-"` is null), regular expression, assignor.
pub(super) type Said<'a> = (i32, &'a str, Option<&'a str>, Option<&'a str>);
pub(super) const FULL: Said = (8_000, "t", None, None);
pub(super) const QUIET: Said = (-1, "-", None, None);

/// A topic's id and its partitions.
pub(super) type Assignment = ([u8; 16], Vec<i32>);

impl Script<'_> {
    /// `owned`: a topic's id and partitions, or nothing at all; `None` is null. Returns epoch and assignment.
    pub(super) fn beat(
        &mut self,
        what: &str,
        (group, id, epoch, instance): (&str, &str, i32, Option<&str>),
        (timeout, names, regex, assignor): Said,
        owned: Option<(&[u8; 16], &[i32])>,
    ) -> (i32, Option<Assignment>) {
        let body = Bytes::default().short(Some(group)).short(Some(id)).i32(epoch).short(instance).short(None);
        let body = body.i32(timeout);
        let body = if names == "-" { body.i8(0) } else { body.i8(2).short(Some(names)) };
        let body = body.short(regex).short(assignor);
        let body = match owned {
            None => body.i8(0),
            Some((_, [])) => body.i8(1),
            Some((topic, all)) => {
                let topic = body.i8(2).raw(topic).i8(all.len() as i8 + 1);
                all.iter().fold(topic, |body, &one| body.i32(one)).i8(0)
            }
        };
        let mut answer = self.call(68, 1, body.i8(0));
        answer.i32();
        let code = answer.i16();
        answer.short(); // in the broker's words
        let (who, epoch, interval) = (answer.short(), answer.i32(), answer.i32());
        let mut assignment = None;
        if answer.i8() == 1 {
            let topics = answer.i8() - 1;
            assert!(topics <= 1, "there is one topic");
            let mut topic = ([0; 16], vec![]);
            for _ in 0..topics {
                topic.0 = answer.raw();
                topic.1 = (0..answer.i8() - 1).map(|_| answer.i32()).collect();
                topic.1.sort_unstable();
                answer.i8();
            }
            answer.i8();
            assignment = Some(topic);
        }
        answer.i8();
        answer.end();
        let n = assignment.as_ref().map(|(_, all)| all.len());
        self.note(what, (code, self.who(&who), epoch, interval > 0, n));
        (epoch, assignment)
    }

    pub(super) fn commit_as(&mut self, what: &str, version: i16, (group, id): (&str, &str), epoch: i32) {
        let body = Bytes::default().short(Some(group)).i32(epoch).short(Some(id)).short(None).i8(2).short(Some("t"));
        let body = body.i8(2).i32(0).i64(5).i32(-1).short(Some("")).i8(0).i8(0).i8(0);
        let mut answer = self.call(8, version, body);
        answer.i32();
        let seen = (answer.i8(), answer.short(), answer.i8(), answer.i32(), answer.i16());
        self.note(what, seen);
    }
}

/// Two members of a group of KIP-848, and what is refused.
pub(super) fn group(script: &mut Script) {
    let none: Option<(&[u8; 16], &[i32])> = Some((&[0; 16], &[]));
    script.beat("heartbeat in no group", ("k", "a", 3, None), QUIET, None);
    script.beat("leave no group", ("k", "a", -1, None), QUIET, None);
    let (first, all) = script.beat("a joins", ("k", "a", 0, None), FULL, none);
    let (topic, all) = all.expect("an assignment");
    script.beat("a has nothing to say", ("k", "a", first, None), QUIET, None);
    script.beat("a says everything", ("k", "a", first, None), FULL, Some((&topic, &all)));
    for (what, who, said, owned) in [
        ("no timeout", ("k", "n", 0, None), (-1, "t", None, None), none),
        ("no names", ("k", "n", 0, None), (8_000, "-", None, None), none),
        ("no list", ("k", "n", 0, None), FULL, None),
        ("a list", ("k", "n", 0, None), FULL, Some((&topic, &all[..1]))),
        ("no id", ("k", "", 0, None), FULL, none),
        ("an empty instance", ("k", "n", 0, Some("")), FULL, none),
        ("a dynamic one for a while", ("k", "n", -2, None), QUIET, None),
        ("what is no epoch", ("k", "n", -3, None), QUIET, None),
        ("no assignor", ("k", "n", 0, None), (8_000, "t", None, Some("sticky")), none),
        ("no expression", ("k", "n", 0, None), (8_000, "-", Some("t("), None), none),
        ("an unknown member", ("k", "n", 1, None), QUIET, None),
        ("an unknown member leaves", ("k", "n", -1, None), QUIET, None),
        ("an epoch to come", ("k", "a", first + 9, None), QUIET, None),
    ] {
        script.beat(what, who, said, owned);
    }
    script.commit_as("a commits", 9, ("k", "a"), first);
    script.commit_as("a commits at an epoch to come", 9, ("k", "a"), first + 9);
    script.commit_as("an unknown member commits", 9, ("k", "n"), first);
    script.commit("a commits as of old", "k", first, "a", None);
    script.commit("nobody commits", "k", -1, "", None);

    // sessions are of 3 s there, and targets a second old at least
    script.broker.pass(Duration::from_millis(1_500));
    script.beat("a is still there", ("k", "a", first, None), QUIET, None);
    script.beat("b joins", ("k", "b", 0, None), FULL, none);
    script.broker.pass(Duration::from_millis(1_500));
    let (behind, kept) = script.beat("a is to give up", ("k", "a", first, None), QUIET, None);
    assert_eq!(behind, first, "until it says that it has: {:?}", script.seen);
    let (_, kept) = kept.expect("an assignment");
    let (b, _) = script.beat("b waits", ("k", "b", first, None), QUIET, None);
    let (second, _) = script.beat("a has given up", ("k", "a", first, None), QUIET, Some((&topic, &kept)));
    script.beat("b has its share", ("k", "b", b, None), QUIET, None);
    script.beat("a's answer was lost", ("k", "a", first, None), QUIET, Some((&topic, &kept)));
    script.beat("and it does not say what it has", ("k", "a", first, None), QUIET, None);
    script.commit_as("a commits at the epoch before", 9, ("k", "a"), first);
    script.beat("b leaves", ("k", "b", -1, None), QUIET, None);
    script.beat("b is out", ("k", "b", second, None), QUIET, None);
    script.commit_as("b commits", 9, ("k", "b"), second);

    let (epoch, _) = script.beat("a static one joins", ("l", "s", 0, Some("i")), FULL, none);
    script.beat("another with its instance", ("l", "z", 0, Some("i")), FULL, none);
    script.beat("it leaves for a while", ("l", "s", -2, Some("i")), QUIET, None);
    script.beat("it is back under another id", ("l", "u", 0, Some("i")), FULL, none);
    script.beat("its old id", ("l", "s", epoch, Some("i")), QUIET, None);
    script.beat("its old id leaves", ("l", "s", -1, Some("i")), QUIET, None);
    script.beat("an instance that is not there", ("l", "u", epoch, Some("j")), QUIET, None);
}
