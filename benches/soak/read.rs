//! Owns the thread that searches all the time, and judges every answer.

use std::time::{Duration, Instant};

use altiplano::Fields;

use crate::load::{number, space_name};
use crate::model::K;
use crate::shared::{Open, Shared};
use bench_tools::vectors::Rng;

/// Share of the queries within one namespace, which is that of some live memory.
const FILTERED: f64 = 0.25;

/// Asks `rate` queries per second until the run ends. A late query is not compensated.
pub(crate) fn read(shared: &Shared, rate: f64, seed: u64) {
    let mut rng = Rng::new(seed);
    let step = Duration::from_secs_f64(1.0 / rate);
    let mut next = Instant::now();
    while !shared.is_stopping() {
        if let Some(open) = shared.read().as_ref()
            && let Err(reason) = ask(shared, open, &mut rng)
        {
            shared.broke(reason);
        }
        let now = Instant::now();
        next = (next + step).max(now);
        std::thread::sleep(next - now);
    }
}

fn ask(shared: &Shared, open: &Open, rng: &mut Rng) -> Result<(), String> {
    let query = shared.queries.row(rng.below(shared.queries.len()));
    let asked = {
        let mut model = shared.model();
        let filtered = rng.unit() < FILTERED && model.live() > 0;
        let of = |id: u64| model.get(id).map(|version| version.space);
        let space = if filtered { of(model.id_at(rng.below(model.live()))) } else { None };
        model.ask(shared.clock.earliest(), space)
    };
    let mut search = open.notes.search(query).k(K).fields(Fields::None);
    if let Some(space) = asked.space {
        search = search.namespace(space_name(space));
    }
    let begun = Instant::now();
    let hits = search.run();
    let took = begun.elapsed();
    let hits = hits.map_err(|e| format!("search: {e}"))?;
    let hits: Vec<(u64, f32)> = hits.iter().map(|hit| (number(hit.id), hit.distance)).collect();
    let judged = {
        let mut model = shared.model();
        model.judge(asked, shared.clock.latest(), (query, &hits, K), &shared.base)
    };
    let mut seen = shared.seen();
    let times = if asked.space.is_some() { &mut seen.filtered } else { &mut seen.plain };
    times.push(took);
    judged
}
