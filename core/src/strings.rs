//! Names one after the other in fixed memory: topics in one such arena, hosts of brokers in another.
//!
//! ```text
//! [length u8][flags u8][number u32 LE][bytes] [length ..  up to `used`
//! ```
//! Where topics are known by id too (KIP-516), the id's 16 bytes follow the name's.
//! A name is known by the offset of its entry, which is stable until an entry before it is removed.
use crate::wire::primitives::{copy, move_down, TopicId, NO_ID};

/// Bytes of an entry in front of its name.
pub(crate) const ENTRY: usize = 6;

/// Bytes of an id behind a name.
pub(crate) const ID: usize = 16;

/// Flag of an entry with an id.
const HAS_ID: u8 = 128;

/// Flag of an entry that is no name but a pattern of names.
#[cfg_attr(not(feature = "group-consumer"), allow(dead_code))]
pub(crate) const PATTERN: u8 = 64;

/// A view; `used <= bytes.len() <= 65,535`.
pub(crate) struct Strings<'a> {
    pub bytes: &'a mut [u8],
    pub used: &'a mut u16,
    /// New entries have room for an id.
    pub ids: bool,
}

/// The name at `at`, empty if there is none.
pub(crate) fn name(bytes: &[u8], at: u16) -> &str {
    let at = usize::from(at);
    let entry = bytes.get(at..).unwrap_or_default();
    let len = entry.first().copied().unwrap_or(0).into();
    entry
        .get(ENTRY..)
        .and_then(|rest| rest.get(..len))
        .and_then(|name| core::str::from_utf8(name).ok())
        .unwrap_or_default()
}

/// Offsets of all entries.
pub(crate) fn entries(bytes: &[u8], used: u16) -> impl Iterator<Item = u16> + Clone + '_ {
    let mut at = 0u16;
    core::iter::from_fn(move || {
        let this = at;
        at = behind(bytes, this);
        (this < used).then_some(this)
    })
}

/// Offset of the entry after the one at `at`.
pub(crate) fn behind(bytes: &[u8], at: u16) -> u16 {
    let len = bytes.get(usize::from(at)).copied().unwrap_or(0);
    let id = if has_id(bytes, at) { ID as u16 } else { 0 };
    at.saturating_add(ENTRY as u16).saturating_add(len.into()).saturating_add(id)
}

fn has_id(bytes: &[u8], at: u16) -> bool {
    cfg!(feature = "group-consumer") && flags(bytes, at) & HAS_ID != 0
}

pub(crate) fn is_pattern(bytes: &[u8], at: u16) -> bool {
    cfg!(feature = "group-consumer") && flags(bytes, at) & PATTERN != 0
}

/// The id of an entry that has one.
pub(crate) fn id(bytes: &[u8], at: u16) -> &TopicId {
    let end = usize::from(behind(bytes, at));
    let id = bytes.get(..end).and_then(|entry| entry.last_chunk()).filter(|_| has_id(bytes, at));
    id.unwrap_or(&NO_ID)
}

/// The entry of `wanted`.
pub(crate) fn find(bytes: &[u8], used: u16, wanted: &str) -> Option<u16> {
    entries(bytes, used).find(|&at| name(bytes, at) == wanted && !is_pattern(bytes, at))
}

pub(crate) fn flags(bytes: &[u8], at: u16) -> u8 {
    bytes.get(usize::from(at).saturating_add(1)).copied().unwrap_or(0)
}

pub(crate) fn number(bytes: &[u8], at: u16) -> u32 {
    let number = bytes.get(usize::from(at).saturating_add(2)..).and_then(|bytes| bytes.first_chunk());
    number.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

impl Strings<'_> {
    /// The entry of `wanted`, made when there is none.
    ///
    /// # Errors
    /// Bytes needed in all.
    pub fn insert(&mut self, wanted: &str) -> Result<u16, usize> {
        match find(self.bytes, *self.used, wanted) {
            Some(at) => Ok(at),
            None => self.append(wanted),
        }
    }

    /// A new entry.
    ///
    /// # Errors
    /// Bytes needed in all.
    pub fn append(&mut self, wanted: &str) -> Result<u16, usize> {
        let at = *self.used;
        let (room, flags) = if cfg!(feature = "group-consumer") && self.ids { (ID, HAS_ID) } else { (0, 0) };
        let end = usize::from(at).saturating_add(ENTRY).saturating_add(wanted.len()).saturating_add(room);
        match (self.bytes.get_mut(usize::from(at)..end), u16::try_from(end), u8::try_from(wanted.len())) {
            (Some(entry), Ok(end), Ok(len)) => {
                copy(entry, &[len, flags, 0, 0, 0, 0]);
                copy(entry.get_mut(ENTRY..).unwrap_or_default(), wanted.as_bytes());
                *self.used = end;
                #[cfg(feature = "group-consumer")]
                self.set_id(at, &NO_ID);
                Ok(at)
            }
            _ => Err(end),
        }
    }

    /// Removes the entry at `at`; returns how far the entries behind it moved down.
    pub fn remove(&mut self, at: u16) -> u16 {
        let behind = behind(self.bytes, at);
        let size = behind.saturating_sub(at);
        move_down(self.bytes, at.into(), usize::from(behind)..usize::from(*self.used));
        *self.used = self.used.saturating_sub(size);
        size
    }

    /// Clears flags of all entries.
    pub fn clear_flags(&mut self, cleared: u8) {
        let mut at = 0;
        while at < *self.used {
            self.set_flags(at, flags(self.bytes, at) & !cleared);
            at = behind(self.bytes, at);
        }
    }

    pub fn set_flags(&mut self, at: u16, flags: u8) {
        if let Some(byte) = self.bytes.get_mut(usize::from(at).saturating_add(1)) {
            *byte = flags & !HAS_ID | *byte & HAS_ID;
        }
    }

    /// Of an entry that has room for it.
    #[cfg(feature = "group-consumer")]
    pub fn set_id(&mut self, at: u16, id: &TopicId) {
        let end = usize::from(behind(self.bytes, at));
        if let (true, Some(entry)) = (has_id(self.bytes, at), self.bytes.get_mut(..end)) {
            if let Some(room) = entry.last_chunk_mut::<ID>() {
                *room = *id;
            }
        }
    }

    pub fn set_number(&mut self, at: u16, number: u32) {
        if let Some(bytes) = self.bytes.get_mut(usize::from(at).saturating_add(2)..) {
            copy(bytes.get_mut(..4).unwrap_or_default(), &number.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_names_once_and_closes_gaps() {
        let (mut bytes, mut used) = ([0; 40], 0);
        let mut strings = Strings { bytes: &mut bytes, used: &mut used, ids: false };
        let a = strings.insert("alpha").unwrap();
        let b = strings.insert("b").unwrap();
        let c = strings.insert("gamma").unwrap();
        assert_eq!(strings.insert("alpha"), Ok(a));
        strings.set_number(c, 77_000);
        strings.set_flags(c, 3);
        assert_eq!(strings.insert("too long for what is left"), Err(29 + 6 + 25));
        let moved = strings.remove(b);
        let c = c - moved;
        assert_eq!(
            (name(&bytes, a), name(&bytes, c), number(&bytes, c), flags(&bytes, c)),
            ("alpha", "gamma", 77_000, 3)
        );
        assert_eq!(entries(&bytes, used).collect::<std::vec::Vec<_>>(), [a, c]);
        assert_eq!(find(&bytes, used, "b"), None);
        assert_eq!(name(&bytes, 1000), "");
    }

    #[test]
    #[cfg(feature = "group-consumer")]
    fn ids_stand_behind_names_and_survive_flags() {
        let (mut bytes, mut used) = ([0xaa; 60], 0);
        let mut strings = Strings { bytes: &mut bytes, used: &mut used, ids: true };
        let (a, b) = (strings.insert("alpha").unwrap(), strings.insert("b").unwrap());
        assert_eq!((b, strings.insert("c")), (5 + 22, Err(5 + 1 + 1 + 3 * 22)));
        strings.set_id(a, &[7; 16]);
        strings.set_flags(a, 1);
        strings.clear_flags(u8::MAX);
        assert_eq!((id(strings.bytes, a), id(strings.bytes, b)), (&[7; 16], &NO_ID));
        assert_eq!((name(strings.bytes, a), name(strings.bytes, b)), ("alpha", "b"));
        assert_eq!(strings.remove(a), 27);
        assert_eq!((used, name(&bytes, 0), id(&bytes, 0)), (23, "b", &NO_ID));
    }
}
