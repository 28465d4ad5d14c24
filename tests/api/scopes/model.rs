//! Compares two scopes, and the plain collection around them, with one plain model. Whatever is
//! written through a scope, the scope must be left as a collection of its own would be, and all other
//! memories as they were.

#![allow(clippy::disallowed_methods, reason = "a test may use files")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use altiplano::{
    Applied, Batch, Collection, CollectionOptions, Error, Filter, Lifetime, Memory, MemoryId,
    Metric, Patch, Scope, Store, Timestamp,
};
use proptest::prelude::*;

use crate::common::size::sized;
use crate::common::{START, manual};

/// The last is in no scope. One name begins with another.
const NAMESPACES: [Option<&str>; 4] = [Some("a"), Some("ab"), Some("b"), None];
const IDS: u64 = 10;
const SESSIONS: u8 = 2;
const KEYS: u8 = 3;

/// A memory as it is given.
#[derive(Clone, Debug)]
struct Given {
    id: u64,
    /// The namespace that it names, out of [`NAMESPACES`].
    namespace: usize,
    session: u8,
    key: Option<u8>,
    /// True if its id is made of its key.
    keyed: bool,
}

/// The filters, which name ids, keys, sessions and namespaces of anybody.
#[derive(Clone, Debug)]
enum Chosen {
    All,
    Ids(Vec<u64>),
    Session(u8),
    NotSession(u8),
    Key(u8),
    Namespace(usize),
    NotNamespace(usize),
    Important,
}

#[derive(Clone, Debug)]
enum Change {
    /// In hundredths. Kept beside the row.
    Importance(u8),
    /// In hours.
    Lifetime(u16),
    Session(u8),
    Namespace(usize),
}

#[derive(Clone, Debug)]
enum Write {
    Insert(Given),
    InsertNew(Given),
    Delete(u64),
    DeleteWhere(Chosen),
    Patch(u64, Change),
    UpdateWhere(Chosen, Change),
    Supersede(u64, Given),
}

#[derive(Clone, Debug)]
enum Step {
    /// Some writes in one batch, each to one of two collections. Through the scope of a namespace,
    /// or none.
    Write(Option<usize>, Vec<(usize, Write)>),
    /// An update with a closure, which may set another namespace.
    Update(Option<usize>, u64, Change),
    Pending,
    Compact,
    Reopen,
    /// Continues with a copy of the files, as after the death of the process.
    Crash,
}

/// A memory as it is stored.
#[derive(Clone, Debug, PartialEq)]
struct Kept {
    namespace: Option<&'static str>,
    session: u8,
    key: Option<u8>,
    importance: u8,
    end: Option<Timestamp>,
    superseded_by: Option<MemoryId>,
}

/// The errors that a write may have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Refused {
    Namespace,
    IdTaken,
    KeyTaken,
}

type Memories = BTreeMap<MemoryId, Kept>;

impl Given {
    /// Returns the memory and the namespace that it names.
    fn memory(&self) -> (Memory, Option<&'static str>) {
        let key = self.key.map(|key| format!("key {key}"));
        let (namespace, vector) = (NAMESPACES[self.namespace], [f32::from(self.session); 2]);
        let memory = match (&key, namespace) {
            (Some(key), Some(namespace)) if self.keyed => {
                Memory::keyed_in(namespace, key.as_str(), vector)
            }
            (Some(key), None) if self.keyed => Memory::keyed(key.as_str(), vector),
            _ => Memory::new(self.id, vector),
        };
        let mut memory = memory.session(format!("session {}", self.session));
        (memory.key, memory.namespace) = (key, namespace.map(str::to_owned));
        (memory, namespace)
    }
}

impl Chosen {
    fn filter(&self) -> Filter {
        let namespace =
            |of: usize| NAMESPACES[of].map_or(Filter::ids([0u64; 0]), Filter::namespace);
        match self {
            Self::All => Filter::All,
            Self::Ids(ids) => Filter::ids(ids.iter().copied()),
            Self::Session(of) => Filter::session(format!("session {of}")),
            Self::NotSession(of) => !Filter::session(format!("session {of}")),
            Self::Key(of) => Filter::key(format!("key {of}")) | Filter::importance(0.91..=0.92),
            Self::Namespace(of) => namespace(*of),
            Self::NotNamespace(of) => !namespace(*of) & Filter::importance_at_least(0.0),
            Self::Important => Filter::importance_at_least(0.5),
        }
    }

    fn holds(&self, id: MemoryId, kept: &Kept) -> bool {
        match self {
            Self::All => true,
            Self::Ids(ids) => ids.iter().any(|of| id == (*of).into()),
            Self::Session(of) => kept.session == *of,
            Self::NotSession(of) => kept.session != *of,
            Self::Key(of) => kept.key == Some(*of) || (91..=92).contains(&kept.importance),
            Self::Namespace(of) => NAMESPACES[*of].is_some() && kept.namespace == NAMESPACES[*of],
            Self::NotNamespace(of) => {
                NAMESPACES[*of].is_none() || kept.namespace != NAMESPACES[*of]
            }
            Self::Important => kept.importance >= 50,
        }
    }
}

impl Change {
    fn patch(&self) -> Patch {
        match *self {
            Self::Importance(hundredths) => Patch::new().importance(f32::from(hundredths) / 100.0),
            Self::Lifetime(hours) => Patch::new().lifetime(Lifetime::Until(end(hours))),
            Self::Session(of) => Patch::new().session(format!("session {of}")),
            Self::Namespace(of) => match NAMESPACES[of] {
                Some(namespace) => Patch::new().namespace(namespace),
                None => Patch::new().remove_namespace(),
            },
        }
    }

    /// Changes a memory that was read.
    fn carry_out(&self, memory: &mut Memory) {
        match *self {
            Self::Importance(hundredths) => memory.importance = f32::from(hundredths) / 100.0,
            Self::Lifetime(hours) => *memory = memory.clone().expires_at(end(hours)),
            Self::Session(of) => memory.session = Some(format!("session {of}")),
            Self::Namespace(of) => memory.namespace = NAMESPACES[of].map(str::to_owned),
        }
    }

    fn change(&self, kept: &mut Kept) {
        match *self {
            Self::Importance(hundredths) => kept.importance = hundredths,
            Self::Lifetime(hours) => kept.end = Some(end(hours)),
            Self::Session(of) => kept.session = of,
            Self::Namespace(of) => kept.namespace = NAMESPACES[of],
        }
    }

    fn leaves(&self, scope: Option<&str>) -> bool {
        matches!(self, Self::Namespace(of) if scope.is_some() && NAMESPACES[*of] != scope)
    }
}

/// A moment after every other, in hours.
fn end(hours: u16) -> Timestamp {
    START + Duration::from_secs(3_600) * u32::from(hours)
}

/// The memories of two collections. The second keeps keys unique.
#[derive(Clone, Debug, Default)]
struct Model([Memories; 2]);

impl Model {
    /// Adds a row, of which the key may be taken.
    fn put(&mut self, c: usize, id: MemoryId, kept: Kept) -> Result<bool, Refused> {
        let same = |(of, other): (&MemoryId, &Kept)| {
            *of != id && other.key == kept.key && other.namespace == kept.namespace
        };
        if c == 1 && kept.key.is_some() && self.0[c].iter().any(same) {
            return Err(Refused::KeyTaken);
        }
        Ok(self.0[c].insert(id, kept).is_some())
    }

    fn insert(
        &mut self,
        c: usize,
        scope: Option<&'static str>,
        given: &Given,
        only_new: bool,
        counts: &mut Counts,
    ) -> Result<(), Refused> {
        let (memory, named) = given.memory();
        let keyed = given.keyed && given.key.is_some();
        if let Some(before) = self.0[c].get(&memory.id) {
            if scope.is_some() && before.namespace != scope || keyed && before.key != given.key {
                return Err(Refused::IdTaken);
            }
            if only_new {
                counts.existing += 1;
                return Ok(());
            }
        }
        let kept = Kept {
            namespace: named.or(scope),
            session: given.session,
            key: given.key,
            importance: 50,
            end: None,
            superseded_by: None,
        };
        match self.put(c, memory.id, kept)? {
            true => counts.replaced += 1,
            false => counts.inserted += 1,
        }
        Ok(())
    }

    /// Changes the memories that are meant, one after the other.
    fn update(
        &mut self,
        c: usize,
        meant: impl Fn(MemoryId, &Kept) -> bool,
        change: impl Fn(&mut Kept),
    ) -> Result<u64, Refused> {
        let ids: Vec<MemoryId> =
            self.0[c].iter().filter(|(id, kept)| meant(**id, kept)).map(|(id, _)| *id).collect();
        for id in &ids {
            let mut kept = self.0[c][id].clone();
            change(&mut kept);
            self.put(c, *id, kept)?;
        }
        Ok(ids.len() as u64)
    }

    fn write(
        &mut self,
        (c, write): (usize, &Write),
        scope: Option<&'static str>,
        counts: &mut Counts,
    ) -> Result<(), Refused> {
        let own = |kept: &Kept| scope.is_none() || kept.namespace == scope;
        match write {
            Write::Insert(given) => self.insert(c, scope, given, false, counts)?,
            Write::InsertNew(given) => self.insert(c, scope, given, true, counts)?,
            Write::Delete(id) => {
                if self.0[c].get(&(*id).into()).is_some_and(own) {
                    self.0[c].remove(&(*id).into());
                    counts.deleted += 1;
                }
            }
            Write::DeleteWhere(chosen) => {
                let before = self.0[c].len();
                self.0[c].retain(|id, kept| !(own(kept) && chosen.holds(*id, kept)));
                counts.deleted += (before - self.0[c].len()) as u64;
            }
            Write::Patch(id, change) => {
                let meant = |of: MemoryId, kept: &Kept| of == (*id).into() && own(kept);
                match self.update(c, meant, |kept| change.change(kept))? {
                    0 => counts.missing += 1,
                    updated => counts.updated += updated,
                }
            }
            Write::UpdateWhere(chosen, change) => {
                let meant = |id: MemoryId, kept: &Kept| own(kept) && chosen.holds(id, kept);
                counts.updated += self.update(c, meant, |kept| change.change(kept))?;
            }
            Write::Supersede(old, given) => {
                if !self.0[c].get(&(*old).into()).is_some_and(own) {
                    counts.missing += 2;
                    return Ok(());
                }
                self.insert(c, scope, given, false, counts)?;
                let new = given.memory().0.id;
                let meant = |id: MemoryId, _: &Kept| id == (*old).into();
                counts.updated += self.update(c, meant, |kept| kept.superseded_by = Some(new))?;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    inserted: u64,
    replaced: u64,
    deleted: u64,
    updated: u64,
    missing: u64,
    existing: u64,
}

impl From<Applied> for Counts {
    fn from(of: Applied) -> Self {
        let Applied { inserted, replaced, deleted, updated, missing, existing, .. } = of;
        Self { inserted, replaced, deleted, updated, missing, existing }
    }
}

impl Write {
    fn add_to(&self, batch: Batch, collection: &Collection) -> Batch {
        // Those that a batch can write to its own collection only are left to `apply`.
        match self.clone() {
            Self::Insert(given) => batch.insert_into(collection, given.memory().0),
            Self::Delete(id) => batch.delete_from(collection, id),
            Self::DeleteWhere(chosen) => batch.delete_where_from(collection, chosen.filter()),
            Self::Patch(id, change) => batch.patch_in(collection, id, change.patch()),
            Self::UpdateWhere(chosen, change) => {
                batch.update_where_in(collection, chosen.filter(), change.patch())
            }
            Self::InsertNew(given) => batch.insert_new(given.memory().0),
            Self::Supersede(old, given) => batch.supersede(old, given.memory().0),
        }
    }

    /// Returns true if a batch can write it to its own collection only.
    fn is_local(&self) -> bool {
        matches!(self, Self::InsertNew(_) | Self::Supersede(..))
    }

    /// Returns true if it names another namespace than that of the scope.
    fn leaves(&self, scope: Option<&str>) -> bool {
        match self {
            Self::Insert(given) | Self::InsertNew(given) | Self::Supersede(_, given) => {
                let named = NAMESPACES[given.namespace];
                scope.is_some() && named.is_some() && named != scope
            }
            Self::Patch(_, change) | Self::UpdateWhere(_, change) => change.leaves(scope),
            Self::Delete(_) | Self::DeleteWhere(_) => false,
        }
    }
}

struct World {
    dir: tempfile::TempDir,
    path: PathBuf,
    copies: u32,
    store: Option<Store>,
    model: Model,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let store = Some(manual().open(&path).unwrap());
        Self { dir, path, copies: 0, store, model: Model::default() }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn collections(&self) -> [Collection; 2] {
        [("notes", false), ("facts", true)].map(|(name, unique)| {
            let options = CollectionOptions::new(2, Metric::L2).unique_keys(unique);
            self.store().collection(name, options.memtable_rows(64)).unwrap()
        })
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write(scope, writes) => self.write(*scope, writes),
            Step::Update(scope, id, change) => self.update(*scope, *id, change),
            Step::Pending => drop(self.store().run_pending_tasks().unwrap()),
            Step::Compact => drop(self.store().compact().unwrap()),
            Step::Reopen => {
                self.store().clone().close().unwrap();
                self.store = Some(manual().open(&self.path).unwrap());
            }
            Step::Crash => {
                self.copies += 1;
                let copy = self.dir.path().join(format!("copy{}", self.copies));
                copy_dir(&self.path, &copy);
                self.store = None;
                self.path = copy;
                self.store = Some(manual().open(&self.path).unwrap());
            }
        }
    }

    fn write(&mut self, scope: Option<usize>, writes: &[(usize, Write)]) {
        let scope = scope.and_then(|of| NAMESPACES[of]);
        let collections = self.collections();
        // The collection of those writes that a batch can write to its own collection only.
        let local = writes.iter().find(|(_, write)| write.is_local()).map_or(0, |(c, _)| *c);
        let placed = |(c, write): &(usize, Write)| if write.is_local() { local } else { *c };
        let mut batch = Batch::new();
        for one in writes {
            batch = one.1.add_to(batch, &collections[placed(one)]);
        }
        let applied = match scope {
            Some(scope) => collections[local].scope(scope).apply(batch),
            None => collections[local].apply(batch),
        };
        let (mut next, mut counts) = (self.model.clone(), Counts::default());
        let result = if writes.iter().any(|(_, write)| write.leaves(scope)) {
            Err(Refused::Namespace)
        } else {
            let all = &mut writes.iter();
            all.try_for_each(|one| next.write((placed(one), &one.1), scope, &mut counts))
        };
        match (applied, result) {
            (Ok(applied), Ok(())) => {
                // Without a scope, several writes to one id count once.
                if scope.is_some() || writes.len() == 1 {
                    assert_eq!(Counts::from(applied), counts, "{scope:?}: {writes:?}");
                }
                self.model = next;
            }
            (Err(error), Err(refused)) => assert_eq!(refusal(&error), refused, "{writes:?}"),
            (applied, result) => panic!("{scope:?} {writes:?}: {applied:?}, not {result:?}"),
        }
    }

    fn update(&mut self, scope: Option<usize>, id: u64, change: &Change) {
        let scope = scope.and_then(|of| NAMESPACES[of]);
        let [notes, _] = self.collections();
        let carry_out = |memory: &mut Memory| change.carry_out(memory);
        let updated = match scope {
            Some(scope) => notes.scope(scope).update(id, carry_out),
            None => notes.update(id, carry_out),
        };
        let own = self.model.0[0]
            .get(&id.into())
            .is_some_and(|kept| scope.is_none() || kept.namespace == scope);
        match updated {
            Err(error) => {
                assert_eq!(refusal(&error), Refused::Namespace);
                assert!(own && change.leaves(scope), "{scope:?}: {change:?} of {id}");
            }
            Ok(outcome) => {
                assert_eq!(outcome == altiplano::Outcome::Updated, own, "{outcome:?}");
                assert!(!own || !change.leaves(scope));
                if own {
                    self.model.0[0].entry(id.into()).and_modify(|kept| change.change(kept));
                }
            }
        }
    }

    fn check(&self) {
        for (collection, memories) in self.collections().iter().zip(&self.model.0) {
            assert_eq!(read(collection.iter()), *memories);
            for scope in NAMESPACES.into_iter().flatten() {
                let mut own = memories.clone();
                own.retain(|_, kept| kept.namespace == Some(scope));
                check_scope(&collection.scope(scope), memories, &own);
            }
        }
    }
}

fn check_scope(scope: &Scope, all: &Memories, own: &Memories) {
    assert_eq!(read(scope.iter()), *own);
    assert_eq!(scope.len().unwrap(), own.len() as u64);
    assert_eq!(scope.is_empty().unwrap(), own.is_empty());
    for id in all.keys() {
        assert_eq!(scope.get(*id).unwrap().as_ref().map(kept), own.get(id).cloned());
        assert_eq!(scope.contains(*id).unwrap(), own.contains_key(id));
    }
    let ids = |chosen: &Chosen| {
        let meant = own.iter().filter(|(id, kept)| chosen.holds(**id, kept));
        meant.map(|(id, _)| *id).collect::<Vec<_>>()
    };
    for key in 0..KEYS {
        let found = scope.get_by_key(&format!("key {key}")).unwrap().map(|memory| memory.id);
        let meant: Vec<&MemoryId> =
            own.iter().filter(|(_, kept)| kept.key == Some(key)).map(|(id, _)| id).collect();
        assert_eq!(found.is_some(), !meant.is_empty());
        assert!(found.is_none_or(|id| meant.contains(&&id)));
    }
    let chosen = [
        Chosen::All,
        Chosen::Session(0),
        Chosen::NotSession(1),
        Chosen::Namespace(0),
        Chosen::NotNamespace(1),
        Chosen::Ids((0..IDS / 2).collect()),
        Chosen::Important,
    ];
    for chosen in chosen {
        let scanned = read(scope.scan(chosen.filter()));
        assert_eq!(scanned.into_keys().collect::<Vec<_>>(), ids(&chosen), "{chosen:?}");
        let query = [0.5, 0.5];
        let hits = scope.search(&query).k(100).filter(chosen.filter()).run().unwrap();
        let mut found: Vec<MemoryId> = hits.iter().map(|hit| hit.id).collect();
        found.sort();
        assert_eq!(found, ids(&chosen), "{chosen:?}");
    }
}

/// Returns what is kept of a memory that was read.
fn kept(memory: &Memory) -> Kept {
    let number = |text: &str| text.rsplit(' ').next().unwrap().parse::<u8>().unwrap();
    let named = |name: &Option<&str>| memory.namespace.as_deref() == *name;
    Kept {
        namespace: NAMESPACES.into_iter().find(named).expect("a namespace that was given"),
        session: number(memory.session.as_deref().unwrap()),
        key: memory.key.as_deref().map(number),
        importance: (memory.importance * 100.0).round() as u8,
        end: memory.expiry(),
        superseded_by: memory.superseded_by,
    }
}

fn read(memories: impl Iterator<Item = altiplano::Result<Memory>>) -> Memories {
    let memories = memories.map(Result::unwrap);
    memories.map(|memory| (memory.id, kept(&memory))).collect()
}

fn refusal(error: &Error) -> Refused {
    match error {
        Error::InvalidOption { name: "namespace", .. } => Refused::Namespace,
        Error::IdTaken { .. } => Refused::IdTaken,
        Error::KeyTaken { .. } => Refused::KeyTaken,
        other => panic!("{other}"),
    }
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn given() -> impl Strategy<Value = Given> {
    let namespace = prop_oneof![2 => Just(3usize), 1 => 0..4usize];
    let key = prop::option::weighted(0.6, 0..KEYS);
    (0..IDS, namespace, 0..SESSIONS, key, prop::bool::weighted(0.3)).prop_map(
        |(id, namespace, session, key, keyed)| Given { id, namespace, session, key, keyed },
    )
}

fn chosen() -> impl Strategy<Value = Chosen> {
    prop_oneof![
        1 => Just(Chosen::All),
        2 => prop::collection::vec(0..IDS, 0..4).prop_map(Chosen::Ids),
        2 => (0..SESSIONS).prop_map(Chosen::Session),
        1 => (0..SESSIONS).prop_map(Chosen::NotSession),
        2 => (0..KEYS).prop_map(Chosen::Key),
        2 => (0..4usize).prop_map(Chosen::Namespace),
        1 => (0..3usize).prop_map(Chosen::NotNamespace),
        1 => Just(Chosen::Important),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (0..=100u8).prop_map(Change::Importance),
        1 => (1..1000u16).prop_map(Change::Lifetime),
        2 => (0..SESSIONS).prop_map(Change::Session),
        1 => (0..4usize).prop_map(Change::Namespace),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    let supersede = (0..IDS, given())
        .prop_filter("of itself", |(old, given)| given.memory().0.id != (*old).into());
    prop_oneof![
        8 => given().prop_map(Write::Insert),
        2 => given().prop_map(Write::InsertNew),
        2 => (0..IDS).prop_map(Write::Delete),
        1 => chosen().prop_map(Write::DeleteWhere),
        3 => ((0..IDS), change()).prop_map(|(id, change)| Write::Patch(id, change)),
        2 => (chosen(), change()).prop_map(|(chosen, change)| Write::UpdateWhere(chosen, change)),
        2 => supersede.prop_map(|(old, given)| Write::Supersede(old, given)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Through a scope more often than past all of them.
    let scope = || prop::option::weighted(0.8, 0..2usize);
    let one =
        (scope(), 0..2usize, write()).prop_map(|(of, c, one)| Step::Write(of, vec![(c, one)]));
    let several = (scope(), prop::collection::vec((0..2usize, write()), 2..5));
    let step = prop_oneof![
        12 => one,
        4 => several.prop_map(|(of, writes)| Step::Write(of, writes)),
        3 => (scope(), 0..IDS, change()).prop_map(|(of, id, change)| Step::Update(of, id, change)),
        1 => Just(Step::Pending),
        2 => Just(Step::Compact),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..50)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: sized("sequences of writes through scopes", 64, 300, 3000), ..ProptestConfig::default() })]

    #[test]
    fn a_scope_is_a_collection_of_its_own(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            world.check();
        }
    }
}
