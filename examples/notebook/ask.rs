//! The questions: each asks the store, works the answer out from the plain model, and compares both.

use std::collections::BTreeMap;

use altiplano::{Direction, Filter, GroupBy, Memory, NameCount, Order, Window};

use crate::note::{Note, Question, random_vector};
use crate::user::{Failure, Tally, User};

const PAGE: usize = 40;
const K: usize = 10;
/// Distances of the store and of the model are summed in different orders.
const ROUNDING: f32 = 1e-3;

impl User {
    /// Asks one question of each kind.
    pub(crate) fn ask(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        let question = Question::random(&mut self.rng);
        self.count(question, tally)?;
        self.search(question, tally)?;
        self.recent(tally)
    }

    fn count(&self, question: Question, tally: &mut Tally) -> Result<(), Failure> {
        let counted = self.scope.count(question.filter())?;
        let expected = self.matching(question).len() as u64;
        if counted != expected {
            return self.wrong(format!("{counted} notes instead of {expected} for {question:?}"));
        }
        tally.add("counts", 1);
        Ok(())
    }

    /// Compares an exact search with the distances of the model, and one by codes and graphs with
    /// what is promised of it.
    fn search(&mut self, question: Question, tally: &mut Tally) -> Result<(), Failure> {
        let query = random_vector(&mut self.rng);
        let mut distances: Vec<f32> =
            self.matching(question).iter().map(|note| note.distance(&query)).collect();
        distances.sort_by(f32::total_cmp);
        distances.truncate(K);
        let exact = self.scope.search(&query).filter(question.filter()).k(K).exact().run()?;
        let fast = self.scope.search(&query).filter(question.filter()).k(K).run()?;
        for hits in [&exact, &fast] {
            if hits.len() != distances.len() {
                let (got, expected) = (hits.len(), distances.len());
                return self.wrong(format!("{got} hits instead of {expected} for {question:?}"));
            }
            for hit in hits {
                let note = self.notes.get(&hit.id).filter(|note| question.holds(note));
                let (Some(note), Some(memory)) = (note, &hit.memory) else {
                    return self.wrong(format!("{hit:?} is no answer to {question:?}"));
                };
                self.same(note, memory)?;
                if (note.distance(&query) - hit.distance).abs() > ROUNDING {
                    return self.wrong(format!("the distance of {hit:?} is wrong"));
                }
            }
        }
        let is_nearest =
            |(hit, nearest): (&altiplano::Hit, &f32)| (hit.distance - nearest).abs() <= ROUNDING;
        if !exact.iter().zip(&distances).all(is_nearest) {
            return self.wrong(format!("an exact search missed the nearest for {question:?}"));
        }
        tally.add("searches under a filter", 2);
        Ok(())
    }

    /// Reads the last turns of a session.
    fn recent(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        let sessions = self.scope.sessions()?;
        let Some(session) = sessions.get(self.rng.below(sessions.len())) else { return Ok(()) };
        let found = self.scope.recent(&session.name, Window::turns(20))?;
        let mut expected = self.matching(Question::Everything);
        expected.retain(|note| note.session == session.name);
        expected.sort_by_key(|note| (note.created_at, note.place));
        let skipped = expected.len().saturating_sub(20);
        self.same_list("the last turns of a session", &found, &expected[skipped..])?;
        tally.add("last turns of a session", 1);
        Ok(())
    }

    /// Reads whole lists, page by page: by time under a filter, and by importance.
    pub(crate) fn list(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        let question = Question::random(&mut self.rng);
        for order in [Order::Created, Order::Importance] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let list = self.scope.list().filter(question.filter()).limit(PAGE);
                let page = list.order(order, Direction::Descending).after(after).run()?;
                found.extend(page.memories);
                tally.add("pages", 1);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let mut expected = self.matching(question);
            expected.sort_by(|a, b| {
                let value = match order {
                    Order::Importance => b.importance.total_cmp(&a.importance),
                    _ => b.created_at.cmp(&a.created_at),
                };
                value.then(b.place.cmp(&a.place))
            });
            self.same_list("a list by pages", &found, &expected)?;
            tally.add("notes listed", found.len() as u64);
        }
        Ok(())
    }

    /// Counts by name, and searches in groups.
    pub(crate) fn overview(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        self.same_names("sessions", self.scope.sessions()?, |note| vec![&note.session])?;
        self.same_names("kinds", self.scope.kinds()?, |note| vec![note.kind])?;
        self.same_names("tags", self.scope.tags()?, |note| {
            note.tags.iter().map(String::as_str).collect()
        })?;
        tally.add("lists of names", 3);
        let query = random_vector(&mut self.rng);
        let search = self.scope.search(&query).k(5).group_by(GroupBy::Session, 2);
        let groups = search.run_groups()?;
        let sessions = self.scope.sessions()?.len();
        if groups.len() != sessions.min(5) {
            return self.wrong(format!("{} groups of {sessions} sessions", groups.len()));
        }
        for group in &groups {
            let is_of_group = |hit: &altiplano::Hit| {
                self.notes.get(&hit.id).is_some_and(|note| note.session == group.value)
            };
            if !(1..=2).contains(&group.hits.len()) || !group.hits.iter().all(is_of_group) {
                return self.wrong(format!("the group {group:?} is wrong"));
            }
        }
        tally.add("searches in groups", 1);
        Ok(())
    }

    /// Reads every note, with its vector, and compares it with the model.
    pub(crate) fn check_everything(&self) -> Result<u64, Failure> {
        let mut seen = 0;
        for memory in self.scope.scan(Filter::All) {
            let memory = memory?;
            let Some(note) = self.notes.get(&memory.id) else {
                return self.wrong(format!("{memory:?} should not be there"));
            };
            if memory.vector.is_empty() {
                return self.wrong(format!("{memory:?} has no vector"));
            }
            self.same(note, &memory)?;
            seen += 1;
        }
        if seen != self.notes.len() as u64 {
            return self.wrong(format!("{seen} notes instead of {}", self.notes.len()));
        }
        Ok(seen)
    }

    fn same(&self, note: &Note, memory: &Memory) -> Result<(), Failure> {
        note.difference(memory).map_or(Ok(()), |difference| self.wrong(difference))
    }

    fn same_list(&self, what: &str, found: &[Memory], expected: &[&Note]) -> Result<(), Failure> {
        if found.len() != expected.len() {
            let (got, expected) = (found.len(), expected.len());
            return self.wrong(format!("{what} has {got} notes instead of {expected}"));
        }
        found.iter().zip(expected).try_for_each(|(memory, note)| self.same(note, memory))
    }

    fn same_names<'n>(
        &'n self,
        what: &str,
        found: Vec<NameCount>,
        names: impl Fn(&'n Note) -> Vec<&'n str>,
    ) -> Result<(), Failure> {
        let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
        for name in self.notes.values().flat_map(names) {
            *expected.entry(name).or_default() += 1;
        }
        let found: Vec<(&str, u64)> = found.iter().map(|one| (&*one.name, one.memories)).collect();
        if !found.iter().copied().eq(expected) {
            return self.wrong(format!("the {what} are wrong: {found:?}"));
        }
        Ok(())
    }
}
