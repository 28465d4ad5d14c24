//! Owns when a memory expires: computed from its lifetime and the collection's default when it is
//! written. Pure.

use std::time::Duration;

use super::data::Memory;
use super::lifetime::{End, Expiry, Lifetime};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// Returns when a memory written at `now`, the effective now, expires. `None` if the memory was
/// read from a store and has expired since.
pub(crate) fn expiry(
    memory: &Memory,
    default_ttl: Option<Duration>,
    now: Timestamp,
) -> Result<Option<Expiry>> {
    let never = Expiry::from(Timestamp::MAX);
    let by_default = memory.origin.end == End::StoredByDefault;
    let expiry = match memory.lifetime {
        Lifetime::Forever => never,
        // A pinned memory is exempt from every lifetime that is not its own.
        Lifetime::Default if memory.pinned => never,
        Lifetime::Until(_) if memory.pinned && by_default => never,
        Lifetime::Default => default_ttl
            .map_or(never, |ttl| Expiry { at: now + whole_millis(ttl), by_default: true }),
        Lifetime::Ttl(Duration::ZERO) => {
            return Err(Error::option("ttl", "zero: the memory would never be visible"));
        }
        Lifetime::Ttl(ttl) => (now + whole_millis(ttl)).into(),
        Lifetime::Until(at) if at > now => Expiry { at, by_default },
        Lifetime::Until(_) if memory.origin.end != End::Given => return Ok(None),
        Lifetime::Until(at) => {
            return Err(Error::option("expires_at", format!("{at} is not after now, {now}")));
        }
    };
    Ok(Some(expiry))
}

/// Returns the end of a lifetime that is set at `now`, the effective now. The collection's default
/// is not known here: it leaves the end as it is.
pub(crate) fn end_of(lifetime: Lifetime, now: Timestamp) -> Result<Option<Expiry>> {
    let memory = Memory { lifetime, ..Memory::new(0u64, []) };
    match lifetime {
        Lifetime::Default => Ok(None),
        _ => expiry(&memory, None, now),
    }
}

/// Rounds up, so that no lifetime becomes zero.
fn whole_millis(time: Duration) -> Duration {
    let millis = time.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
