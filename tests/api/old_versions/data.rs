//! Owns the contents of the fixture stores: plain data, computed without a store. They are the same
//! for every version that writes a fixture. Change nothing here: a later version's additions need a
//! list of their own.

use std::collections::BTreeMap;
use std::time::Duration;

use altiplano::{Memory, MemoryId, Metric, Timestamp};
use serde::{Deserialize, Serialize};

use crate::common::{START, vector};

/// Ids of a collection: `0..IDS`.
pub(crate) const IDS: u64 = 145;
/// Ids below this were sealed in the first segment.
pub(crate) const SEALED: u64 = 60;
/// Ids from here on are in the log alone.
pub(crate) const LOGGED: u64 = 130;
/// The clock's reading when the fixture was finished.
pub(crate) const END: Timestamp = Timestamp::from_millis(START.as_millis() + 2 * HOUR as i64);

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// The collections: name, dimension, metric.
pub(crate) const COLLECTIONS: [(&str, usize, Metric); 4] = [
    ("cosine", 8, Metric::Cosine),
    ("dot", 8, Metric::Dot),
    ("l2", 8, Metric::L2),
    ("wide", 300, Metric::Cosine),
];

/// The typed metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) page: u32,
    pub(crate) url: String,
    pub(crate) scores: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meta {
    None,
    Typed(Source),
    Json(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Life {
    Forever,
    Ttl(Duration),
    Until(Timestamp),
}

/// One memory, as plain data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) id: u64,
    pub(crate) vector: Vec<f32>,
    pub(crate) text: Option<String>,
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) key: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) importance: Option<f32>,
    pub(crate) pinned: bool,
    pub(crate) created: Option<Timestamp>,
    pub(crate) event: Option<Timestamp>,
    pub(crate) valid: (Option<Timestamp>, Option<Timestamp>),
    pub(crate) superseded_by: Option<u64>,
    pub(crate) tokens: Option<u32>,
    pub(crate) sources: Vec<u64>,
    pub(crate) life: Life,
    pub(crate) meta: Meta,
    /// When it was inserted.
    pub(crate) inserted: Timestamp,
}

/// Returns true if an id is in a collection. The wide one has a quarter of the ids, since its rows
/// are large.
pub(crate) fn is_in(collection: usize, id: u64) -> bool {
    collection != 3 || (id / 5).is_multiple_of(4)
}

/// The session that `delete_where` ends.
pub(crate) const ENDED: &str = "s-2";

/// Returns true if the id is inserted a second time. These ids and those deleted early are too few
/// for a rewrite of their segment, so its file of deletes stays.
pub(crate) fn is_replaced(id: u64) -> bool {
    id % 20 == 5 && id < SEALED
}

/// Returns true if it is deleted by its id before its segment gets a file of deletes.
pub(crate) fn is_deleted_early(id: u64) -> bool {
    id % 23 == 3 && id < SEALED
}

/// Returns true if it is deleted by its id at the end, so that only the log says so.
pub(crate) fn is_deleted_late(id: u64) -> bool {
    id % 11 == 4 && id < LOGGED
}

/// Returns true if `delete_where` removed it: it was there, and of that session.
pub(crate) fn is_deleted_where(wanted: &Wanted) -> bool {
    wanted.session.as_deref() == Some(ENDED) && wanted.id < LOGGED
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn meta(id: u64, version: u64) -> Meta {
    let scores = vec![0.5, -(id as f32), version as f32];
    match id % 4 {
        0 => {
            let url = format!("https://example.org/{id}/ä");
            Meta::Typed(Source { page: id as u32, url, scores })
        }
        1 => Meta::Json(format!("{{\"id\": {id}, \"version\": {version}, \"deep\": [1, null]}}")),
        _ => Meta::None,
    }
}

fn life(id: u64) -> Life {
    match id % 16 {
        1 => Life::Ttl(Duration::from_millis(HOUR)),
        6 | 7 => Life::Until(START + Duration::from_millis(30 * DAY)),
        9 => Life::Ttl(Duration::from_millis(30 * DAY)),
        _ => Life::Forever,
    }
}

/// Returns version `version` of a memory.
pub(crate) fn wanted(collection: usize, id: u64, version: u64) -> Wanted {
    let (name, dimension, _) = COLLECTIONS[collection];
    let some = |every: u64| id.is_multiple_of(every);
    let text = format!("{name} memory {id}, version {version}: ☕ & \0 bytes");
    let mut tags = vec![format!("t{}", id % 3)];
    tags.extend(some(5).then(|| "fifth".to_owned()));
    Wanted {
        id,
        vector: vector(1_000_000 * collection as u64 + 1_000 * version + id, dimension),
        text: (id % 13 != 12 && id % 13 != 11).then_some(text),
        bytes: (id % 13 == 12).then(|| vec![0, 255, id as u8, version as u8]),
        key: some(2).then(|| format!("{name}/{id}")),
        namespace: (id % 6 != 5).then(|| format!("user:{}", id % 6)),
        session: (id % 9 != 8).then(|| format!("s-{}", id % 9)),
        kind: some(3).then(|| ["turn", "fact"][id as usize % 2].to_owned()),
        tags,
        importance: some(4).then_some((id % 8) as f32 / 8.0),
        pinned: id % 12 == 7,
        created: some(3).then(|| at(START.as_millis() - DAY as i64 - id as i64)),
        event: some(7).then(|| at(START.as_millis() - 2 * DAY as i64 - 1_000 * id as i64)),
        valid: match id % 10 {
            1 => (Some(at(7 + id as i64)), Some(at(1_000 + id as i64))),
            2 => (None, Some(at(1_000 + id as i64))),
            _ => (None, None),
        },
        superseded_by: (id % 17 == 3).then_some(id + 1),
        tokens: some(2).then_some(3 * id as u32),
        sources: if some(19) { vec![id + 1, id + 2] } else { Vec::new() },
        life: life(id),
        meta: meta(id, version),
        inserted: if id < LOGGED { START } else { END },
    }
}

impl Wanted {
    /// Returns the memory to insert.
    pub(crate) fn memory(&self) -> Memory {
        let mut memory = Memory::new(self.id, self.vector.clone()).pinned(self.pinned);
        let names = [&self.text, &self.key, &self.namespace, &self.session, &self.kind];
        type Set = fn(Memory, String) -> Memory;
        let setters: [Set; 5] =
            [Memory::text, Memory::key, Memory::namespace, Memory::session, Memory::kind];
        for (set, name) in setters.iter().zip(names) {
            if let Some(name) = name {
                memory = set(memory, name.clone());
            }
        }
        if let Some(bytes) = &self.bytes {
            memory = memory.bytes(bytes.clone());
        }
        for tag in &self.tags {
            memory = memory.tag(tag.clone());
        }
        if let Some(importance) = self.importance {
            memory = memory.importance(importance);
        }
        if let Some(created) = self.created {
            memory = memory.created_at(created);
        }
        if let Some(event) = self.event {
            memory = memory.event_time(event);
        }
        if self.valid != (None, None) {
            memory = memory.valid(self.valid.0, self.valid.1);
        }
        if let Some(id) = self.superseded_by {
            memory = memory.superseded_by(id);
        }
        if let Some(tokens) = self.tokens {
            memory = memory.tokens(tokens);
        }
        memory = memory.derived_from(self.sources.iter().map(|id| MemoryId::from(*id)));
        memory = match &self.meta {
            Meta::None => memory,
            Meta::Typed(source) => memory.metadata_with_schema(4, source).unwrap(),
            Meta::Json(json) => memory.metadata_json(json.clone()),
        };
        match self.life {
            Life::Forever => memory,
            Life::Ttl(ttl) => memory.ttl(ttl),
            Life::Until(at) => memory.expires_at(at),
        }
    }

    /// Returns the time at which it expires.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        match self.life {
            Life::Forever => None,
            Life::Ttl(ttl) => Some(self.inserted + ttl),
            Life::Until(at) => Some(at),
        }
    }
}

/// Returns the memories of a collection that a reader must see at a moment.
pub(crate) fn visible(collection: usize, now: Timestamp) -> BTreeMap<u64, Wanted> {
    let newest = |id| wanted(collection, id, u64::from(is_replaced(id)));
    let gone = |w: &Wanted| {
        is_deleted_early(w.id)
            || is_deleted_late(w.id)
            || is_deleted_where(w)
            || w.expires().is_some_and(|at| at <= now)
    };
    (0..IDS)
        .filter(|id| is_in(collection, *id))
        .map(newest)
        .filter(|w| !gone(w))
        .map(|w| (w.id, w))
        .collect()
}

/// Returns the distance between two vectors, in double precision.
pub(crate) fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
    };
    match metric {
        Metric::Cosine => 1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
        Metric::Dot => -dot(a, b),
        Metric::L2 => dot(a, a) - 2.0 * dot(a, b) + dot(b, b),
        other => panic!("{other:?} is not in the fixtures"),
    }
}
