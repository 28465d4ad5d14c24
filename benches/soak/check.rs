//! Owns the checks beside the running load: snapshots that are held for long, and recall. An
//! iterator is compared with the memories that lived when it was opened. Exact search runs over
//! those that lived when a sample was taken. Both copies are made between two writes (`write.rs`).
//! The checks themselves run here, on threads of their own.

use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use altiplano::{Iter, Memory};

use crate::load::{number, space_name, text};
use crate::model::{K, Model, Version};
use crate::shared::{Shared, lock};
use bench_tools::vectors::{Metric, Vectors, distance, exact_neighbors};

/// Largest squared distance between a vector and the one that comes back, as a share of its squared
/// length.
const ROUNDING: f64 = 1e-10;

/// A memory that lived when a snapshot was opened.
#[derive(Clone, Copy, Debug)]
struct Kept {
    id: u64,
    row: u32,
    space: u32,
    /// True if it may have expired by then, or not.
    unsure: bool,
    seen: bool,
}

/// Everything that a snapshot must show.
#[derive(Debug, Default)]
pub(crate) struct Contents(Vec<Kept>);

impl Contents {
    /// Creates room for `count` memories and touches it, so that it counts as memory before the
    /// store.
    pub(crate) fn with_room(count: usize) -> Self {
        let mut kept = vec![Kept { id: 1, row: 1, space: 1, unsure: true, seen: true }; count];
        kept.clear();
        Self(kept)
    }

    /// Copies the live memories. The snapshot is opened at a moment between `from` and `to`.
    pub(crate) fn fill(&mut self, model: &Model, from: u64, to: u64) {
        let kept = |(id, version): (u64, &Version)| Kept {
            id,
            row: version.row,
            space: version.space,
            unsure: version.due_from <= to,
            seen: false,
        };
        let visible = model.versions().filter(|(_, version)| version.due_to > from);
        self.0.clear();
        self.0.extend(visible.map(kept));
        self.0.sort_unstable_by_key(|kept| kept.id);
    }

    /// Checks a memory that the snapshot shows.
    pub(crate) fn see(&mut self, memory: &Memory, base: &Vectors) -> Result<(), String> {
        let id = number(memory.id);
        let Ok(at) = self.0.binary_search_by_key(&id, |kept| kept.id) else {
            return Err(format!("a snapshot shows id {id}, which did not live"));
        };
        let kept = &mut self.0[at];
        if std::mem::replace(&mut kept.seen, true) {
            return Err(format!("a snapshot shows id {id} twice"));
        }
        let row = base.row(kept.row as usize);
        let length: f64 = row.iter().map(|x| f64::from(*x).powi(2)).sum();
        if memory.vector.len() != row.len()
            || distance(&memory.vector, row, Metric::L2) > ROUNDING * length
        {
            return Err(format!("a snapshot shows id {id} with another vector"));
        }
        if memory.namespace.as_deref() != Some(space_name(kept.space).as_str())
            || memory.text.as_deref() != Some(text(id, kept.row).as_str())
        {
            return Err(format!("a snapshot shows id {id} with another namespace or text"));
        }
        Ok(())
    }

    /// Checks that the snapshot has shown everything.
    pub(crate) fn end(&self) -> Result<(), String> {
        let missing = self.0.iter().filter(|kept| !kept.seen && !kept.unsure);
        let missing: Vec<u64> = missing.map(|kept| kept.id).collect();
        match missing.first() {
            None => Ok(()),
            Some(id) => Err(format!(
                "a snapshot of {} lacks {} of them, id {id} for one",
                self.0.len(),
                missing.len()
            )),
        }
    }
}

/// A snapshot that is held.
pub(crate) struct Held {
    pub(crate) iter: Iter,
    pub(crate) until: Instant,
    pub(crate) contents: Contents,
}

/// Reads each snapshot when its time has come. Returns its room to `spare`.
pub(crate) fn hold(shared: &Shared, held: Receiver<Held>, spare: &Mutex<Vec<Contents>>) {
    for Held { iter, until, mut contents } in held {
        while Instant::now() < until && !shared.is_stopping() {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        if let Err(reason) = rest(iter, &mut contents, &shared.base) {
            shared.broke(reason);
        }
        shared.seen().held += 1;
        lock(spare).push(contents);
    }
}

/// Compares the rest of an iterator with the expected contents.
pub(crate) fn rest(iter: Iter, contents: &mut Contents, base: &Vectors) -> Result<(), String> {
    for memory in iter {
        let memory = memory.map_err(|e| format!("a snapshot cannot be read: {e}"))?;
        contents.see(&memory, base)?;
    }
    contents.end()
}

/// Queries that were answered between two writes.
pub(crate) struct Sample {
    /// Rows of the base that lived.
    pub(crate) rows: Vec<u32>,
    /// The number of a query, and the exact distances of its hits.
    pub(crate) answers: Vec<(usize, Vec<f64>)>,
}

/// Creates room for exact search over about `live` rows, and touches it.
pub(crate) fn room(live: usize, dim: usize) -> Vectors {
    let mut data = vec![1.0; live * dim * 5 / 4];
    data.clear();
    Vectors { dim, data }
}

/// Measures recall. A hit as near as the k-th nearest counts, so that equal distances do no harm.
pub(crate) fn recall(shared: &Shared, samples: Receiver<Sample>, mut live: Vectors) {
    let (base, queries) = (&shared.base, &shared.queries);
    for Sample { rows, answers } in samples {
        live.data.clear();
        rows.iter().for_each(|row| live.data.extend_from_slice(base.row(*row as usize)));
        let asked = answers.iter().flat_map(|(query, _)| queries.row(*query)).copied().collect();
        let asked = Vectors { dim: queries.dim, data: asked };
        let nearest = exact_neighbors(&live, &asked, Metric::Cosine, K, 1);
        let found = answers.iter().enumerate().map(|(i, (_, distances))| {
            let last = nearest.row(i).last().copied().unwrap_or(0) as usize;
            let bound = distance(asked.row(i), live.row(last), Metric::Cosine) + 1e-9;
            distances.iter().filter(|distance| **distance <= bound).count()
        });
        let most = (K.min(rows.len()) * answers.len()).max(1);
        shared.seen().recall = Some(found.sum::<usize>() as f64 / most as f64);
    }
}
