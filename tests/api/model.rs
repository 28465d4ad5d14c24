//! Compares a store with a model. After random writes, clock steps, seals, compactions and
//! reopenings it must answer like a `BTreeMap` with exact search (I4, I6, I8, I12).

#![allow(clippy::disallowed_methods, reason = "a test may use files")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use altiplano::{
    Background, Batch, Collection, CollectionOptions, CollectionSnapshot, Error, Filter,
    HnswParams, IoMode, Lifetime, ManualClock, Memory, MemoryId, Metric, Outcome, Patch,
    Quantization, SearchMode, Store, StoreOptions, TextIndex, Timestamp,
};
use proptest::prelude::*;

use crate::common::size::sized;

const DIMENSION: usize = 4;

#[derive(Clone, Debug)]
struct Insert {
    id: u64,
    namespace: u8,
    tag: u8,
    ttl_minutes: Option<u16>,
    vector: [i8; DIMENSION],
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Insert),
    Batch(Vec<Insert>, Vec<u64>),
    Delete(u64),
    DeleteWhere(u8, bool),
    /// A memory gets another lifetime, in minutes; `None` for ever.
    Touch(u64, Option<u16>),
    TouchWhere(u8, u16),
    /// A memory gets another importance, in hundredths. With a tag, its row is written again.
    Patch(u64, u8, Option<u8>),
    PatchWhere(u8, u8),
    InsertNew(Insert),
    /// An insert, and a delete, through the scope of a namespace.
    InScope(Insert),
    DeleteInScope(u8, u64),
    /// A field of the metadata gets another value.
    Field(u64, u8),
    /// Memories were used, from one id on; through the scope of a namespace if one is given.
    Use(u64, u64, Option<u8>),
    Clock(i16),
    Pending,
    Compact,
    Reopen,
    /// Continues with a copy of the files, as after the death of the process.
    Crash,
    Check(u8),
    /// Holds the moment, until the store ends; compared at every check.
    Hold,
    LetGo,
}

#[derive(Clone, Debug, PartialEq)]
struct Kept {
    insert: Insert,
    vector: Vec<f32>,
    expires_at: Timestamp,
    importance: u8,
    tag: u8,
    /// The value of the field `f`.
    field: u8,
    /// How often it was used, and when last.
    uses: (u32, Option<Timestamp>),
    /// When it was made, and which of the writes made it.
    made: (Timestamp, u64),
}

impl Kept {
    /// Checks that a memory that was read is this one.
    fn check(&self, memory: &Memory) {
        let id = memory.id;
        assert_eq!(memory.text.as_deref(), Some(&*format!("{:?}", self.insert)));
        assert_eq!(memory.importance, f32::from(self.importance) / 100.0, "{id}");
        assert_eq!((memory.uses, memory.last_used), self.uses, "{id}");
        assert_eq!(memory.expiry().unwrap_or(Timestamp::MAX), self.expires_at, "{id}");
        assert_eq!(memory.tags, [format!("t{}", self.tag)], "{id}");
        for (x, y) in memory.vector.iter().zip(&self.vector) {
            assert!((x - y).abs() <= y.abs() * 1e-6, "{x} is not {y}");
        }
    }
}

impl PartialEq for Insert {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.namespace, self.tag, self.vector)
            == (other.id, other.namespace, other.tag, other.vector)
    }
}

fn inserts() -> impl Strategy<Value = Insert> {
    let vector = prop::array::uniform4(-9i8..=9);
    let ttl = prop::option::weighted(0.3, 1u16..2000);
    (0..200u64, 0..4u8, 0..3u8, ttl, vector).prop_map(|(id, namespace, tag, ttl, mut vector)| {
        // Cosine accepts no zero vector.
        vector[0] = if vector == [0; DIMENSION] { 1 } else { vector[0] };
        Insert { id, namespace, tag, ttl_minutes: ttl, vector }
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let batch = (prop::collection::vec(inserts(), 0..60), prop::collection::vec(0..200u64, 0..10));
    let step = prop_oneof![
        6 => inserts().prop_map(Step::Insert),
        5 => batch.prop_map(|(inserts, deletes)| Step::Batch(inserts, deletes)),
        3 => (0..200u64).prop_map(Step::Delete),
        1 => (0..4u8, any::<bool>()).prop_map(|(n, not)| Step::DeleteWhere(n, not)),
        3 => (0..200u64, prop::option::of(1u16..2000)).prop_map(|(id, m)| Step::Touch(id, m)),
        2 => (0..4u8, 1u16..2000).prop_map(|(n, minutes)| Step::TouchWhere(n, minutes)),
        3 => (0..200u64, 0..=100u8, prop::option::weighted(0.4, 0..3u8))
            .prop_map(|(id, importance, tag)| Step::Patch(id, importance, tag)),
        1 => (0..4u8, 0..=100u8).prop_map(|(n, importance)| Step::PatchWhere(n, importance)),
        1 => inserts().prop_map(Step::InsertNew),
        2 => inserts().prop_map(Step::InScope),
        2 => (0..4u8, 0..200u64).prop_map(|(n, id)| Step::DeleteInScope(n, id)),
        2 => (0..200u64, 0..6u8).prop_map(|(id, value)| Step::Field(id, value)),
        4 => (0..200u64, 1..60u64, prop::option::of(0..4u8))
            .prop_map(|(id, n, namespace)| Step::Use(id, n, namespace)),
        3 => (-200..800i16).prop_map(Step::Clock),
        4 => Just(Step::Pending),
        2 => Just(Step::Compact),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
        3 => (0..4u8).prop_map(Step::Check),
        2 => Just(Step::Hold),
        1 => Just(Step::LetGo),
    ];
    prop::collection::vec(step, 1..40)
}

struct World {
    dir: tempfile::TempDir,
    path: PathBuf,
    copies: u32,
    clock: Arc<ManualClock>,
    metric: Metric,
    codes: Quantization,
    store: Option<Store>,
    notes: Option<Collection>,
    model: BTreeMap<u64, Kept>,
    writes: u64,
    /// Uses that are noted and not written yet: the memory, the namespace and the time.
    noted: Vec<(u64, Option<u8>, Timestamp)>,
    /// Snapshots, with the model and the time of their moments.
    held: Vec<(CollectionSnapshot, BTreeMap<u64, Kept>, Timestamp)>,
}

impl World {
    fn new(metric: Metric, codes: Quantization) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
        let (store, notes, model) = (None, None, BTreeMap::new());
        let (copies, writes, noted, held) = (0, 0, Vec::new(), Vec::new());
        let mut world = Self {
            dir,
            path,
            copies,
            clock,
            metric,
            codes,
            store,
            notes,
            model,
            writes,
            noted,
            held,
        };
        world.open();
        world
    }

    fn open(&mut self) {
        // After every other crash, some segments are read without their maps.
        let io_mode = if self.copies % 2 == 1 { IoMode::Pread } else { IoMode::Mapped };
        let options = StoreOptions::new()
            .clock(self.clock.clone())
            .background(Background::Manual)
            .io_mode(io_mode)
            .max_open_files(2)
            .snapshot_max_age(Duration::from_secs(30 * 24 * 3600))
            .seed(u64::from(self.copies));
        let store = options.open(&self.path).unwrap();
        let hnsw = HnswParams::default().m(4).ef_construction(40).min_rows(100);
        let options = CollectionOptions::new(DIMENSION, self.metric)
            .quantization(self.codes)
            .hnsw(hnsw)
            .memtable_rows(64);
        let indexed = cfg!(feature = "text");
        let options = if indexed { options.text_index(TextIndex::new()) } else { options };
        self.notes = Some(store.collection("notes", options).unwrap());
        self.store = Some(store);
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn notes(&self) -> &Collection {
        self.notes.as_ref().unwrap()
    }

    fn memory(insert: &Insert) -> Memory {
        let vector: Vec<f32> = insert.vector.iter().map(|x| f32::from(*x)).collect();
        let memory = Memory::new(insert.id, vector)
            .text(format!("{insert:?}"))
            .namespace(format!("n{}", insert.namespace))
            .tag(format!("t{}", insert.tag))
            .field("f", insert.tag)
            .field("name", format!("t{}", insert.tag));
        match insert.ttl_minutes {
            Some(minutes) => memory.ttl(Duration::from_secs(u64::from(minutes) * 60)),
            None => memory,
        }
    }

    fn keep(&mut self, insert: &Insert, now: Timestamp) {
        let vector = insert.vector.iter().map(|x| f32::from(*x)).collect();
        let ttl = |minutes: u16| now + Duration::from_secs(u64::from(minutes) * 60);
        let expires_at = insert.ttl_minutes.map_or(Timestamp::MAX, ttl);
        self.writes += 1;
        let kept = Kept {
            insert: insert.clone(),
            vector,
            expires_at,
            importance: 50,
            tag: insert.tag,
            field: insert.tag,
            uses: (0, None),
            made: (now, self.writes),
        };
        self.model.insert(insert.id, kept);
    }

    fn is_visible(&self, id: u64, now: Timestamp) -> bool {
        self.model.get(&id).is_some_and(|kept| kept.expires_at > now)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Insert(insert) => {
                let now = self.store().now();
                let replaces = self.is_visible(insert.id, now);
                let outcome = self.notes().insert(Self::memory(insert)).unwrap();
                assert_eq!(outcome == altiplano::Outcome::Replaced, replaces);
                self.keep(insert, now);
            }
            Step::Batch(inserts, deletes) => {
                let now = self.store().now();
                let mut batch: Batch = inserts.iter().map(Self::memory).collect();
                for id in deletes {
                    batch = batch.delete(*id);
                }
                self.notes().apply(batch).unwrap();
                inserts.iter().for_each(|insert| self.keep(insert, now));
                deletes.iter().for_each(|id| drop(self.model.remove(id)));
            }
            Step::Delete(id) => {
                let visible = self.is_visible(*id, self.store().now());
                assert_eq!(self.notes().delete(*id).unwrap(), visible);
                self.model.remove(id);
            }
            Step::DeleteWhere(namespace, not) => {
                let now = self.store().now();
                let filter = Filter::namespace(format!("n{namespace}"));
                let filter = if *not { filter.not() } else { filter };
                let meant = |k: &Kept| (k.insert.namespace == *namespace) != *not;
                let count = self.model.values().filter(|k| meant(k) && k.expires_at > now).count();
                assert_eq!(self.notes().delete_where(filter).unwrap(), count as u64);
                self.model.retain(|_, kept| !meant(kept));
            }
            Step::Touch(..)
            | Step::TouchWhere(..)
            | Step::Patch(..)
            | Step::PatchWhere(..)
            | Step::Field(..) => self.update(step),
            Step::InScope(insert) => {
                let now = self.store().now();
                let visible = self.is_visible(insert.id, now);
                let own = |kept: &Kept| kept.insert.namespace == insert.namespace;
                let taken = visible && !self.model.get(&insert.id).is_some_and(own);
                let scope = self.notes().scope(format!("n{}", insert.namespace));
                match scope.insert(Self::memory(insert)) {
                    Ok(outcome) => {
                        assert!(!taken && (outcome == Outcome::Replaced) == visible);
                        self.keep(insert, now);
                    }
                    Err(Error::IdTaken { .. }) => assert!(taken),
                    Err(error) => panic!("{error}"),
                }
            }
            Step::DeleteInScope(namespace, id) => {
                let visible = self.is_visible(*id, self.store().now());
                let own = |kept: &Kept| kept.insert.namespace == *namespace;
                let meant = visible && self.model.get(id).is_some_and(own);
                let scope = self.notes().scope(format!("n{namespace}"));
                assert_eq!(scope.get(*id).unwrap().is_some(), meant);
                assert_eq!(scope.delete(*id).unwrap(), meant);
                if meant {
                    self.model.remove(id);
                }
            }
            Step::InsertNew(insert) => {
                let now = self.store().now();
                let exists = self.is_visible(insert.id, now);
                let outcome = self.notes().insert_new(Self::memory(insert)).unwrap();
                assert_eq!(outcome == Outcome::Exists, exists);
                if !exists {
                    self.keep(insert, now);
                }
            }
            Step::Use(first, n, namespace) => {
                let now = self.store().now();
                let ids = *first..*first + *n;
                match namespace {
                    None => self.notes().note_uses(ids.clone()),
                    Some(of) => self.notes().scope(format!("n{of}")).note_uses(ids.clone()),
                }
                self.noted.extend(ids.map(|id| (id, *namespace, now)));
            }
            Step::Clock(minutes) if *minutes < 0 => {
                let back = Duration::from_secs(u64::from(minutes.unsigned_abs()) * 60);
                let wall = altiplano::Clock::wall(&*self.clock);
                self.clock.set_wall(wall - back);
            }
            Step::Clock(minutes) => {
                self.clock.advance(Duration::from_secs(u64::from(minutes.unsigned_abs()) * 60));
            }
            Step::Pending => {
                self.write_uses();
                while self.store().run_pending_tasks().unwrap() {}
            }
            Step::Compact => {
                self.store().compact().unwrap();
                let stats = self.store().stats().unwrap();
                assert_eq!(stats.collections[0].dead_rows, 0);
            }
            Step::Hold => {
                let now = self.store().now();
                let snapshot = match self.held.len() % 2 {
                    0 => self.notes().snapshot().unwrap(),
                    _ => self.store().snapshot().unwrap().collection("notes").unwrap(),
                };
                self.held.push((snapshot, self.model.clone(), now));
            }
            Step::LetGo => drop(self.held.pop()),
            Step::Reopen => {
                self.write_uses();
                self.held.clear();
                self.notes = None;
                self.store.take().unwrap().close().unwrap();
                self.open();
            }
            Step::Crash => self.crash(),
            Step::Check(namespace) => self.check(Some(*namespace)),
        }
    }

    /// Adds what was noted to the model, as the store is about to do.
    fn write_uses(&mut self) {
        let now = self.store().now();
        for (id, namespace, at) in std::mem::take(&mut self.noted) {
            let kept = self.model.get_mut(&id).filter(|kept| kept.expires_at > now);
            let own = |kept: &&mut Kept| namespace.is_none_or(|n| n == kept.insert.namespace);
            if let Some(kept) = kept.filter(own) {
                kept.uses = (kept.uses.0 + 1, kept.uses.1.max(Some(at)));
            }
        }
    }

    fn update(&mut self, step: &Step) {
        let now = self.store().now();
        let after = |minutes: &u16| now + Duration::from_secs(u64::from(*minutes) * 60);
        let patch = |importance: &u8| Patch::new().importance(f32::from(*importance) / 100.0);
        let namespace = |n: &u8| Filter::namespace(format!("n{n}"));
        // What is changed, how often, and how the model changes.
        type Change = Box<dyn Fn(&mut Kept)>;
        let (id, of, updated, change): (_, _, u64, Change) = match step {
            Step::Touch(id, minutes) => {
                let end = minutes.as_ref().map_or(Timestamp::MAX, after);
                let lifetime = match minutes {
                    Some(_) => Lifetime::Until(end),
                    None => Lifetime::Forever,
                };
                let touched = self.notes().touch(*id, lifetime).unwrap();
                (Some(*id), 0, u64::from(touched), Box::new(move |kept| kept.expires_at = end))
            }
            Step::TouchWhere(n, minutes) => {
                let ttl = Duration::from_secs(u64::from(*minutes) * 60);
                let (end, count) = (after(minutes), self.notes().touch_where(namespace(n), ttl));
                (None, *n, count.unwrap(), Box::new(move |kept| kept.expires_at = end))
            }
            Step::Patch(id, importance, tag) => {
                let (new, tag) = (*importance, *tag);
                let with_tag = |patch: Patch, tag: u8| {
                    let others = (0..3).map(|tag| format!("t{tag}"));
                    others.fold(patch, Patch::remove_tag).tag(format!("t{tag}"))
                };
                let patch = tag.map_or(patch(&new), |tag| with_tag(patch(&new), tag));
                let updated = self.notes().patch(*id, patch).unwrap() == Outcome::Updated;
                let change = move |kept: &mut Kept| {
                    (kept.importance, kept.tag) = (new, tag.unwrap_or(kept.tag));
                };
                (Some(*id), 0, u64::from(updated), Box::new(change))
            }
            Step::Field(id, value) => {
                let (new, patch) = (*value, Patch::new().field("f", *value));
                let updated = self.notes().patch(*id, patch).unwrap() == Outcome::Updated;
                (Some(*id), 0, u64::from(updated), Box::new(move |kept| kept.field = new))
            }
            Step::PatchWhere(n, importance) => {
                let new = *importance;
                let count = self.notes().update_where(namespace(n), patch(&new)).unwrap();
                (None, *n, count, Box::new(move |kept| kept.importance = new))
            }
            _ => unreachable!("no update"),
        };
        let mut meant = 0;
        for (known, kept) in &mut self.model {
            let hit = id.map_or(kept.insert.namespace == of, |id| id == *known);
            if hit && kept.expires_at > now {
                change(kept);
                meant += 1;
            }
        }
        assert_eq!(updated, meant, "{step:?}");
    }

    fn crash(&mut self) {
        self.copies += 1;
        let copy = self.dir.path().join(format!("copy{}", self.copies));
        copy_dir(&self.path, &copy);
        // The files hold the time that the store has seen. The model's now comes from the store.
        self.held.clear();
        self.noted.clear();
        (self.notes, self.store, self.path) = (None, None, copy);
        self.open();
    }

    /// Compares every snapshot with the model of its moment.
    fn check_held(&self, namespace: Option<u8>) {
        for (snapshot, model, now) in &self.held {
            let mut visible = model.clone();
            visible.retain(|_, kept| kept.expires_at > *now);
            assert_eq!((snapshot.len().unwrap(), snapshot.time()), (visible.len() as u64, *now));
            let mut seen = BTreeMap::new();
            for memory in snapshot {
                let memory = memory.unwrap();
                let id = memory.id.as_u128() as u64;
                let kept = visible.get(&id).unwrap_or_else(|| panic!("{id} is not visible"));
                kept.check(&memory);
                assert!(seen.insert(id, ()).is_none(), "{id} was seen twice");
            }
            assert_eq!(seen.len(), visible.len());
            for id in (0..200u64).step_by(7) {
                assert_eq!(snapshot.get(id).unwrap().is_some(), visible.contains_key(&id), "{id}");
            }
            let name = format!("n{}", namespace.unwrap_or_default());
            let meant = |kept: &&Kept| format!("n{}", kept.insert.namespace) == name;
            let wanted = visible.values().filter(meant).count();
            let filter = Filter::namespace(&*name);
            assert_eq!(snapshot.count(filter.clone()).unwrap(), wanted as u64);
            assert_eq!(
                snapshot.list().filter(filter.clone()).run().unwrap().memories.len(),
                wanted.min(100)
            );
            let hits = snapshot.search(&[1.0, -2.0, 3.0, 0.5]).k(300).filter(filter).run().unwrap();
            assert_eq!(hits.len(), wanted);
        }
    }

    fn check(&self, namespace: Option<u8>) {
        self.check_held(namespace);
        let now = self.store().now();
        let visible: BTreeMap<u64, &Kept> = self
            .model
            .iter()
            .filter(|(_, kept)| kept.expires_at > now)
            .map(|(id, kept)| (*id, kept))
            .collect();
        assert_eq!(self.notes().len().unwrap(), visible.len() as u64);
        let mut seen = BTreeMap::new();
        for memory in self.notes().iter() {
            let memory = memory.unwrap();
            let id = memory.id.as_u128() as u64;
            let kept = visible.get(&id).unwrap_or_else(|| panic!("{id} is not visible"));
            kept.check(&memory);
            assert!(seen.insert(id, ()).is_none(), "{id} was seen twice");
        }
        assert_eq!(seen.len(), visible.len());
        for id in 0..200u64 {
            assert_eq!(self.notes().contains(id).unwrap(), visible.contains_key(&id), "{id}");
            assert_eq!(self.notes().get(id).unwrap().is_some(), visible.contains_key(&id));
        }
        let important = self.notes().scan(Filter::importance_at_least(0.5)).count();
        assert_eq!(important, visible.values().filter(|kept| kept.importance >= 50).count());
        let tagged = self.notes().scan(Filter::tag("t1")).count();
        assert_eq!(tagged, visible.values().filter(|kept| kept.tag == 1).count());
        let count = |filter: Filter| self.notes().count(filter).unwrap();
        let wanted = |of: &dyn Fn(&Kept) -> bool| visible.values().filter(|k| of(k)).count() as u64;
        assert_eq!(count(Filter::field("f").ge(2)), wanted(&|kept| kept.field >= 2));
        let named = Filter::field("name").one_of(["t0", "t2"]) & !Filter::field("f").eq(0);
        let meant = |kept: &Kept| kept.insert.tag != 1 && kept.field != 0;
        assert_eq!(count(named), wanted(&meant));
        self.check_lists(&visible, namespace.unwrap_or_default());
        #[cfg(feature = "text")]
        self.check_words(&visible, namespace.unwrap_or_default());
        self.check_search(&visible, None);
        self.check_search(&visible, namespace);
    }

    /// Searches by words answer as a plain search of the visible texts does.
    #[cfg(feature = "text")]
    fn check_words(&self, visible: &BTreeMap<u64, &Kept>, namespace: u8) {
        use crate::text::plain::{Asked, Plain};
        let memory =
            |(id, kept): (&u64, &&Kept)| Memory::new(*id, []).text(format!("{:?}", kept.insert));
        let plain = Plain::new(visible.iter().map(memory));
        let words = format!("None tag: {} of id: 17", namespace % 3);
        let asked = Asked { words: words.clone(), ..Asked::default() };
        let all = plain.search(&asked, |_| true);
        let in_namespace = |id: u128| visible[&(id as u64)].insert.namespace == namespace;
        let some: Vec<(u128, f64)> =
            all.iter().filter(|(id, _)| in_namespace(*id)).copied().collect();
        let hits = self.notes().search_text(&words).k(300).run().unwrap();
        crate::text::same("all", &hits, &all, &all);
        let of_one = self.notes().search_text(&words).namespace(format!("n{namespace}"));
        crate::text::same("a namespace", &of_one.k(300).run().unwrap(), &some, &all);
        let both = self.notes().search(&[1.0, -2.0, 3.0, 0.5]).text(&words).k(300).run().unwrap();
        assert_eq!(both.len(), visible.len());
    }

    fn check_lists(&self, visible: &BTreeMap<u64, &Kept>, namespace: u8) {
        let mut wanted: Vec<(Timestamp, u64, MemoryId)> = visible
            .iter()
            .filter(|(_, kept)| kept.insert.namespace == namespace)
            .map(|(id, kept)| (kept.made.0, kept.made.1, MemoryId::from(*id)))
            .collect();
        wanted.sort_unstable();
        let mut wanted: Vec<MemoryId> = wanted.into_iter().map(|(_, _, id)| id).collect();
        let name = format!("n{namespace}");
        for (newest_first, most) in [(false, 7), (true, 30)] {
            let (mut listed, mut after) = (Vec::new(), None);
            loop {
                let list = self.notes().list().namespace(&*name).limit(most).after(after);
                let list = if newest_first { list } else { list.oldest_first() };
                let page = list.run().unwrap();
                listed.extend(page.memories.iter().map(|memory| memory.id));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(listed, wanted, "newest first: {newest_first}");
            wanted.reverse();
        }
        assert_eq!(self.notes().count(Filter::namespace(name)).unwrap(), wanted.len() as u64);
        let mut tags: BTreeMap<String, u64> = BTreeMap::new();
        for kept in visible.values() {
            *tags.entry(format!("t{}", kept.tag)).or_default() += 1;
        }
        let counts = self.notes().tags().unwrap().into_iter();
        let counts: BTreeMap<String, u64> = counts.map(|tag| (tag.name, tag.memories)).collect();
        assert_eq!(counts, tags);
    }

    fn check_search(&self, visible: &BTreeMap<u64, &Kept>, namespace: Option<u8>) {
        let query = [1.0, -2.0, 3.0, 0.5];
        let mut meant: Vec<(f32, MemoryId)> = visible
            .iter()
            .filter(|(_, kept)| namespace.is_none_or(|n| kept.insert.namespace == n))
            .map(|(id, kept)| (self.metric.distance(&query, &kept.vector), MemoryId::from(*id)))
            .collect();
        meant.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for k in [1, 7, 300] {
            for path in [None, Some(SearchMode::Auto), Some(SearchMode::Graph)] {
                let mut search = self.notes().search(&query).k(k);
                search = match path {
                    None => search.exact(),
                    Some(path) => search.mode(path),
                };
                if let Some(namespace) = namespace {
                    search = search.namespace(format!("n{namespace}"));
                }
                let hits = search.run().unwrap();
                assert_eq!(hits.len(), k.min(meant.len()), "k results whenever k match");
                for (hit, (distance, _)) in hits.iter().zip(&meant) {
                    let own = meant.iter().find(|(_, id)| *id == hit.id).expect("it must match");
                    let slack = 1e-4 * (1.0 + distance.abs());
                    assert!((hit.distance - own.0).abs() <= slack);
                    if path.is_none() {
                        assert!((hit.distance - distance).abs() <= slack, "{hits:?}");
                    }
                }
            }
        }
    }
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Once the compactor has reclaimed an expired memory, the store's time must not go back behind the
/// expiry. A memory that should be visible again would be gone.
#[test]
fn time_does_not_go_back_behind_what_was_reclaimed() {
    let mut world = World::new(Metric::Cosine, Quantization::Int8);
    let vector = [1, 0, 0, 0];
    let insert = Insert { id: 0, namespace: 0, tag: 0, ttl_minutes: Some(1), vector };
    for step in [Step::Insert(insert), Step::Clock(1), Step::Compact, Step::Clock(-1)] {
        world.step(&step);
        world.check(None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: sized("sequences of verbs", 96, 1000, 5000), ..ProptestConfig::default() })]

    #[test]
    fn a_store_answers_like_its_model(
        steps in steps(),
        metric in prop_oneof![Just(Metric::Cosine), Just(Metric::Dot), Just(Metric::L2)],
        codes in prop_oneof![
            Just(Quantization::Int8),
            Just(Quantization::None),
            Just(Quantization::Bits4),
            Just(Quantization::Bits2),
            Just(Quantization::Bits1)
        ],
    ) {
        let mut world = World::new(metric, codes);
        for step in &steps {
            world.step(step);
        }
        world.check(None);
        let report = world.store().verify().unwrap();
        prop_assert!(report.is_clean(), "{:?}", report.problems);
    }
}
