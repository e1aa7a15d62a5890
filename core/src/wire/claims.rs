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

impl Claims {
    pub const NEW: Claims = Claims { sticky: false, left: 0, topics: 0, partitions: 0 };
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
        // nothing of a member before, whose list or answer ended early
        *claims = Claims { sticky: claims.sticky, left: p.left, ..Claims::NEW };
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
    put_partitions(e, topics.clone().count() as i32, topics);
    e.i32(generation);
}

#[cfg(test)]
mod tests {
    use super::super::primitives::{item as parsed, Stop};
    use super::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

    #[derive(Debug, Default, PartialEq, Eq)]
    struct Read {
        claims: Vec<(String, i32)>,
        generation: Option<i32>,
    }

    /// What follows the topics, as `pieces` bytes more at a time arrive, in front of the next member's first byte.
    fn read(sticky: bool, bytes: &[u8], piece: usize) -> Read {
        let mut p = Progress { part: USER_DATA, left: bytes.len() as u32, ..Progress::NEW };
        // what the member before left behind, whose list was cut short or whose answer was
        let mut claims = Claims { sticky, left: 7, topics: 3, partitions: 2 };
        let whole = [bytes, &[0x77]].concat();
        let (mut at, mut here, mut read) = (0, 0, Read::default());
        let mut topic = String::new();
        for _ in 0..10_000 {
            at += core::mem::take(&mut p.skip) as usize;
            if p.part == DONE {
                assert_eq!(whole[at + p.left as usize..], [0x77]);
                return read;
            }
            here = whole.len().min(here.max(at));
            match parsed(item(&mut p, &mut claims, &whole[at..here])) {
                Ok((rest, item)) => {
                    at = here - rest.len();
                    match item {
                        Item::Topic(name) => topic = name.to_string(),
                        Item::Partition(partition) => read.claims.push((topic.clone(), partition)),
                        Item::Generation(generation) => read.generation = Some(generation),
                        Item::Part => {}
                    }
                }
                Err(Stop::More) => {
                    assert!(here < whole.len(), "wants more than there is");
                    here += piece;
                }
                Err(Stop::Bad) => panic!("one member's subscription must not harm the answer"),
            }
        }
        panic!("no end")
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    fn zones(generation: Option<i32>) -> Read {
        Read { claims: [2, 3].map(|partition| ("zones".to_string(), partition)).into(), generation }
    }

    // behind `cut` and `zones` in subscriptions of Java's consumer 4.3.1 as they are in testdata/embedded.json
    const STICKY: &str = "0000001b0000000100057a6f6e6573000000020000000200000003000000020000000000000002ffff";
    const COOPERATIVE: &str = "00000004000000020000000100057a6f6e657300000002000000020000000300000002ffff";

    #[test]
    fn javas_are_read_in_any_pieces() {
        for piece in 1..50 {
            assert_eq!(read(true, &bytes(STICKY), piece), zones(Some(2)));
            assert_eq!(read(false, &bytes(COOPERATIVE), piece), zones(Some(2)));
            // each with the other's eyes
            assert_eq!(read(false, &bytes(STICKY), piece), Read { claims: [].into(), generation: Some(2) });
            assert_eq!(read(true, &bytes(COOPERATIVE), piece), Read::default());
        }
    }

    #[test]
    fn all_versions() {
        let owned = "0000000100057a6f6e6573000000020000000200000003";
        for (sticky, hex, expected) in [
            (false, String::new(), Read::default()), // v0 has no user data if it was cut
            (false, "ffffffff".into(), Read::default()),
            (false, std::format!("ffffffff{owned}"), zones(None)),
            (false, std::format!("0000000400000009{owned}"), zones(Some(9))),
            (false, std::format!("0000000400000009{owned}ffffffff"), zones(Some(9))),
            (false, std::format!("0000000400000009{owned}0000000a"), zones(Some(10))),
            // librdkafka puts the sticky user data here too
            (false, std::format!("0000001b{owned}00000003{owned}0000000a0003726163"), zones(Some(10))),
            (true, std::format!("00000017{owned}"), zones(None)),
            (true, std::format!("0000001b{owned}00000003"), zones(Some(3))),
            (true, std::format!("0000001b{owned}ffffffff"), zones(None)),
            (true, "ffffffff".into(), Read::default()),
            (true, "00000000".into(), Read::default()),
            // longer than it can be
            (true, std::format!("7fffffff{owned}00000003"), zones(Some(3))),
        ] {
            for piece in [1, 7, 100] {
                assert_eq!(read(sticky, &bytes(&hex), piece), expected, "{hex}");
            }
        }
    }

    #[test]
    fn whatever_it_holds_the_next_member_is_found() {
        let mut seed = 1u32;
        for (sticky, hex) in [(true, STICKY), (false, COOPERATIVE)] {
            let whole = bytes(hex);
            for cut in 0..whole.len() {
                read(sticky, &whole[..cut], 3);
                for _ in 0..200 {
                    let mut changed = whole.clone();
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    changed[cut] = (seed >> 24) as u8;
                    read(sticky, &changed, 300);
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_javas() {
        let mut room = [0xaa; 64];
        let mut e = Encoder::fill(&mut room, 0);
        put(&mut e, [("zones", 2..4)].into_iter(), 2);
        let size = e.size();
        assert_eq!(room[..size], bytes(STICKY)[4..31]);
        assert_eq!(room[..size], bytes(COOPERATIVE)[8..35]);
        assert_eq!(room[size], 0xaa);
    }
}
