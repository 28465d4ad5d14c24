//! Owns the delivery of a store's events to its listener: a bounded queue, delivered in order by
//! one thread at a time. No lock of the store is held and no job runs on that thread meanwhile.
//! Knows nothing of the content of events.
//!
//! In a store with background threads, a thread of the pool delivers events soon after they happen.
//! In any other store, the call that caused an event delivers it before it returns, unless another
//! thread is already delivering. So a listener may call the store. A listener that panics harms
//! nobody: the panic is counted.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::event::Event;
use crate::options::Listener;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, lock};
use crate::worker;

/// Maximum number of queued events. Further events are counted and dropped.
const MOST_WAITING: usize = 1024;

/// The queue of a store's events and its listener.
pub(crate) struct Events {
    /// True if a thread of the pool delivers.
    in_background: bool,
    state: Mutex<State>,
    panics: AtomicU64,
    lost: AtomicU64,
    /// Receives every event at once.
    #[cfg(test)]
    tap: Option<Listener>,
}

#[derive(Default)]
struct State {
    /// None if there is no listener, or no longer.
    listener: Option<Listener>,
    waiting: VecDeque<Event>,
    /// True while a thread delivers or is about to.
    telling: bool,
    closed: bool,
}

impl Events {
    pub(super) fn new(
        listener: Option<Listener>,
        in_background: bool,
        #[cfg(test)] tap: Option<Listener>,
    ) -> Arc<Self> {
        Arc::new(Self {
            in_background,
            state: Mutex::new(State { listener, ..State::default() }),
            panics: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            #[cfg(test)]
            tap,
        })
    }

    /// Queues an event for the listener. It is delivered later, so the caller may hold any lock.
    pub(crate) fn emit(self: &Arc<Self>, event: &Event) {
        #[cfg(test)]
        if let Some(tap) = &self.tap {
            tap(event);
        }
        self.note(event);
    }

    /// Returns a guard that delivers the events of the current call when it is dropped. A call that
    /// may cause events creates it before anything else.
    pub(crate) fn telling(&self) -> Telling<'_> {
        Telling(self)
    }

    /// Returns how often the listener panicked.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Returns how many events were dropped because the queue was full.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Queues an event. Calls no listener.
    fn note(self: &Arc<Self>, event: &Event) {
        let mut state = lock(&self.state);
        if state.listener.is_none() || state.closed {
            return;
        }
        // Newer progress replaces older progress that was not delivered yet.
        if state.waiting.back().is_some_and(|last| is_later_progress(last, event)) {
            state.waiting.pop_back();
        }
        if state.waiting.len() < MOST_WAITING {
            state.waiting.push_back(event.clone());
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        if !self.in_background || std::mem::replace(&mut state.telling, true) {
            return;
        }
        drop(state);
        let events = Arc::clone(self);
        if !worker::post(move || events.tell_all()) {
            // No thread could be started: the next event tries again.
            lock(&self.state).telling = false;
        }
    }

    /// Delivers the queued events on this thread, unless a thread of the pool does so.
    pub(crate) fn tell(&self) {
        if self.in_background {
            return;
        }
        let mut state = lock(&self.state);
        if state.waiting.is_empty() || std::mem::replace(&mut state.telling, true) {
            return;
        }
        drop(state);
        self.tell_all();
    }

    /// Accepts no more events. Drops the listener, with everything it holds, once the queued events
    /// are delivered.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.tell();
        let mut state = lock(&self.state);
        let listener = if state.telling { None } else { state.listener.take() };
        drop(state);
        drop(listener);
    }

    /// Delivers until the queue is empty. The caller has set `telling`.
    fn tell_all(&self) {
        loop {
            let mut state = lock(&self.state);
            let (next, listener) = (state.waiting.pop_front(), state.listener.clone());
            let (Some(event), Some(listener)) = (next, listener) else {
                state.telling = false;
                let gone = if state.closed { state.listener.take() } else { None };
                drop(state);
                // The listener may hold the last handle of the store.
                drop(gone);
                return;
            };
            drop(state);
            if catch_unwind(AssertUnwindSafe(|| listener(&event))).is_err() {
                self.panics.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Returns true if both report the progress of the same work and `event` came later.
fn is_later_progress(last: &Event, event: &Event) -> bool {
    match (last, event) {
        (
            Event::Progress { collection: before, done: a, total: all },
            Event::Progress { collection, done: b, total },
        ) => before == collection && a <= b && all == total,
        _ => false,
    }
}

/// Delivers the events of a call at its end, after its locks and its job are released. It is the
/// first value that a call creates, so it is dropped last.
pub(crate) struct Telling<'a>(&'a Events);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unset(n: usize) -> Event {
        Event::RetentionUnset { collection: n.to_string() }
    }

    fn progress(done: u64) -> Event {
        Event::Progress { collection: "notes".into(), done, total: 9 }
    }

    #[test]
    fn what_finds_no_room_is_counted_and_steps_in_between_take_none() {
        let received: Arc<Mutex<Vec<Event>>> = Arc::default();
        let inner = Arc::clone(&received);
        let listener: Listener = Arc::new(move |event| lock(&inner).push(event.clone()));
        let events = Events::new(Some(listener), false, None);
        (0..5).for_each(|done| events.note(&progress(done)));
        (1..MOST_WAITING + 3).for_each(|n| events.note(&unset(n)));
        assert_eq!((events.lost(), lock(&received).len()), (3, 0));
        events.tell();
        let received = std::mem::take(&mut *lock(&received));
        let expected: Vec<Event> =
            std::iter::once(progress(4)).chain((1..MOST_WAITING).map(unset)).collect();
        assert_eq!(received, expected, "in order, the first of them");
    }

    #[test]
    fn a_listener_goes_at_the_close_and_hears_nothing_after_it() {
        let held = Arc::new(());
        let (inner, count) = (Arc::clone(&held), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&count);
        let listener: Listener = Arc::new(move |_| {
            let _inner = &inner;
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let events = Events::new(Some(listener), false, None);
        events.note(&unset(1));
        events.close();
        events.note(&unset(2));
        events.tell();
        assert_eq!((count.load(Ordering::Relaxed), Arc::strong_count(&held)), (1, 1));
    }
}
