//! Changes to the set of rows: a filter that all rows pass, a subset, copies.

use altiplano::{
    Batch, CollectionOptions, Fields, Filter, Hit, Memory, MemoryId, Metric, Timestamp,
};

use super::world::{
    K, METRICS, STATES, Slack, State, World, ids, in_every_state, memory_ids, on_a_grid, truth,
    with_memories,
};
use bench_tools::vectors::Vectors;

const ROWS: usize = 501;
const QUERIES: usize = 30;
/// Quantization differs from 256 dimensions on.
const DIMENSIONS: [usize; 3] = [2, 24, 256];

fn is_third(id: u64) -> bool {
    id.is_multiple_of(3)
}

/// Returns a memory tagged with the group that it belongs to.
fn tagged(id: u64, row: &[f32]) -> Memory {
    let memory = Memory::new(id, row).tag("all");
    if is_third(id) { memory.tag("third") } else { memory }
}

fn options(metric: Metric, rows: &Vectors) -> CollectionOptions {
    CollectionOptions::new(rows.dim, metric)
}

/// Returns every third row, under new numbers.
fn third_of(rows: &Vectors) -> Vectors {
    let data = rows.rows().step_by(3).flat_map(<[f32]>::iter).copied().collect();
    Vectors { dim: rows.dim, data }
}

/// Returns the hits' numbers in [`third_of`].
fn in_third(hits: &[Hit]) -> Vec<u64> {
    assert!(ids(hits).into_iter().all(is_third), "{hits:?}");
    ids(hits).into_iter().map(|id| id / 3).collect()
}

#[test]
fn a_filter_that_is_always_true_changes_no_answer() {
    let filters = [
        Filter::tag("all"),
        Filter::created(Timestamp::from_millis(0)..),
        Filter::tag("none").not(),
    ];
    for metric in METRICS {
        for dim in DIMENSIONS {
            let (rows, queries) = (on_a_grid(ROWS, dim, 1), on_a_grid(QUERIES, dim, 2));
            let truth = truth(metric, &rows, &queries, K);
            with_memories(options(metric, &rows), &rows, tagged, |world| {
                let mut found = vec![Vec::new(); filters.len() + 1];
                let mut judge = |which: usize, query: usize, hits: &[Hit]| {
                    world.check(hits, K);
                    found[which].push(truth.judge(query, &ids(hits)).recall);
                };
                for (i, query) in queries.rows().enumerate() {
                    let exact = world.find(query, K, true);
                    let search = || world.notes.search(query).k(K).fields(Fields::None);
                    for (which, filter) in filters.iter().enumerate() {
                        let search = || search().filter(filter.clone());
                        assert_eq!(search().exact().run().unwrap(), exact, "{world}: {filter:?}");
                        judge(which, i, &search().run().unwrap());
                    }
                    judge(filters.len(), i, &search().filter_fn(|_| true).run().unwrap());
                }
                found.iter().for_each(|recalls| world.assert_recall(recalls));
            });
        }
    }
}

#[test]
fn a_filter_answers_as_a_collection_of_what_matches() {
    for metric in METRICS {
        for dim in DIMENSIONS {
            let (rows, queries) = (on_a_grid(ROWS, dim, 1), on_a_grid(QUERIES, dim, 2));
            let third = third_of(&rows);
            let truth = truth(metric, &third, &queries, K);
            with_memories(options(metric, &rows), &rows, tagged, |world| {
                let mut found = Vec::new();
                for (i, query) in queries.rows().enumerate() {
                    let search = || world.notes.search(query).k(K).filter(Filter::tag("third"));
                    let exact = in_third(&search().exact().run().unwrap());
                    assert_eq!(truth.judge(i, &exact).recall, 1.0, "{world}");
                    let hits = in_third(&search().run().unwrap());
                    found.push(truth.judge(i, &hits).recall);
                }
                world.assert_recall(&found);
            });
        }
    }
}

#[test]
fn what_is_left_after_a_delete_answers_as_if_there_had_been_no_more() {
    for metric in METRICS {
        let (rows, queries) = (on_a_grid(ROWS, 24, 1), on_a_grid(QUERIES, 24, 2));
        let third = third_of(&rows);
        let truth = truth(metric, &third, &queries, K);
        for state in STATES {
            let world = World::plain(state, metric, &rows);
            let others = (0..ROWS as u64).filter(|id| !is_third(*id));
            world.notes.apply(others.fold(Batch::new(), Batch::delete)).unwrap();
            let mut found = Vec::new();
            for (i, query) in queries.rows().enumerate() {
                let exact = in_third(&world.find(query, K, true));
                assert_eq!(truth.judge(i, &exact).recall, 1.0, "{world}");
                let hits = in_third(&world.find(query, K, false));
                found.push(truth.judge(i, &hits).recall);
            }
            world.assert_recall(&found);
        }
    }
}

#[test]
fn the_nearest_of_all_that_are_in_a_subset_are_the_nearest_of_the_subset() {
    let (rows, queries) = (on_a_grid(ROWS, 24, 1), on_a_grid(QUERIES, 24, 2));
    for metric in METRICS {
        with_memories(options(metric, &rows), &rows, tagged, |world| {
            for query in queries.rows() {
                let mut all = world.find(query, 60, true);
                all.retain(|hit| is_third(hit.id.as_u128() as u64));
                let search = world.notes.search(query).filter(Filter::tag("third")).exact();
                let subset = search.fields(Fields::None).k(all.len()).run().unwrap();
                assert_eq!(all, subset, "{world}");
            }
        });
    }
}

#[test]
fn with_two_copies_of_every_row_each_distance_comes_twice() {
    for metric in METRICS {
        for dim in DIMENSIONS {
            let (rows, queries) = (on_a_grid(ROWS / 2, dim, 1), on_a_grid(QUERIES, dim, 2));
            let mut doubled = rows.clone();
            doubled.data.extend_from_slice(&rows.data);
            let twice = truth(metric, &doubled, &queries, 2 * K);
            let slack = Slack::of(metric, &rows, &queries);
            in_every_state(metric, &doubled, |world| {
                world.answers(&queries, &twice, 1.0, &slack);
                for query in queries.rows() {
                    for pair in world.find(query, 2 * K, true).chunks(2) {
                        assert_eq!(pair[0].distance, pair[1].distance, "{world}");
                    }
                }
            });
        }
    }
}

#[test]
fn of_equal_vectors_the_smallest_ids_come_first_in_every_state() {
    for metric in METRICS {
        for dim in [1, 3, 300] {
            let row = on_a_grid(1, dim, 5);
            let rows = Vectors { dim, data: row.data.repeat(2_000) };
            in_every_state(metric, &rows, |world| {
                for exact in [true, false] {
                    let hits = world.find(rows.row(0), 3, exact);
                    assert_eq!(ids(&hits), [0, 1, 2], "{world}, exact: {exact}");
                }
            });
        }
    }
}

#[test]
fn ids_of_equal_vectors_are_the_same_in_every_state_among_others() {
    // Ten copies of each of 70 rows: the three smallest ids of the nearest row come first.
    let kinds = on_a_grid(70, 24, 1);
    let rows = Vectors { dim: 24, data: kinds.data.repeat(10) };
    for metric in METRICS {
        let answers = |world: &World| -> Vec<Vec<MemoryId>> {
            kinds.rows().map(|query| memory_ids(&world.find(query, 3, true))).collect()
        };
        let first = answers(&World::plain(State::Memtable, metric, &rows));
        in_every_state(metric, &rows, |world| assert_eq!(answers(world), first, "{world}"));
    }
}
