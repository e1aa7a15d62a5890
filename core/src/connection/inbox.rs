//! The part of an answer that has arrived: where its bytes lie in the buffer, and how far it is understood.
use super::{Broken, Link, Pending};
use crate::wire::answer::Progress;
use crate::wire::flexible;
use crate::wire::primitives::{move_down, Flexible};
use crate::{Api, ConnectionId, Transport};
use core::task::{Context, Poll};

/// `start <= end <= buffer.len()`.
#[derive(Debug)]
#[repr(C)] // the small fields first, where short instructions reach them
pub(crate) struct Inbox {
    /// Entry of the topic whose rows are being read, plus 1; 0 for one that is not ours.
    pub topic: u16,
    /// The error of the answer as a whole, once it is known.
    pub error: i16,
    pub start: u32,
    pub end: u32,
    /// Bytes of the answer that are understood or passed over.
    pub position: u32,
    pub progress: Progress,
}

impl Inbox {
    pub const NEW: Inbox = Inbox { start: 0, end: 0, position: 0, progress: Progress::NEW, topic: 0, error: 0 };

    /// For the answer to a request.
    pub fn of(request: Pending) -> Self {
        let flexible = Api::from_key(request.api).is_some_and(|api| flexible(api, request.version).is());
        Inbox { progress: Progress::of(Flexible::new(flexible)), ..Inbox::NEW }
    }

    /// What has arrived and is not consumed.
    #[inline(never)]
    pub fn input<'b>(&self, buffer: &'b [u8]) -> &'b [u8] {
        buffer.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// How many bytes [`input`](Self::input) has.
    pub fn len(&self) -> u32 {
        self.end.saturating_sub(self.start)
    }

    #[inline(never)]
    pub fn consume(&mut self, n: u32) {
        self.start = self.start.saturating_add(n).min(self.end);
        self.position = self.position.saturating_add(n);
    }

    /// An item of `n` bytes is understood; `progress` says what comes next.
    pub fn advance(&mut self, progress: &Progress, n: u32) {
        self.progress = *progress;
        self.consume(n);
    }

    /// Reads once, at most to the answer's end, so that the buffer never holds bytes of the next one. `need` bytes are
    /// wanted from `start` on: they are moved to the front when they do not fit behind it. `keep` bytes at the front of
    /// the buffer stay where they are.
    pub fn pump<T: Transport + ?Sized>(
        &mut self,
        buffer: &mut [u8],
        need: u32,
        keep: u32,
        link: &mut Link,
        id: ConnectionId,
        net: &mut T,
        cx: &mut Context<'_>,
    ) -> Result<bool, Broken> {
        if self.start == self.end && keep == 0 {
            (self.start, self.end) = (0, 0);
        } else if self.start > keep && self.start.saturating_add(need) as usize > buffer.len() {
            move_down(buffer, keep as usize, self.start as usize..self.end as usize);
            (self.start, self.end) = (keep, keep.saturating_add(self.len()));
        }
        let room = buffer.get_mut(self.end as usize..).unwrap_or_default();
        let most = room.len().min(link.left as usize);
        let Some(room) = room.get_mut(..most).filter(|room| !room.is_empty()) else { return Ok(false) };
        let Poll::Ready(n) = net.poll_read(cx, id, room) else { return Ok(false) };
        match n?.min(most) as u32 {
            0 => Err(Broken::Closed),
            n => {
                self.end = self.end.saturating_add(n);
                link.left = link.left.saturating_sub(n);
                Ok(true)
            }
        }
    }
}
