//! Owns `MemoryId::unique`: ids that ascend with time and that no other thread or process makes.
//! `next` is the pure part; `unique` supplies the system's time and chance. The layout is that of a
//! UUID of version 7 (RFC 9562).
//!
//! Invariant: the ids of one process ascend strictly, also when the clock stands still or goes
//! back.

use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use super::MemoryId;
use crate::clock::{Clock, SystemClock};
use crate::sync::lock_std;

/// Bits of an id that are left to chance: all but the time, the version and the variant.
const CHANCE_BITS: u32 = 74;
/// The largest time in an id, in milliseconds since 1970: in the year 10889.
const MAX_MILLIS: u64 = (1 << 48) - 1;
/// Bits of an id without version and variant.
const BITS: u32 = 122;

/// The process that made the newest id, and the time and chance in that id.
static LAST: Mutex<Option<(u32, u128)>> = Mutex::new(None);

impl MemoryId {
    /// Returns a new id that no other call returns, in this process or in another. Later calls in
    /// one process return larger ids, also across threads and when the clock goes back. Ids of
    /// several processes ascend as far as their clocks agree.
    ///
    /// The id has the layout of a UUID of version 7: 48 bits of milliseconds since 1970, then 74
    /// bits of chance. Two processes that make ids in the same millisecond choose the same one with
    /// a probability of 2^-73 per pair of ids. About 100 ns. As a decimal number the id has some 37
    /// digits; [`MemoryId::to_uuid_string`] shows it as a UUID.
    ///
    /// ```
    /// use altiplano::{Memory, MemoryId};
    /// let (first, second) = (MemoryId::unique(), MemoryId::unique());
    /// assert!(first < second);
    /// let memory = Memory::new(MemoryId::unique(), [0.1, 0.2]).text("likes tea");
    /// # let _ = memory;
    /// ```
    #[doc(alias = "uuid")]
    #[doc(alias = "ulid")]
    #[doc(alias = "random")]
    pub fn unique() -> Self {
        let process = std::process::id();
        // Its keys are chosen by the operating system, once per thread. The process is hashed as
        // well, because a forked child begins with its parent's keys.
        let state = RandomState::new();
        let half = |part: u8| u128::from(state.hash_one((part, process)));
        let random = half(0) << 64 | half(1);
        let mut last = lock_std(&LAST);
        let millis = u64::try_from(SystemClock::new().wall().as_millis()).unwrap_or_default();
        // A forked child does not go on where its parent was, for both would do so.
        let before = last.filter(|(of, _)| *of == process).map(|(_, number)| number);
        let number = next(millis, random, before);
        *last = Some((process, number));
        Self(laid_out(number))
    }
}

/// Returns the time and the chance of the next id, in 122 bits. `last` is that of the id before.
///
/// Where time has not advanced, a step of chance is added to the last number. Its carry goes into
/// the time, so the numbers ascend for as long as the time fits.
fn next(millis: u64, random: u128, last: Option<u128>) -> u128 {
    let millis = u128::from(millis.min(MAX_MILLIS));
    match last {
        Some(last) if last >> CHANCE_BITS >= millis => {
            let step = 1 + (random >> 96);
            (last + step) & ((1 << BITS) - 1)
        }
        // The highest bit of chance stays clear, so that steps do not reach the time soon.
        _ => millis << CHANCE_BITS | random & ((1 << (CHANCE_BITS - 1)) - 1),
    }
}

/// Returns an id with the time and the chance of `number`, and version and variant in their places.
const fn laid_out(number: u128) -> u128 {
    let (high, low) = (number >> 62, number & ((1 << 62) - 1));
    (high >> 12) << 80 | 7 << 76 | (high & 0xFFF) << 64 | 2 << 62 | low
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u128 = u128::MAX;

    fn millis(number: u128) -> u128 {
        number >> CHANCE_BITS
    }

    #[test]
    fn golden_layout() {
        // The example of RFC 9562, appendix A.6.
        let number = 0x017F_22E2_79B0_u128 << 74 | 0xCC3 << 62 | 0x18C4_DC0C_0C07_398F;
        assert_eq!(laid_out(number), 0x017F_22E2_79B0_7CC3_98C4_DC0C_0C07_398F);
        assert_eq!(laid_out(0), 0x7000_8000_0000_0000_0000);
        assert_eq!(laid_out((1 << BITS) - 1), ALL ^ (8 << 76) ^ (1 << 62));
    }

    #[test]
    fn ids_ascend_when_time_advances_stands_still_or_goes_back() {
        let mut last = None;
        for (time, random) in [(5, ALL), (5, 0), (5, ALL), (3, ALL), (0, 0), (6, 0), (6, 0), (2, 7)]
        {
            let number = next(time, random, last);
            assert!(last.is_none_or(|last| number > last), "{time}");
            assert!(last.is_none_or(|last| laid_out(number) > laid_out(last)), "{time}");
            last = Some(number);
        }
        assert_eq!(millis(last.unwrap()), 6);
    }

    #[test]
    fn a_new_millisecond_begins_by_chance_and_leaves_room_above() {
        assert_eq!(next(9, 0x1234, Some(8 << CHANCE_BITS)), 9 << CHANCE_BITS | 0x1234);
        let highest = next(9, ALL, None);
        assert_eq!(highest, 9 << CHANCE_BITS | ((1 << 73) - 1));
        let full: u128 = (0..1_000).fold(highest, |last, _| next(9, ALL, Some(last)));
        assert_eq!(millis(full), 9);
    }

    #[test]
    fn chance_that_overflows_carries_into_the_time() {
        let full = 10 << CHANCE_BITS | ((1 << CHANCE_BITS) - 1);
        let after = next(10, 0, Some(full));
        assert_eq!(after, 11 << CHANCE_BITS);
        // The clock gets there later, and the ids still ascend.
        assert!(next(11, 0, Some(after)) > after);
    }

    #[test]
    fn times_that_no_id_can_hold_are_cut() {
        assert_eq!(millis(next(u64::MAX, 0, None)), u128::from(MAX_MILLIS));
        let end = (1 << BITS) - 1;
        assert_eq!(next(u64::MAX, 0, Some(end)), 0);
    }

    #[test]
    fn ids_of_four_threads_differ_and_ascend_in_each() {
        let made = || (0..10_000).map(|_| MemoryId::unique()).collect::<Vec<_>>();
        let all: Vec<Vec<MemoryId>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(made)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for ids in &all {
            assert!(ids.is_sorted_by(|a, b| a < b));
        }
        let different: std::collections::HashSet<MemoryId> = all.into_iter().flatten().collect();
        assert_eq!(different.len(), 40_000);
    }

    #[test]
    fn an_id_says_when_it_was_made_and_that_it_is_of_version_7() {
        let before = SystemClock::new().wall().as_millis();
        let id = MemoryId::unique().as_u128();
        assert_eq!((id >> 76 & 0xF, id >> 62 & 3), (7, 2));
        // Other tests may have driven the newest id a little ahead of the clock.
        assert!((id >> 80) as i64 >= before);
    }

    #[cfg(feature = "uuid")]
    #[test]
    fn a_uuid_made_of_it_says_version_7() {
        let id = MemoryId::unique();
        let uuid = uuid::Uuid::from(id);
        assert_eq!((uuid.get_version_num(), MemoryId::from(uuid)), (7, id));
    }
}
