//! All memory, in one static or one box. Generics stop at `storage()`.
use crate::connection::Link;
use crate::partitions::Slot;
use crate::state::{State, NAME_BYTES, RECEIVE_BUFFER};
use core::ops::{Deref, DerefMut};

/// Smallest window: the longest topic name with its partition count, and a batch header with a record's head behind it.
pub const MIN_WINDOW: usize = 256;

/// Everything a consumer needs, but its transport's socket buffers:
///
/// * `PARTITIONS` assigned at the same time, 48 bytes each and [`NAME_BYTES`] for names;
/// * `CONNECTIONS`, at least 2: one for control and group, the others for fetching. One for each broker is ideal, with
///   fewer the leaders take turns;
/// * `WINDOW` bytes for the answer being read, at least [`MIN_WINDOW`]. Batches of any size pass through it; a record larger than it is
///   handed out in chunks.
///
/// All zero, so a static of it lies in `.bss`.
pub struct Resources<const PARTITIONS: usize, const CONNECTIONS: usize, const WINDOW: usize> {
    state: State,
    buffer: [u8; RECEIVE_BUFFER],
    links: [Link; CONNECTIONS],
    slots: [Slot; PARTITIONS],
    names: [[u8; NAME_BYTES]; PARTITIONS],
    window: [u8; WINDOW],
}

impl<const PARTITIONS: usize, const CONNECTIONS: usize, const WINDOW: usize>
    Resources<PARTITIONS, CONNECTIONS, WINDOW>
{
    /// For a static.
    pub const fn new() -> Self {
        const {
            assert!(PARTITIONS > 0 && PARTITIONS < 65_536, "1 to 65,535 partitions");
            assert!(CONNECTIONS > 1 && CONNECTIONS < 128, "at least one connection for control and one for fetching");
            assert!(WINDOW >= MIN_WINDOW && WINDOW <= 1 << 30, "a window of at least MIN_WINDOW bytes");
        }
        Resources {
            state: State::NEW,
            buffer: [0; RECEIVE_BUFFER],
            links: [Link::NEW; CONNECTIONS],
            slots: [Slot::NEW; PARTITIONS],
            names: [[0; NAME_BYTES]; PARTITIONS],
            window: [0; WINDOW],
        }
    }

    /// Erases the sizes. A consumer that is gone leaves the resources ready for the next one.
    pub fn storage(&mut self) -> Storage<'_> {
        Storage {
            state: Mem::Borrowed(&mut self.state),
            buffer: Mem::Borrowed(&mut self.buffer),
            links: Mem::Borrowed(&mut self.links),
            slots: Mem::Borrowed(&mut self.slots),
            names: Mem::Borrowed(self.names.as_flattened_mut()),
            window: Mem::Borrowed(&mut self.window),
            memory: Mem::Borrowed(&mut []),
        }
    }
}

impl<const PARTITIONS: usize, const CONNECTIONS: usize, const WINDOW: usize> Default
    for Resources<PARTITIONS, CONNECTIONS, WINDOW>
{
    fn default() -> Self {
        Self::new()
    }
}

/// [`Resources`] without their sizes.
pub struct Storage<'r> {
    pub(crate) state: Mem<'r, State>,
    pub(crate) buffer: Mem<'r, [u8]>,
    pub(crate) links: Mem<'r, [Link]>,
    pub(crate) slots: Mem<'r, [Slot]>,
    pub(crate) names: Mem<'r, [u8]>,
    pub(crate) window: Mem<'r, [u8]>,
    pub(crate) memory: Mem<'r, [u8]>,
}

impl<'r> Storage<'r> {
    /// Memory to lead a group of several members with, while an assignment is computed: for each member 12 bytes, its member id
    /// (46 bytes of a nanokafka), its `group.instance.id` and 2 bytes for each topic it subscribes to. That is all that range needs.
    /// Round robin takes 8 bytes more, and 4 for each member, topic and partition; the sticky assignors take 8, and 24 for each
    /// member, 4 for each topic and 10 for each partition. Topics that only others subscribe to are in the names as well. With
    /// less, or without it, the consumer resigns when it is elected in a larger group, and [`Resource::GroupMemory`](crate::Resource::GroupMemory)
    /// says what was needed.
    pub fn group_memory(mut self, memory: &'r mut [u8]) -> Self {
        self.memory = Mem::Borrowed(memory);
        self
    }
}

#[cfg(feature = "alloc")]
impl Storage<'static> {
    /// From the heap, for gateways and tests; nothing grows afterwards. Numbers as for [`Resources`]; what is below the
    /// least is refused by `Consumer::new`. Leads groups with up to 64 KB of memory.
    pub fn boxed(partitions: usize, connections: usize, window: usize) -> Self {
        use alloc::{boxed::Box, vec};
        Storage {
            state: Mem::Owned(Box::new(State::NEW)),
            buffer: Mem::Owned(vec![0; RECEIVE_BUFFER].into()),
            links: Mem::Owned((0..connections).map(|_| Link::NEW).collect()),
            slots: Mem::Owned(vec![Slot::NEW; partitions].into()),
            names: Mem::Owned(vec![0; partitions.saturating_mul(NAME_BYTES).clamp(1024, u16::MAX.into())].into()),
            window: Mem::Owned(vec![0; window].into()),
            memory: Mem::Owned(vec![0; 65_536].into()),
        }
    }
}

/// Borrowed, or owned where there is a heap. Without `alloc` it is the reference.
pub(crate) enum Mem<'r, T: ?Sized> {
    Borrowed(&'r mut T),
    #[cfg(feature = "alloc")]
    Owned(alloc::boxed::Box<T>),
}

impl<T: ?Sized> Deref for Mem<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        match self {
            Mem::Borrowed(it) => it,
            #[cfg(feature = "alloc")]
            Mem::Owned(it) => it,
        }
    }
}

impl<T: ?Sized> DerefMut for Mem<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match self {
            Mem::Borrowed(it) => it,
            #[cfg(feature = "alloc")]
            Mem::Owned(it) => it,
        }
    }
}

// what a microcontroller pays; pointers and alignment are its own
#[cfg(target_pointer_width = "32")]
const _: () = {
    assert!(size_of::<Resources<8, 2, 4096>>() - 4096 <= 3 * 1024, "state of a small consumer");
    assert!(size_of::<Resources<9, 2, 4096>>() - size_of::<Resources<8, 2, 4096>>() <= 48 + NAME_BYTES, "a partition");
};
