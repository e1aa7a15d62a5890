//! JoinGroup v5..v3 (JoinGroupRequest/Response.json) and the Subscription inside it (ConsumerProtocolSubscription.json).
//! Members are listed to the leader only, so a list that is not empty says "you lead": the leader's name is passed over.
//! Other people's subscriptions may hold anything: one that does not parse counts as empty, and never harms the answer.
use super::answer::{Progress, END};
use super::encode::Encoder;
use super::primitives::{be_i16, be_i32, count, string, string_length, Bytes, Parsed};
use nom::Parser;

pub(crate) enum Item<'a> {
    Head {
        throttle: i32,
        error: i16,
        generation: i32,
    },
    /// Our own id.
    MemberId(&'a str),
    /// How many members the leader is told of.
    Members(u32),
    Member(&'a str),
    Instance(&'a str),
    /// A topic the member subscribes to.
    Topic(&'a str),
    Part,
}

const PROTOCOL: u8 = 1;
const LEADER: u8 = 2;
const MEMBER_ID: u8 = 3;
const MEMBERS: u8 = 4;
const MEMBER: u8 = 5;
const INSTANCE: u8 = 6;
const SUBSCRIPTION: u8 = 7;
const TOPICS: u8 = 8;
const TOPIC: u8 = 9;

pub(crate) fn item<'a>(p: &mut Progress, version: i16, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    match p.part {
        0 => (be_i32, be_i16, be_i32)
            .map(|(throttle, error, generation)| {
                p.part = PROTOCOL;
                Item::Head { throttle, error, generation }
            })
            .parse(i),
        PROTOCOL => string_length
            .map(|name| {
                // the only one that was offered
                (p.skip, p.part) = (name, LEADER);
                Item::Part
            })
            .parse(i),
        LEADER => string_length
            .map(|leader| {
                (p.skip, p.part) = (leader, MEMBER_ID);
                Item::Part
            })
            .parse(i),
        MEMBER_ID => string
            .map(|id| {
                p.part = MEMBERS;
                Item::MemberId(id)
            })
            .parse(i),
        MEMBERS => count
            .map(|n| {
                (p.outer, p.part) = (n, if n == 0 { END } else { MEMBER });
                Item::Members(n)
            })
            .parse(i),
        MEMBER => string
            .map(|id| {
                p.part = if version >= 5 { INSTANCE } else { SUBSCRIPTION };
                Item::Member(id)
            })
            .parse(i),
        INSTANCE => string
            .map(|id| {
                p.part = SUBSCRIPTION;
                Item::Instance(id)
            })
            .parse(i),
        SUBSCRIPTION => count
            .map(|bytes| {
                (p.left, p.inner) = (bytes, 0);
                p.part = TOPICS;
                if bytes < 6 {
                    member_done(p);
                }
                Item::Part
            })
            .parse(i),
        TOPICS => (be_i16, be_i32)
            .map(|(subscription_version, topics)| {
                p.left = p.left.saturating_sub(6);
                p.inner = if subscription_version < 0 { 0 } else { u32::try_from(topics).unwrap_or(0) };
                p.part = TOPIC;
                if p.inner == 0 {
                    member_done(p);
                }
                Item::Part
            })
            .parse(i),
        _ => topic(p, i),
    }
}

fn topic<'a>(p: &mut Progress, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    debug_assert!(p.part == TOPIC);
    let (_, length) = if p.left < 2 { (i, -1) } else { be_i16(i)? };
    let needed = u32::try_from(length).map_or(u32::MAX, |n| n.saturating_add(2));
    if needed > p.left || length as usize > crate::config::NAME_MAX {
        member_done(p); // a name that ends beyond its subscription, or that no topic can have
        return Ok((i, Item::Part));
    }
    let (_, bytes) = super::primitives::take(needed as usize)(i)?;
    let name = super::primitives::item(string(bytes)).map_or("", |(_, name)| name);
    p.left = p.left.saturating_sub(needed);
    p.inner = p.inner.saturating_sub(1);
    if p.inner == 0 {
        member_done(p);
    }
    Ok((i.get(needed as usize..).unwrap_or_default(), if name.is_empty() { Item::Part } else { Item::Topic(name) }))
}

/// User data, owned partitions and whatever newer versions append are passed over.
fn member_done(p: &mut Progress) {
    p.outer = p.outer.saturating_sub(1);
    (p.skip, p.left) = (p.left, 0);
    p.part = if p.outer == 0 { END } else { MEMBER };
}

pub(crate) struct Join<'a> {
    pub group: &'a str,
    /// Milliseconds.
    pub session_timeout: i32,
    /// Milliseconds; never 0 or less, or the member is removed before its SyncGroup arrives.
    pub rebalance_timeout: i32,
    pub member: &'a str,
    pub instance: &'a str,
}

/// `topics` in ascending order: the broker compares subscriptions by their bytes. Subscription v1 without owned
/// partitions, as an eager member has none when it joins.
pub(crate) fn request<'a>(
    e: &mut Encoder<'_>,
    version: i16,
    join: &Join<'_>,
    assignor: &str,
    topics: impl Iterator<Item = &'a str> + Clone,
) {
    e.str(join.group);
    e.i32(join.session_timeout).i32(join.rebalance_timeout).str(join.member);
    if version >= 5 {
        e.nullable(join.instance);
    }
    e.str("consumer").i32(1).str(assignor);
    let (mut count, mut bytes) = (0i32, 2 + 4 + 4 + 4usize);
    for topic in topics.clone() {
        (count, bytes) = (count.saturating_add(1), bytes.saturating_add(2).saturating_add(topic.len()));
    }
    e.i32(bytes as i32).i16(1).i32(count);
    for topic in topics {
        e.str(topic);
    }
    e.i32(-1).i32(0); // no user data, nothing owned
}
