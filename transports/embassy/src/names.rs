//! Names. `Stack::dns_query` cancels its query when it is dropped, so it cannot be made for one poll as the rest is: its
//! future lives in the application's frame and is polled by the transport.
use crate::NAME;
use core::cell::Cell;
use core::future::{poll_fn, Future};
use core::pin::{pin, Pin};
use core::task::{Context, Poll};
use embassy_futures::join::join_array;
use embassy_net::dns::DnsQueryType;
use embassy_net::{IpAddress, Stack};
use heapless::String;
use nanokafka::TransportError;

/// Bytes of the longest name.
const NAME_BYTES: usize = 255;

/// `N` names are resolved at the same time, about 680 bytes for each, 410 of them in the future of
/// [`resolve`](Self::resolve). With fewer than there are connections a name that gets no answer holds up the others, for 10 s
/// and each server. More than four do not help: so many queries has embassy-net.
pub struct Names<const N: usize> {
    lookups: [Lookup; N],
}

struct Lookup {
    name: Cell<String<NAME_BYTES>>,
    state: Cell<State>,
    /// Answers so far.
    turn: Cell<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Nobody's. A query that still runs is dropped.
    Free,
    /// The name waits for the resolver.
    Asked,
    Running,
    Answered(Option<IpAddress>),
}

impl<const N: usize> Names<N> {
    /// Without a question.
    pub const fn new() -> Self {
        const { assert!(N > 0, "no name could ever be resolved") }
        Names { lookups: [const { Lookup::new() }; N] }
    }

    /// Answers the transport's questions, for ever: to be pinned beside the consumer and given to
    /// [`Tcp::names`](crate::Tcp::names), which polls it.
    ///
    /// # Cancel safety
    /// It must live as long as the consumer; names do not resolve without it.
    pub async fn resolve(&self, stack: Stack<'_>) {
        join_array(self.lookups.each_ref().map(|lookup| lookup.answer(stack))).await;
    }
}

impl<const N: usize> Default for Names<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl Lookup {
    const fn new() -> Self {
        Lookup { name: Cell::new(String::new()), state: Cell::new(State::Free), turn: Cell::new(0) }
    }

    async fn answer(&self, stack: Stack<'_>) {
        loop {
            // no waker: who asks polls us afterwards
            poll_fn(|_| if self.state.get() == State::Asked { Poll::Ready(()) } else { Poll::Pending }).await;
            self.state.set(State::Running);
            let name = self.name.take();
            self.turn.set(self.turn.get().wrapping_add(1));
            let mut query = pin!(query(stack, &name, self.turn.get()));
            poll_fn(|cx| {
                // given up, and perhaps asked for another name already
                if self.state.get() != State::Running {
                    return Poll::Ready(());
                }
                query.as_mut().poll(cx).map(|found| self.state.set(State::Answered(found)))
            })
            .await;
        }
    }
}

/// An address of a family that the stack has; of several one in `turn`, so that one that is dead is not the only one tried.
async fn query(stack: Stack<'_>, name: &str, turn: usize) -> Option<IpAddress> {
    let kinds = [
        #[cfg(feature = "proto-ipv4")]
        (DnsQueryType::A, stack.config_v4().is_some()),
        #[cfg(feature = "proto-ipv6")]
        (DnsQueryType::Aaaa, stack.config_v6().is_some()),
    ];
    for (kind, usable) in kinds {
        if usable {
            let found = stack.dns_query(name, kind).await.unwrap_or_default();
            let in_turn = turn.checked_rem(found.len()).and_then(|index| found.get(index));
            if in_turn.is_some() {
                return in_turn.copied();
            }
        }
    }
    None
}

/// The transport's side.
pub(crate) struct Resolver<'a> {
    lookups: &'a [Lookup],
    resolve: Pin<&'a mut (dyn Future<Output = ()> + 'a)>,
}

impl<'a> Resolver<'a> {
    pub fn new<const N: usize>(names: &'a Names<N>, resolve: Pin<&'a mut (dyn Future<Output = ()> + 'a)>) -> Self {
        Resolver { lookups: &names.lookups, resolve }
    }

    /// The lookup that works on it from now on, `None` while there is none left.
    pub fn ask(&self, host: &str) -> Result<Option<usize>, TransportError> {
        let name = String::try_from(host).map_err(|_| NAME)?;
        let free = self.lookups.iter().enumerate().find(|(_, lookup)| lookup.state.get() == State::Free);
        Ok(free.map(|(index, lookup)| {
            lookup.name.set(name);
            lookup.state.set(State::Asked);
            index
        }))
    }

    /// Ready with the answer once; the lookup is free then.
    pub fn poll_answer(&mut self, cx: &mut Context<'_>, lookup: usize) -> Poll<Option<IpAddress>> {
        let _ = self.resolve.as_mut().poll(cx); // never ready
        let Some(lookup) = self.lookups.get(lookup) else { return Poll::Ready(None) };
        let State::Answered(found) = lookup.state.get() else { return Poll::Pending };
        lookup.state.set(State::Free);
        cx.waker().wake_by_ref(); // another connection may wait for its turn
        Poll::Ready(found)
    }

    pub fn give_up(&self, lookup: usize) {
        if let Some(lookup) = self.lookups.get(lookup) {
            lookup.state.set(State::Free);
        }
    }
}
