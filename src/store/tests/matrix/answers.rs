//! Owns the questions to a store whose files may be damaged, and the rule for its answers: exactly
//! right, or a typed error. Also owns the exact nearest neighbors that searches are compared with.

use std::collections::BTreeMap;

use super::model::{Model, Row, check_vector, vector};
use crate::{Collection, Error, Filter, Hit, Memory, Metric, SearchMode, Store};

/// Returns true for errors that damage may cause.
pub(super) fn is_typed(error: &Error) -> bool {
    use std::io::ErrorKind::*;
    match error {
        Error::Corrupt { .. } | Error::UnsupportedFormat { .. } => true,
        Error::Io { source, .. } => {
            matches!(source.kind(), NotFound | IsADirectory | AlreadyExists | UnexpectedEof)
        }
        _ => false,
    }
}

/// Counts the answers of a store so far.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Number of typed errors instead of an answer.
    pub(super) errors: u64,
    /// True if a scan of the codes must find the exact nearest neighbors.
    pub(super) strict: bool,
}

impl Answers {
    /// Returns the answer, or `None` for an error that damage may cause.
    pub(super) fn take<T>(&mut self, answer: Result<T, Error>) -> Result<Option<T>, String> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if is_typed(&error) => {
                self.errors += 1;
                Ok(None)
            }
            Err(error) => Err(format!("an error of no damage: {error}")),
        }
    }

    /// Asks every question. `state` is the true content.
    pub(super) fn ask(&mut self, store: &Store, state: &Model) -> Result<(), String> {
        let mut names: Vec<&str> = state.0.keys().map(|c| state.name(*c)).collect();
        names.sort_unstable();
        let found = store.collection_names();
        if found != names {
            return Err(format!("the collections are {found:?}, not {names:?}"));
        }
        for (c, rows) in &state.0 {
            let collection = store.get_collection(state.name(*c)).ok_or("a collection is gone")?;
            self.ask_rows(&collection, *c, rows)?;
            self.ask_searches(&collection, *c, rows)?;
        }
        Ok(())
    }

    fn ask_rows(
        &mut self,
        collection: &Collection,
        c: usize,
        rows: &BTreeMap<u64, Row>,
    ) -> Result<(), String> {
        for filter in [None, Some(2)] {
            let means = |id: &u64| filter.is_none_or(|n| id % 5 == n);
            let by = filter.map_or(Filter::All, |n| Filter::namespace(format!("user:{n}")));
            let before = self.errors;
            let mut seen = std::collections::BTreeSet::new();
            for (n, memory) in collection.scan(by).enumerate() {
                if n > 5000 {
                    return Err("a scan does not end".to_owned());
                }
                let Some(memory) = self.take(memory)? else { continue };
                let id = check_memory(&memory, c, rows)?;
                if !seen.insert(id) || !means(&id) {
                    return Err(format!("a scan gave {id}, once too often"));
                }
            }
            let all = rows.keys().filter(|id| means(id)).count();
            if self.errors == before && seen.len() != all {
                return Err(format!("a scan gave {} of {all}", seen.len()));
            }
        }
        for id in rows.keys().copied().step_by(13).chain([1_000_000]) {
            if let Some(memory) = self.take(collection.get(id))? {
                if memory.is_some() != rows.contains_key(&id) {
                    return Err(format!("get gives {memory:?} for {id}"));
                }
                memory.map(|m| check_memory(&m, c, rows)).transpose()?;
            }
        }
        let len = self.take(collection.len())?;
        match len {
            Some(len) if len != rows.len() as u64 => Err(format!("{len} of {}", rows.len())),
            _ => Ok(()),
        }
    }

    fn ask_searches(
        &mut self,
        collection: &Collection,
        c: usize,
        rows: &BTreeMap<u64, Row>,
    ) -> Result<(), String> {
        let query = vector(c, 40, 7);
        for k in [5, 400] {
            let nearest = nearest(c, rows, &query, k);
            for path in [None, Some(SearchMode::Scan), Some(SearchMode::Graph)] {
                let search = collection.search(&query).k(k);
                let search = path.map_or_else(
                    || collection.search(&query).k(k).exact(),
                    |path| search.mode(path),
                );
                let Some(hits) = self.take(search.run())? else { continue };
                check_hits(&hits, c, rows, &query)?;
                if hits.len() != nearest.len() {
                    return Err(format!("{} hits of {} by {path:?}", hits.len(), nearest.len()));
                }
                // Under cosine, these vectors are nearer to each other than codes can distinguish.
                let scan = self.strict && c != 1 && path == Some(SearchMode::Scan);
                if path.is_none() || scan {
                    same(&hits, &nearest)?;
                }
            }
        }
        Ok(())
    }
}

/// Checks that a memory is the one that was written. Returns its id.
fn check_memory(memory: &Memory, c: usize, rows: &BTreeMap<u64, Row>) -> Result<u64, String> {
    let id = memory.id.as_u128() as u64;
    let row = rows.get(&id).ok_or(format!("{id} is not there, and was found"))?;
    if memory.text.as_deref() != Some(&row.text) {
        return Err(format!("{id} is {:?} instead of {:?}", memory.text.as_deref(), row.text));
    }
    check_vector(&memory.vector, &written(c, id, row))
        .map_err(|got| format!("{id} has the vector {got:?}"))?;
    match memory.expiry().unwrap_or(crate::Timestamp::MAX) == row.expires {
        true => Ok(id),
        false => Err(format!("{id} expires at {:?}", memory.expiry())),
    }
}

/// Returns the vector that was written with a row.
fn written(c: usize, id: u64, row: &Row) -> Vec<f32> {
    let n = row.text.strip_prefix("write ").and_then(|n| n.parse().ok());
    vector(c, id, n.unwrap_or_default())
}

fn distance(c: usize, id: u64, row: &Row, query: &[f32]) -> f32 {
    [Metric::L2, Metric::Cosine, Metric::Dot][c].distance(query, &written(c, id, row))
}

/// Returns the distances of the `k` nearest rows, computed one by one.
pub(super) fn nearest(c: usize, rows: &BTreeMap<u64, Row>, query: &[f32], k: usize) -> Vec<f32> {
    let mut all: Vec<f32> = rows.iter().map(|(id, row)| distance(c, *id, row, query)).collect();
    all.sort_by(f32::total_cmp);
    all.truncate(k);
    all
}

fn near(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-4 * b.abs().max(0.1)
}

/// Checks that every hit is an existing memory with its own text and distance, once, in order.
pub(super) fn check_hits(
    hits: &[Hit],
    c: usize,
    rows: &BTreeMap<u64, Row>,
    query: &[f32],
) -> Result<(), String> {
    for hit in hits {
        let id = hit.id.as_u128() as u64;
        let row = rows.get(&id).ok_or(format!("{id} was found and is not there"))?;
        if hit.text() != Some(&row.text) || !near(hit.distance, distance(c, id, row, query)) {
            return Err(format!("{id} was found as {:?} at {}", hit.text(), hit.distance));
        }
    }
    let in_order = hits.is_sorted_by(|a, b| (a.distance, a.id) < (b.distance, b.id));
    if in_order { Ok(()) } else { Err("hits come twice or out of order".to_owned()) }
}

/// Checks that the hits are the nearest, by their distances.
pub(super) fn same(hits: &[Hit], nearest: &[f32]) -> Result<(), String> {
    let same = hits.len() == nearest.len()
        && hits.iter().zip(nearest).all(|(hit, d)| near(hit.distance, *d));
    match same {
        true => Ok(()),
        false => {
            let got: Vec<f32> = hits.iter().map(|h| h.distance).collect();
            Err(format!("the nearest are at {nearest:?}, and those found at {got:?}"))
        }
    }
}
