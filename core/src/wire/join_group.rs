//! JoinGroup v5..v3 (JoinGroupRequest/Response.json) and the Subscription inside it (ConsumerProtocolSubscription.json).
//! Members are listed to the leader only, so a list that is not empty says "you lead": of the leader's name it only matters whether
//! there is one.
//! Other people's subscriptions may hold anything: one that does not parse counts as empty, and never harms the answer.
use super::answer::{Progress, END};
#[cfg(feature = "group-sticky")]
use super::claims;
use super::encode::{Encoder, Partitions};
use super::primitives::{be_i16, be_i32, count, fixed, string, string_length, Bytes, Parsed};
use crate::Assignor;
use nom::Parser;

pub(crate) enum Item<'a> {
    Head {
        throttle: i32,
        error: i16,
        generation: i32,
    },
    /// The one that the group has chosen; empty if it is none of ours.
    Assignor(&'a str),
    /// Whether somebody leads: nobody does where the broker assigns, with members of KIP-848 in the group.
    Leader(bool),
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

/// No name of ours is longer.
const ASSIGNOR: u32 = 32;

const PROTOCOL: u8 = 1;
const LEADER: u8 = 2;
const MEMBER_ID: u8 = 3;
const MEMBERS: u8 = 4;
const MEMBER: u8 = 5;
const INSTANCE: u8 = 6;
const SUBSCRIPTION: u8 = 7;
const TOPICS: u8 = 8;
const TOPIC: u8 = 9;

/// With `claims` a member's topics are followed by what [`claims`](super::claims) reads, and then [`member_done`].
pub(crate) fn item<'a>(p: &mut Progress, version: i16, claims: bool, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    match p.part {
        0 => {
            let (i, head) = fixed::<10>(i)?;
            p.part = PROTOCOL;
            Ok((i, Item::Head { throttle: head.i32::<0>(), error: head.i16::<4>(), generation: head.i32::<6>() }))
        }
        PROTOCOL => {
            let (rest, length) = string_length(i)?;
            if length > ASSIGNOR {
                (p.skip, p.part) = (length, LEADER);
                return Ok((rest, Item::Assignor("")));
            }
            let (rest, name) = string(i)?;
            p.part = LEADER;
            Ok((rest, Item::Assignor(name)))
        }
        LEADER => string_length
            .map(|leader| {
                (p.skip, p.part) = (leader, MEMBER_ID);
                Item::Leader(leader > 0)
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
                if subscription_version < 0 {
                    member_done(p);
                } else if p.inner == 0 {
                    topics_done(p, claims);
                }
                Item::Part
            })
            .parse(i),
        _ => topic(p, claims, i),
    }
}

fn topic<'a>(p: &mut Progress, claims: bool, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
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
        topics_done(p, claims);
    }
    Ok((i.get(needed as usize..).unwrap_or_default(), if name.is_empty() { Item::Part } else { Item::Topic(name) }))
}

fn topics_done(p: &mut Progress, claims: bool) {
    #[cfg(feature = "group-sticky")]
    if claims {
        p.part = claims::USER_DATA;
        return;
    }
    let _ = claims;
    member_done(p);
}

/// What is left of the subscription is passed over.
pub(crate) fn member_done(p: &mut Progress) {
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
    /// For assignors that spread partitions by rack; empty is none.
    pub rack: &'a str,
}

/// Topics and claims in the same order each time: the broker compares subscriptions by their bytes.
pub(crate) fn request<'a>(
    e: &mut Encoder<'_>,
    version: i16,
    join: &Join<'_>,
    assignors: &[Assignor],
    topics: impl Iterator<Item = &'a str> + Clone,
    claimed: &Claimed<impl Partitions<'a>>,
) {
    e.str(join.group);
    e.i32(join.session_timeout).i32(join.rebalance_timeout).str(join.member);
    if version >= 5 {
        e.nullable(join.instance);
    }
    e.str("consumer").i32(assignors.len() as i32);
    for &assignor in assignors {
        let mut counted = Encoder::count();
        subscription(&mut counted, assignor, topics.clone(), claimed, join.rack);
        e.str(assignor.name()).i32(counted.size() as i32);
        subscription(e, assignor, topics.clone(), claimed, join.rack);
    }
}

/// What a member says that it has, or had.
#[cfg_attr(not(feature = "group-sticky"), allow(dead_code))]
pub(crate) struct Claimed<P> {
    /// What it goes on with while the group rebalances.
    pub owned: P,
    /// What it gave up for it.
    pub given_up: P,
    /// In which it got them; -1 it got none.
    pub generation: i32,
}

/// Range and round robin: version 1, without owned partitions, as an eager member has none when it joins. Sticky: the same with
/// user data once there is something to say. Cooperative sticky: version 3, whose generation the user data repeats for members
/// that know version 1 only.
pub(crate) fn subscription<'a>(
    e: &mut Encoder<'_>,
    assignor: Assignor,
    topics: impl Iterator<Item = &'a str> + Clone,
    #[cfg_attr(not(feature = "group-sticky"), allow(unused_variables))] claimed: &Claimed<impl Partitions<'a>>,
    #[cfg_attr(not(feature = "group-sticky"), allow(unused_variables))] rack: &str,
) {
    let version = match assignor {
        #[cfg(feature = "group-sticky")]
        Assignor::CooperativeSticky => 3,
        _ => 1,
    };
    e.i16(version).strings(topics);
    match assignor {
        #[cfg(feature = "group-sticky")]
        Assignor::CooperativeSticky => {
            e.i32(4).i32(claimed.generation);
            claims::put(e, claimed.owned.clone(), claimed.generation);
            e.nullable(rack);
        }
        #[cfg(feature = "group-sticky")]
        Assignor::Sticky if claimed.generation >= 0 => {
            let mut counted = Encoder::count();
            claims::put(&mut counted, claimed.given_up.clone(), claimed.generation);
            e.i32(counted.size() as i32);
            claims::put(e, claimed.given_up.clone(), claimed.generation);
            e.i32(0);
        }
        _ => {
            e.i32(-1).i32(0); // no user data, nothing owned
        }
    }
}
