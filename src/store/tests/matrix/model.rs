//! Owns the true content of a store: a plain model of all collections, the history of a workload,
//! and which of its states a crash may leave.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::engine::refresh;
use crate::{
    Batch, Collection, CollectionOptions, Durability, Filter, HnswParams, Memory, Metric, Patch,
    Store,
};

/// The collections of workloads. Their dimensions differ, so that none passes for another.
pub(super) const NAMES: [&str; 3] = ["notes", "facts", "turns"];

/// One memory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Identifies the write that made the memory.
    pub(super) text: String,
    pub(super) expires: Timestamp,
    /// In hundredths.
    pub(super) importance: u8,
    /// Identifies the update that wrote the row again.
    pub(super) kind: Option<String>,
    pub(super) uses: u32,
}

/// The memories of each existing collection, by number of name and id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model(
    pub(super) BTreeMap<usize, BTreeMap<u64, Row>>,
    /// The names of collections that do not have their own of [`NAMES`].
    BTreeMap<usize, String>,
);

impl Model {
    /// Returns the name of a collection.
    pub(super) fn name(&self, c: usize) -> &str {
        self.1.get(&c).map_or(NAMES[c], String::as_str)
    }

    pub(super) fn set_name(&mut self, c: usize, name: &str) {
        self.1.remove(&c);
        if name != NAMES[c] {
            self.1.insert(c, name.to_owned());
        }
    }

    /// Returns what readers see at a time.
    pub(super) fn visible(&self, now: Timestamp) -> Self {
        let mut visible = self.clone();
        visible.0.values_mut().for_each(|rows| rows.retain(|_, row| row.expires > now));
        visible
    }

    /// Returns a short description of the first difference.
    pub(super) fn difference(&self, found: &Self) -> String {
        if self.1 != found.1 {
            return format!("the names are {:?} instead of {:?}", found.1, self.1);
        }
        for (c, name) in NAMES.iter().enumerate() {
            match (self.0.get(&c), found.0.get(&c)) {
                (None, None) => {}
                (Some(_), None) => return format!("{name} is missing"),
                (None, Some(_)) => return format!("{name} is back"),
                (Some(wanted), Some(rows)) => {
                    for id in wanted.keys().chain(rows.keys()) {
                        let (wanted, found) = (wanted.get(id), rows.get(id));
                        if wanted != found {
                            return format!("{name} {id}: {found:?} instead of {wanted:?}");
                        }
                    }
                }
            }
        }
        "no difference".to_owned()
    }
}

/// One write of a batch.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Insert {
        to: usize,
        id: u64,
        ttl: Option<u64>,
    },
    Delete {
        from: usize,
        id: u64,
    },
    DeleteWhere {
        from: usize,
        namespace: u64,
    },
    /// Deletes by a list of ids. The log holds those that died.
    DeleteIds {
        from: usize,
        ids: Range<u64>,
    },
    /// Other lifetimes, in seconds, beside the rows.
    Touch {
        of: usize,
        ids: Range<u64>,
        ttl: u64,
    },
    /// The same and another importance, of a namespace.
    TouchWhere {
        of: usize,
        namespace: u64,
        ttl: u64,
    },
    /// Updates that write rows.
    Patch {
        of: usize,
        ids: Range<u64>,
    },
    PatchWhere {
        of: usize,
        namespace: u64,
    },
    /// Another importance, beside the rows.
    Raise {
        of: usize,
        ids: Range<u64>,
    },
    /// Deletes what has at least this importance, in hundredths. A later change takes a memory out
    /// of the reach of the filter, or into it.
    DeleteImportant {
        from: usize,
        least: u8,
    },
    /// One use of each. It is noted, and written by the background, so it is no part of a batch.
    Use {
        of: usize,
        ids: Range<u64>,
    },
}

impl Write {
    pub(super) fn collection(&self) -> usize {
        match self {
            Self::Insert { to, .. } => *to,
            Self::Delete { from, .. }
            | Self::DeleteWhere { from, .. }
            | Self::DeleteIds { from, .. }
            | Self::DeleteImportant { from, .. } => *from,
            Self::Touch { of, .. }
            | Self::TouchWhere { of, .. }
            | Self::Raise { of, .. }
            | Self::Use { of, .. }
            | Self::Patch { of, .. }
            | Self::PatchWhere { of, .. } => *of,
        }
    }
}

pub(super) fn options(collection: usize) -> CollectionOptions {
    let hnsw = HnswParams { m: 4, ef_construction: 8, min_rows: 150, ..HnswParams::default() };
    let metric = [Metric::L2, Metric::Cosine, Metric::Dot][collection];
    CollectionOptions::new(dimension(collection), metric).memtable_rows(64).hnsw(hnsw)
}

fn dimension(collection: usize) -> usize {
    [2, 3, 5][collection]
}

/// Returns which of the collections it is, whatever its name.
fn base(collection: &Collection) -> Option<usize> {
    (0..3).find(|c| dimension(*c) == collection.settings().dimension)
}

/// Returns a vector that identifies its memory, so that none can pass for another.
pub(super) fn vector(collection: usize, id: u64, n: u64) -> Vec<f32> {
    let mut vector = vec![1.0; dimension(collection)];
    // No whole numbers: their bytes are mostly zeros and can occur by chance, as padding before a
    // checksum.
    vector[0] = id as f32 + 0.3;
    vector[1] = n as f32 + 1.3;
    vector
}

/// Applies write `n` of a history to the model.
pub(super) fn apply(model: &mut Model, n: u64, writes: &[Write], now: Timestamp) {
    for write in writes {
        let Some(rows) = model.0.get_mut(&write.collection()) else { continue };
        match write {
            Write::Insert { id, ttl, .. } => {
                let expires = ttl.map_or(Timestamp::MAX, |ttl| now + Duration::from_secs(ttl));
                let (text, importance) = (format!("write {n}"), 50);
                rows.insert(*id, Row { text, expires, importance, kind: None, uses: 0 });
            }
            Write::Delete { id, .. } => drop(rows.remove(id)),
            Write::DeleteWhere { namespace, .. } => rows.retain(|id, _| id % 5 != *namespace),
            Write::DeleteIds { ids, .. } => rows.retain(|id, _| !ids.contains(id)),
            Write::DeleteImportant { least, .. } => rows.retain(|_, row| row.importance < *least),
            Write::Touch { .. }
            | Write::TouchWhere { .. }
            | Write::Raise { .. }
            | Write::Use { .. }
            | Write::Patch { .. }
            | Write::PatchWhere { .. } => update(rows, n, write, now),
        }
    }
}

/// Updates the visible memories that a write names.
fn update(rows: &mut BTreeMap<u64, Row>, n: u64, write: &Write, now: Timestamp) {
    for (id, row) in rows.iter_mut().filter(|(_, row)| row.expires > now) {
        let end = |ttl: &u64| now + Duration::from_secs(*ttl);
        match write {
            Write::Touch { ids, ttl, .. } if ids.contains(id) => row.expires = end(ttl),
            Write::TouchWhere { namespace, ttl, .. } if id % 5 == *namespace => {
                (row.expires, row.importance) = (end(ttl), importance(n));
            }
            Write::Raise { ids, .. } if ids.contains(id) => row.importance = raised(n),
            Write::Use { ids, .. } if ids.contains(id) => row.uses += 1,
            Write::Patch { ids, .. } if ids.contains(id) => row.kind = Some(kind(n)),
            Write::PatchWhere { namespace, .. } if id % 5 == *namespace => {
                row.kind = Some(kind(n));
            }
            _ => {}
        }
    }
}

/// The importance that write `n` sets, in hundredths.
fn importance(n: u64) -> u8 {
    (n % 100) as u8
}

/// The importance that write `n` raises memories to.
fn raised(n: u64) -> u8 {
    90 + (n % 10) as u8
}

fn kind(n: u64) -> String {
    format!("patch {n}")
}

/// The open collections that a write may name.
pub(super) type Handles = [Option<Collection>; 3];

pub(super) fn handles(store: &Store) -> Handles {
    let open = |name: String| store.get_collection(&name);
    let all: Vec<Collection> = store.collection_names().into_iter().filter_map(open).collect();
    [0, 1, 2].map(|c| all.iter().find(|one| base(one) == Some(c)).cloned())
}

/// Carries out write `n` on a store.
pub(super) fn carry_out(
    to: &Handles,
    n: u64,
    writes: &[Write],
    durability: Durability,
) -> crate::Result<()> {
    let open = |c: usize| to[c].clone().ok_or(crate::Error::Closed);
    let Some(first) = writes.first() else { return Ok(()) };
    if let [Write::Use { of, ids }] = writes {
        return note_uses(&open(*of)?, ids.clone(), durability);
    }
    // `delete_where` cannot name another collection, so its collection is the batch's.
    let by_filter = |w: &&Write| {
        use Write::{DeleteIds, DeleteImportant, DeleteWhere};
        matches!(w, DeleteWhere { .. } | DeleteIds { .. } | DeleteImportant { .. })
    };
    let base = writes.iter().find(by_filter).unwrap_or(first);
    let base_name = base.collection();
    let base = open(base_name)?;
    let mut batch = Batch::new();
    for write in writes {
        let c = write.collection();
        let here = c == base_name;
        batch = match write {
            Write::Insert { id, ttl, .. } => {
                let memory = memory(c, *id, n, *ttl);
                if here { batch.insert(memory) } else { batch.insert_into(&open(c)?, memory) }
            }
            Write::Delete { id, .. } if here => batch.delete(*id),
            Write::Delete { id, .. } => batch.delete_from(&open(c)?, *id),
            Write::DeleteWhere { namespace, .. } => {
                batch.delete_where(Filter::namespace(format!("user:{namespace}")))
            }
            Write::DeleteIds { ids, .. } => batch.delete_where(Filter::ids(ids.clone())),
            Write::DeleteImportant { least, .. } => {
                // Between two hundredths, so that no rounding decides.
                let least = (f32::from(*least) - 0.5) / 100.0;
                batch.delete_where(Filter::importance_at_least(least))
            }
            Write::Touch { ids, ttl, .. } => {
                let patch = Patch::new().lifetime(Duration::from_secs(*ttl));
                let to = open(c)?;
                ids.clone().fold(batch, |batch, id| batch.patch_in(&to, id, patch.clone()))
            }
            Write::TouchWhere { namespace, ttl, .. } => {
                let patch = Patch::new().lifetime(Duration::from_secs(*ttl));
                let patch = patch.importance(f32::from(importance(n)) / 100.0);
                let filter = Filter::namespace(format!("user:{namespace}"));
                batch.update_where_in(&open(c)?, filter, patch)
            }
            Write::Raise { ids, .. } => {
                let patch = Patch::new().importance(f32::from(raised(n)) / 100.0);
                let to = open(c)?;
                ids.clone().fold(batch, |batch, id| batch.patch_in(&to, id, patch.clone()))
            }
            Write::Patch { ids, .. } => {
                let (patch, to) = (Patch::new().kind(kind(n)), open(c)?);
                ids.clone().fold(batch, |batch, id| batch.patch_in(&to, id, patch.clone()))
            }
            Write::PatchWhere { namespace, .. } => {
                let filter = Filter::namespace(format!("user:{namespace}"));
                batch.update_where_in(&open(c)?, filter, Patch::new().kind(kind(n)))
            }
            Write::Use { .. } => return Err(crate::Error::internal("a use in a batch")),
        };
    }
    base.apply_with(batch, durability).map(drop)
}

/// Notes uses, and writes them as the background would.
fn note_uses(of: &Collection, ids: Range<u64>, durability: Durability) -> crate::Result<()> {
    of.note_uses(ids);
    refresh::write_noted(&of.engine)?;
    if durability == Durability::Sync { of.sync() } else { Ok(()) }
}

fn memory(c: usize, id: u64, n: u64, ttl: Option<u64>) -> Memory {
    let memory = Memory::new(id, vector(c, id, n)).text(format!("write {n}"));
    let memory = memory.namespace(format!("user:{}", id % 5));
    match ttl {
        Some(ttl) => memory.ttl(Duration::from_secs(ttl)),
        None => memory,
    }
}

/// Returns the content of a store. Checks every answer: each id once, vector and text of the same
/// write.
pub(super) fn read(store: &Store) -> Result<Model, String> {
    let mut model = Model::default();
    for name in store.collection_names() {
        let collection = store.get_collection(&name).ok_or(format!("{name} does not open"))?;
        let c = base(&collection).ok_or(format!("unknown {name}"))?;
        model.set_name(c, &name);
        model.0.insert(c, read_collection(&collection, c)?);
    }
    Ok(model)
}

fn read_collection(collection: &Collection, c: usize) -> Result<BTreeMap<u64, Row>, String> {
    let mut rows = BTreeMap::new();
    for memory in collection.iter() {
        let memory = memory.map_err(|e| e.to_string())?;
        let id = memory.id.as_u128() as u64;
        let text = memory.text.as_deref().unwrap_or_default().to_owned();
        let n = text.strip_prefix("write ").and_then(|n| n.parse().ok());
        let n: u64 = n.ok_or(format!("{id} has the text {text:?}"))?;
        check_vector(&memory.vector, &vector(c, id, n))
            .map_err(|got| format!("{id} of write {n} has the vector {got:?}"))?;
        let expires = memory.expiry().unwrap_or(Timestamp::MAX);
        let (importance, kind) = ((memory.importance * 100.0).round() as u8, memory.kind);
        let uses = memory.uses;
        if rows.insert(id, Row { text, expires, importance, kind, uses }).is_some() {
            return Err(format!("{id} is there twice"));
        }
    }
    Ok(rows)
}

pub(super) fn check_vector(got: &[f32], wanted: &[f32]) -> Result<(), Vec<f32>> {
    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * b.abs().max(1.0);
    let same = got.len() == wanted.len() && got.iter().zip(wanted).all(near);
    if same { Ok(()) } else { Err(got.to_vec()) }
}

/// Checks that searches and look-ups by id agree with the content.
pub(super) fn search(store: &Store, model: &Model) -> Result<(), String> {
    for (c, rows) in &model.0 {
        let collection = store.get_collection(model.name(*c)).ok_or("a collection is gone")?;
        let query = vector(*c, 40, 7);
        let k = 5.min(rows.len());
        let hits = collection.search(&query).k(5).run().map_err(|e| e.to_string())?;
        if hits.len() != k {
            return Err(format!("{} hits of {k}", hits.len()));
        }
        for hit in &hits {
            if !rows.contains_key(&(hit.id.as_u128() as u64)) {
                return Err(format!("{:?} was found and is not there", hit.id));
            }
        }
        let count = collection.len().map_err(|e| e.to_string())?;
        if count != rows.len() as u64 {
            return Err(format!("{count} memories of {}", rows.len()));
        }
        for id in rows.keys().step_by(17).chain(&[1_000_000]) {
            let there = collection.get(*id).map_err(|e| e.to_string())?.is_some();
            if there != rows.contains_key(id) {
                return Err(format!("{id} is there for one reader and not for another"));
            }
        }
    }
    Ok(())
}

/// The states of a workload, in order, and how far back each kind of crash may go.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) states: Vec<Model>,
    /// The last state that was acknowledged.
    pub(super) acknowledged: usize,
    /// The last state that a power cut must not undo.
    pub(super) synced: usize,
}

/// The states that may be found: `states[from_kill..=to]` after the death of the process,
/// `states[from_cut..=to]` after a power cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    pub(super) from_kill: usize,
    pub(super) from_cut: usize,
    pub(super) to: usize,
}

impl History {
    pub(super) fn new() -> Self {
        Self { states: vec![Model::default()], acknowledged: 0, synced: 0 }
    }

    pub(super) fn now(&self) -> &Model {
        &self.states[self.acknowledged]
    }

    /// Notes that a change is about to be made.
    pub(super) fn begin(&mut self, next: Model) {
        self.states.truncate(self.acknowledged + 1);
        self.states.push(next);
    }

    /// Notes that the change was acknowledged.
    pub(super) fn acknowledge(&mut self, durable: bool) {
        self.acknowledged = self.states.len() - 1;
        if durable {
            self.synced = self.acknowledged;
        }
    }

    /// Notes that the change was refused. Nothing of it may ever be found.
    pub(super) fn refuse(&mut self) {
        self.states.truncate(self.acknowledged + 1);
    }

    /// Notes a failed sync: writes acknowledged without one may be gone even without a power cut.
    pub(super) fn doubt(&mut self) {
        self.acknowledged = self.synced;
    }

    /// Takes over the state that an open after a failure found, which recovery made durable. An
    /// error if that state is not allowed.
    pub(super) fn adopt(&mut self, found: &Model, now: Timestamp) -> Result<(), String> {
        let Allowed { from_kill, to, .. } = self.allowed();
        let fits = self.states[from_kill..=to].iter().find(|s| s.visible(now) == *found);
        let Some(state) = fits else {
            return Err(self.states[to].visible(now).difference(found));
        };
        *self = Self { states: vec![state.clone()], acknowledged: 0, synced: 0 };
        Ok(())
    }

    pub(super) fn allowed(&self) -> Allowed {
        Allowed { from_kill: self.acknowledged, from_cut: self.synced, to: self.states.len() - 1 }
    }
}
