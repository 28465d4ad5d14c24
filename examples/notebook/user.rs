//! One user of the notebook: the handle of the user's namespace, and the plain model of the user's
//! notes. Every change is made to both.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use altiplano::{
    Batch, Collection, Durability, FieldValue, Filter, MemoryId, Outcome, Patch, Scope, Store,
    Timestamp,
};
use bench_tools::vectors::Rng;

use crate::note::{Note, Question};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Notes that are written in one step.
const BATCH: usize = 250;
/// How long a turn of a conversation is kept, unless it is touched.
pub(crate) const TURN_TTL: Duration = Duration::from_secs(30 * 86_400);
const KEPT: Duration = Duration::from_secs(365 * 86_400);

/// How often each thing was done.
#[derive(Default)]
pub(crate) struct Tally(Vec<(&'static str, u64)>);

impl Tally {
    pub(crate) fn add(&mut self, what: &'static str, count: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == what) {
            Some((_, sum)) => *sum += count,
            None => self.0.push((what, count)),
        }
    }

    pub(crate) fn join(&mut self, other: Self) {
        other.0.into_iter().for_each(|(what, count)| self.add(what, count));
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().copied()
    }
}

pub(crate) struct User {
    pub(crate) scope: Scope,
    /// What should be there.
    pub(crate) notes: HashMap<MemoryId, Note>,
    /// The same ids in a list, to choose from.
    ids: Vec<MemoryId>,
    store: Store,
    number: u64,
    written: u64,
    start: Timestamp,
    pub(crate) rng: Rng,
}

impl User {
    pub(crate) fn new(store: &Store, notes: &Collection, number: u64, seed: u64) -> Self {
        Self {
            scope: notes.scope(name(number)),
            notes: HashMap::new(),
            ids: Vec::new(),
            store: store.clone(),
            number,
            written: 0,
            // The notes were made before they are written.
            start: store.now() - TURN_TTL,
            rng: Rng::new(seed.wrapping_mul(1_000_003).wrapping_add(number)),
        }
    }

    /// Goes on with other handles: those of a store end when it is closed.
    pub(crate) fn move_to(&mut self, store: &Store, notes: &Collection) {
        (self.store, self.scope) = (store.clone(), notes.scope(name(self.number)));
    }

    fn random_note(&mut self) -> Note {
        let place = self.written;
        self.written += 1;
        // Four notes share a time of creation, so that the order of writing has to tell them apart.
        let created_at = self.start + Duration::from_secs(60 * (place / 4));
        Note::random((self.number << 32 | place).into(), place, created_at, &mut self.rng)
    }

    fn learn(&mut self, note: Note) {
        self.ids.push(note.id);
        self.notes.insert(note.id, note);
    }

    fn unlearn(&mut self, gone: impl Fn(&Note) -> bool) -> u64 {
        let before = self.notes.len();
        self.notes.retain(|_, note| !gone(note));
        self.ids.retain(|id| self.notes.contains_key(id));
        (before - self.notes.len()) as u64
    }

    fn random_id(&mut self) -> MemoryId {
        self.ids[self.rng.below(self.ids.len())]
    }

    /// Returns an error that names the user.
    pub(crate) fn wrong<T>(&self, what: impl std::fmt::Display) -> Result<T, Failure> {
        Err(format!("{}: {what}", self.scope.namespace()).into())
    }

    fn expect<T: PartialEq + std::fmt::Debug>(
        &self,
        what: &str,
        got: T,
        expected: T,
    ) -> Result<(), Failure> {
        if got == expected {
            return Ok(());
        }
        self.wrong(format!("{what} gave {got:?} instead of {expected:?}"))
    }

    /// Writes new notes in batches. Turns get a lifetime, facts do not.
    pub(crate) fn write(
        &mut self,
        count: usize,
        durability: Durability,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        for begun in (0..count).step_by(BATCH) {
            let mut batch = Batch::new();
            let wanted = BATCH.min(count - begun);
            for _ in 0..wanted {
                let mut note = self.random_note();
                let memory = note.memory();
                if note.kind == "turn" {
                    note.expiry = Some(self.store.now() + TURN_TTL);
                    batch = batch.insert(memory.ttl(TURN_TTL));
                } else {
                    batch = batch.insert(memory);
                }
                self.learn(note);
            }
            let applied = self.scope.apply_with(batch, durability)?;
            self.expect("a batch of inserts", applied.inserted, wanted as u64)?;
            tally.add("notes written", applied.inserted);
            tally.add("batches", 1);
        }
        Ok(())
    }

    /// Makes one change of each kind.
    pub(crate) fn change(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        if self.ids.len() < 10 {
            return Ok(());
        }
        self.patch(tally)?;
        self.touch(tally)?;
        self.open_once_more(tally)?;
        self.supersede(tally)?;
        let id = self.random_id();
        self.expect("a delete", self.scope.delete(id)?, true)?;
        self.unlearn(|note| note.id == id);
        tally.add("deletes by id", 1);
        Ok(())
    }

    /// One patch that is kept beside the row, and one that writes the row again, under a condition.
    fn patch(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        let (id, importance) = (self.random_id(), self.rng.below(11) as f32 / 10.0);
        let outcome = self.scope.patch(id, Patch::new().importance(importance))?;
        self.expect("a patch of the importance", outcome, Outcome::Updated)?;
        if let Some(note) = self.notes.get_mut(&id) {
            note.importance = importance;
        }
        let id = self.random_id();
        let Some(version) = self.scope.get(id)?.and_then(|memory| memory.version()) else {
            return self.wrong(format!("note {id} is not there"));
        };
        let text = format!("note {id}, corrected");
        let patch = Patch::new().text(&text).field("year", 2027).tag("corrected");
        let patch = patch.remove_tag("open").if_version(version);
        let outcome = self.scope.patch(id, patch.clone())?;
        self.expect("a patch of text, tags and a field", outcome, Outcome::Updated)?;
        let again = self.scope.patch(id, patch)?;
        self.expect("a patch of a version that is gone", again, Outcome::Conflict)?;
        if let Some(note) = self.notes.get_mut(&id) {
            (note.text, note.year) = (text, 2027);
            note.tags.retain(|tag| tag != "open");
            if !note.tags.iter().any(|tag| tag == "corrected") {
                note.tags.push("corrected".to_owned());
            }
        }
        tally.add("patches", 2);
        tally.add("patches refused for their version", 1);
        Ok(())
    }

    fn touch(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        for _ in 0..5 {
            let id = self.random_id();
            self.expect("a touch", self.scope.touch(id, KEPT)?, true)?;
            let expiry = self.store.now() + KEPT;
            if let Some(note) = self.notes.get_mut(&id) {
                note.expiry = Some(expiry);
            }
        }
        tally.add("touches", 5);
        Ok(())
    }

    /// Adds 1 to a field that may not be there yet.
    fn open_once_more(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        let id = self.random_id();
        let opened = self.notes.get(&id).and_then(|note| note.opened).unwrap_or_default() + 1;
        let outcome = self.scope.update(id, |memory| {
            let before = match memory.field_value("opened") {
                Some(FieldValue::Integer(before)) => before,
                _ => 0,
            };
            *memory = memory.clone().field("opened", before + 1);
        })?;
        self.expect("an update by a closure", outcome, Outcome::Updated)?;
        if let Some(note) = self.notes.get_mut(&id) {
            note.opened = Some(opened);
        }
        tally.add("updates by a closure", 1);
        Ok(())
    }

    /// Writes a fact that takes the place of an older note.
    fn supersede(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        let (old, mut new) = (self.random_id(), self.random_note());
        new.kind = "fact";
        let outcome = self.scope.supersede(old, new.memory())?;
        self.expect("a supersede", outcome, Outcome::Inserted)?;
        if let Some(note) = self.notes.get_mut(&old) {
            note.superseded_by = Some(new.id);
        }
        self.learn(new);
        tally.add("facts superseded", 1);
        Ok(())
    }

    /// Changes and deletes by filters: a whole session, and what is old and of little importance.
    pub(crate) fn change_many(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        let id = self.random_id();
        let Some(session) = self.notes.get(&id).map(|note| note.session.clone()) else {
            return Ok(());
        };
        let patch = Patch::new().tag("archived").importance(0.3);
        let updated = self.scope.update_where(Filter::session(&session), patch)?;
        let mut expected = 0;
        for note in self.notes.values_mut().filter(|note| note.session == session) {
            note.importance = 0.3;
            if !note.tags.iter().any(|tag| tag == "archived") {
                note.tags.push("archived".to_owned());
            }
            expected += 1;
        }
        self.expect("update_where", updated, expected)?;
        tally.add("notes updated by filters", updated);

        let emails = Filter::kind("turn") & Filter::field("source").eq("email");
        let touched = self.scope.touch_where(emails, KEPT)?;
        let expiry = self.store.now() + KEPT;
        let mut expected = 0;
        let is_email = |note: &&mut Note| note.kind == "turn" && note.source == "email";
        for note in self.notes.values_mut().filter(is_email) {
            note.expiry = Some(expiry);
            expected += 1;
        }
        self.expect("touch_where", touched, expected)?;
        tally.add("notes touched by filters", touched);

        let least = Filter::field("year").lt(2021) & Filter::importance(0.0..=0.2);
        let deleted = self.scope.delete_where(least)?;
        let expected = self.unlearn(|note| note.year < 2021 && note.importance <= 0.2);
        self.expect("delete_where", deleted, expected)?;
        tally.add("notes deleted by filters", deleted);
        Ok(())
    }

    /// Forgets the notes whose lifetimes have ended. Returns how many.
    pub(crate) fn let_expire(&mut self) -> u64 {
        let now = self.store.now();
        self.unlearn(|note| note.expiry.is_some_and(|expiry| expiry <= now))
    }

    /// Returns the notes for which the answer is yes.
    pub(crate) fn matching(&self, question: Question) -> Vec<&Note> {
        self.notes.values().filter(|note| question.holds(note)).collect()
    }
}

/// Returns the namespace of a user.
pub(crate) fn name(number: u64) -> String {
    format!("user:{number}")
}
