//! What a member had: OwnedPartitions and GenerationId of ConsumerProtocolSubscription.json v1..v3, which the cooperative sticky
//! assignor reads, and the user data of Java's `StickyAssignor` (`StickyAssignorUserData` v0, v1), whose members own nothing when
//! they join. Both are `array of (topic, array of partition), generation`, where the generation may be missing.
//! They may hold anything: what does not parse ends the list, and it stays without a generation.
use super::answer::Progress;
use super::encode::{put_partitions, Encoder, Partitions};
use super::primitives::{be_i32, string, take, Bytes, Parsed};
use nom::Parser;

/// Where one stands, beside [`Progress::part`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    /// Read the user data instead of what follows it.
    pub sticky: bool,
    /// Bytes left of the list; `left <= Progress::left`.
    left: u32,
    topics: u32,
    partitions: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Topic(&'a str),
    /// Of the topic before.
    Partition(i32),
    Generation(i32),
    Part,
}

/// The first part: where a subscription's topics end. `Progress::left` is what is left of the subscription.
pub(crate) const USER_DATA: u8 = 16;
const ONLY_GENERATION: u8 = 17;
const TOPICS: u8 = 18;
const TOPIC: u8 = 19;
const PARTITION: u8 = 20;
const GENERATION: u8 = 21;
/// The last part: `Progress::left` bytes are to be passed over.
pub(crate) const DONE: u8 = 22;

pub(crate) fn item<'a>(p: &mut Progress, claims: &mut Claims, i: Bytes<'a>) -> Parsed<'a, Item<'a>> {
    if p.part == USER_DATA {
        claims.left = p.left;
    }
    let size = match p.part {
        TOPIC => match i.first_chunk() {
            // the name and the count behind it; no topic has a longer one
            Some(length) => match usize::from(u16::from_be_bytes(*length)) {
                length @ ..=crate::config::NAME_MAX => length.saturating_add(6),
                _ => usize::MAX,
            },
            None => 2,
        },
        DONE => 0,
        _ => 4,
    };
    if size > claims.left as usize {
        p.part = DONE;
        return Ok((i, Item::Part));
    }
    let (rest, whole) = take(size)(i)?;
    let spent = size as u32;
    (p.left, claims.left) = (p.left.saturating_sub(spent), claims.left.saturating_sub(spent));
    let item = match p.part {
        TOPIC => match (string, be_i32).parse(whole) {
            Ok((_, (name, partitions))) => {
                claims.topics = claims.topics.saturating_sub(1);
                claims.partitions = u32::try_from(partitions).unwrap_or(0);
                p.part = next(claims);
                Item::Topic(name)
            }
            Err(_) => {
                p.part = DONE;
                Item::Part
            }
        },
        DONE => Item::Part,
        part => number(p, claims, part, be_i32(whole).map_or(0, |(_, number)| number)),
    };
    Ok((rest, item))
}

fn number<'a>(p: &mut Progress, claims: &mut Claims, part: u8, number: i32) -> Item<'a> {
    let count = u32::try_from(number).unwrap_or(0);
    match part {
        USER_DATA if claims.sticky => {
            claims.left = claims.left.min(count);
            p.part = TOPICS;
        }
        // Java before 3.2, whose subscriptions are v1, has the generation here
        USER_DATA if count == 4 => p.part = ONLY_GENERATION,
        USER_DATA => {
            let skipped = count.min(claims.left);
            (p.skip, p.left, claims.left) =
                (skipped, p.left.saturating_sub(skipped), claims.left.saturating_sub(skipped));
            p.part = TOPICS;
        }
        TOPICS => {
            claims.topics = count;
            p.part = next(claims);
        }
        PARTITION => {
            claims.partitions = claims.partitions.saturating_sub(1);
            p.part = next(claims);
            return Item::Partition(number);
        }
        _ => {
            p.part = if part == ONLY_GENERATION { TOPICS } else { DONE };
            // -1 in a subscription that was read after the user data says nothing
            return if number < 0 { Item::Part } else { Item::Generation(number) };
        }
    }
    Item::Part
}

fn next(claims: &Claims) -> u8 {
    match (claims.partitions, claims.topics) {
        (0, 0) => GENERATION,
        (0, _) => TOPIC,
        _ => PARTITION,
    }
}

/// The end of a subscription v2, or what is in the user data of a sticky one.
pub(crate) fn put<'a>(e: &mut Encoder<'_>, topics: impl Partitions<'a>, generation: i32) {
    put_partitions(e, topics);
    e.i32(generation);
}
