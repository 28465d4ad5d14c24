//! Owns the adding of uses that were noted: to which memories they are added, and what is logged.
//!
//! Invariant: an operation adds the same number to each of its memories. A replay adds it only to
//! rows whose newest operation is older, so every use is counted once.

use std::collections::BTreeMap;

use super::updates::Sequence;
use super::{Effect, Stage};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::format::op::{Op, OpKind};
use crate::ids::MemoryId;
use crate::memory::{Change, Uses};
use crate::snapshot::uses::NotedUse;

/// Uses within this many milliseconds share a record, which has the latest of their times.
const TOGETHER: i64 = 1_000;

impl Stage {
    /// Adds uses to the memories that are visible. Logs one record for each number of uses and each
    /// second.
    pub(super) fn add_uses(
        &mut self,
        noted: Vec<NotedUse>,
        sequence: &dyn Sequence,
        payload: &mut Vec<u8>,
    ) -> Result<Effect> {
        let mut of: BTreeMap<MemoryId, (u32, Timestamp)> = BTreeMap::new();
        for NotedUse { id, namespace, count, last } in noted {
            if self.is_visible(id, namespace.as_deref())? {
                let (sum, latest) = of.entry(id).or_insert((0, last));
                (*sum, *latest) = (sum.saturating_add(count), last.max(*latest));
            }
        }
        let updated = of.len() as u64;
        let mut groups: BTreeMap<(i64, u32), (Vec<MemoryId>, Timestamp)> = BTreeMap::new();
        for (id, (count, last)) in of {
            let key = (last.as_millis().div_euclid(TOGETHER), count);
            let (ids, latest) = groups.entry(key).or_insert((Vec::new(), last));
            ids.push(id);
            *latest = last.max(*latest);
        }
        for ((_, count), (ids, last)) in groups {
            let seq = sequence.next();
            let change = Change { seq, uses: Some(Uses { seq, count, last }), ..Change::default() };
            let kind = OpKind::ChangeIds { ids, change };
            let op = Op { collection: self.core.id, seq, kind };
            self.log(&op, payload);
            sequence.take(seq);
            self.apply(op, Timestamp::MAX)?;
        }
        Ok(Effect::Updated(updated))
    }
}
