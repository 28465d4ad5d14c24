//! One note as the plain model knows it, and the questions that can be asked about notes. Owns the
//! comparison of a note with what the store returned.

use altiplano::{Filter, Memory, MemoryId, Timestamp};
use bench_tools::vectors::Rng;
use serde_json::{Value, json};

/// Dimension of the vectors. Real embeddings have some hundred; here they only need to differ.
pub(crate) const DIM: usize = 16;
const SOURCES: [&str; 4] = ["chat", "email", "voice", "web"];
const CITIES: [&str; 5] = ["Arequipa", "Cusco", "Lima", "Puno", "Tacna"];
const PEOPLE: [&str; 6] = ["Ada", "Ben", "Eva", "Kim", "Leo", "Mia"];

/// The expected content of one note.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) id: MemoryId,
    /// The place in the order in which the notes of a user were written.
    pub(crate) place: u64,
    pub(crate) vector: Vec<f32>,
    pub(crate) text: String,
    pub(crate) session: String,
    pub(crate) kind: &'static str,
    pub(crate) tags: Vec<String>,
    pub(crate) importance: f32,
    pub(crate) source: &'static str,
    pub(crate) year: i64,
    pub(crate) city: &'static str,
    pub(crate) people: Vec<&'static str>,
    /// A field that only some notes have.
    pub(crate) opened: Option<i64>,
    pub(crate) superseded_by: Option<MemoryId>,
    pub(crate) created_at: Timestamp,
    pub(crate) expiry: Option<Timestamp>,
}

impl Note {
    pub(crate) fn random(id: MemoryId, place: u64, created_at: Timestamp, rng: &mut Rng) -> Self {
        let first = rng.below(PEOPLE.len());
        let people = (0..rng.below(3)).map(|n| PEOPLE[(first + n) % PEOPLE.len()]).collect();
        let (source, city) = (pick(&SOURCES, rng), pick(&CITIES, rng));
        Self {
            id,
            place,
            vector: random_vector(rng),
            text: format!("note {place} from {city}, by {source}"),
            session: format!("session-{}", place / 50),
            kind: if rng.below(4) == 0 { "fact" } else { "turn" },
            tags: if rng.below(3) == 0 { vec!["open".to_owned()] } else { Vec::new() },
            importance: rng.below(11) as f32 / 10.0,
            source,
            year: 2020 + rng.below(7) as i64,
            city,
            people,
            opened: None,
            superseded_by: None,
            created_at,
            expiry: None,
        }
    }

    /// Returns the note as a memory, without its lifetime.
    pub(crate) fn memory(&self) -> Memory {
        Memory::new(self.id, self.vector.clone())
            .text(&self.text)
            .session(&self.session)
            .kind(self.kind)
            .tags(&self.tags)
            .importance(self.importance)
            .created_at(self.created_at)
            .metadata_json(self.fields().to_string())
    }

    fn fields(&self) -> Value {
        let mut fields = json!({
            "source": self.source,
            "year": self.year,
            "place": { "city": self.city },
            "people": self.people,
        });
        if let (Some(opened), Some(object)) = (self.opened, fields.as_object_mut()) {
            object.insert("opened".to_owned(), opened.into());
        }
        fields
    }

    /// Returns the first difference between the note and what the store has. A memory that was read
    /// without its vector is compared without it.
    pub(crate) fn difference(&self, memory: &Memory) -> Option<String> {
        let fields = memory.metadata_as_json().and_then(|json| serde_json::from_str(json).ok());
        let parts = [
            ("id", memory.id == self.id),
            ("vector", memory.vector.is_empty() || memory.vector == self.vector),
            ("text", memory.text.as_deref() == Some(&self.text)),
            ("session", memory.session.as_deref() == Some(&self.session)),
            ("kind", memory.kind.as_deref() == Some(self.kind)),
            ("tags", memory.tags == self.tags),
            ("importance", memory.importance == self.importance),
            ("fields", fields == Some(self.fields())),
            ("superseded_by", memory.superseded_by == self.superseded_by),
            ("created_at", memory.created_at == Some(self.created_at)),
            ("expiry", memory.expiry() == self.expiry),
        ];
        let (part, _) = parts.into_iter().find(|(_, is_equal)| !is_equal)?;
        Some(format!("{part} of {memory:?} is not that of {self:?}"))
    }

    /// Returns the squared L2 distance, which is what the store measures.
    pub(crate) fn distance(&self, query: &[f32]) -> f32 {
        self.vector.iter().zip(query).map(|(a, b)| (a - b) * (a - b)).sum()
    }
}

pub(crate) fn random_vector(rng: &mut Rng) -> Vec<f32> {
    (0..DIM).map(|_| rng.normal()).collect()
}

fn pick<T: Copy>(from: &[T], rng: &mut Rng) -> T {
    from[rng.below(from.len())]
}

/// A question: as a filter for the store, and as a test of one note for the model.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question {
    EmailsSince(i64),
    In([&'static str; 2]),
    With(&'static str),
    Opened,
    OpenAndCurrent,
    Everything,
}

impl Question {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        match rng.below(6) {
            0 => Self::EmailsSince(2020 + rng.below(7) as i64),
            1 => Self::In([pick(&CITIES, rng), pick(&CITIES, rng)]),
            2 => Self::With(pick(&PEOPLE, rng)),
            3 => Self::Opened,
            4 => Self::OpenAndCurrent,
            _ => Self::Everything,
        }
    }

    pub(crate) fn filter(self) -> Filter {
        match self {
            Self::EmailsSince(year) => {
                Filter::field("source").eq("email") & Filter::field("year").ge(year)
            }
            Self::In(cities) => Filter::field("place.city").one_of(cities),
            Self::With(person) => Filter::field("people").contains(person),
            Self::Opened => Filter::field("opened").exists() & !Filter::field("opened").gt(3),
            Self::OpenAndCurrent => Filter::tag("open") & Filter::superseded(false),
            Self::Everything => Filter::All,
        }
    }

    pub(crate) fn holds(self, note: &Note) -> bool {
        match self {
            Self::EmailsSince(year) => note.source == "email" && note.year >= year,
            Self::In(cities) => cities.contains(&note.city),
            Self::With(person) => note.people.contains(&person),
            Self::Opened => note.opened.is_some_and(|opened| opened <= 3),
            Self::OpenAndCurrent => {
                note.tags.iter().any(|tag| tag == "open") && note.superseded_by.is_none()
            }
            Self::Everything => true,
        }
    }
}
