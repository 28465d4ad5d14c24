//! What is done to the set of rows: a filter that all pass, a subset, copies.

use altiplano::{Batch, CollectionOptions, Filter, Hit, Memory, Timestamp};

use crate::vectors::Vectors;
use crate::world::{K, METRICS, STATES, Slack, State, World, ids, memory_ids, on_a_grid, truth};

const ROWS: usize = 700;
const QUERIES: usize = 30;
const DIMENSIONS: [usize; 3] = [2, 24, 256];

fn is_third(id: u64) -> bool {
    id.is_multiple_of(3)
}

/// A memory that is tagged with what it belongs to.
fn tagged(id: u64, row: &[f32]) -> Memory {
    let memory = Memory::new(id, row).tag("all");
    if is_third(id) { memory.tag("third") } else { memory }
}

fn options(metric: altiplano::Metric, rows: &Vectors) -> CollectionOptions {
    CollectionOptions::new(rows.dim, metric)
}

#[test]
fn a_filter_that_is_always_true_changes_no_answer() {
    let filters = [
        Filter::tag("all"),
        Filter::created(Timestamp::from_millis(0)..),
        Filter::tag("none").negate(),
    ];
    for metric in METRICS {
        for dim in DIMENSIONS {
            let (rows, queries) = (on_a_grid(ROWS, dim, 1), on_a_grid(QUERIES, dim, 2));
            let truth = truth(metric, &rows, &queries, K);
            for state in STATES {
                let world = World::with(state, options(metric, &rows), &rows, tagged);
                let mut found = vec![0.0; filters.len() + 1];
                for (i, query) in queries.rows().enumerate() {
                    let exact = world.find(query, K, true);
                    let search = || world.notes.search(query).k(K).fields(altiplano::Fields::None);
                    for (filter, found) in filters.iter().zip(&mut found) {
                        let search = || search().filter(filter.clone());
                        assert_eq!(search().exact().run().unwrap(), exact, "{world}: {filter:?}");
                        let hits = search().run().unwrap();
                        world.check(&hits, K);
                        *found += truth.judge(i, &ids(&hits)).recall;
                    }
                    let hits = search().filter_fn(|_| true).run().unwrap();
                    world.check(&hits, K);
                    found[filters.len()] += truth.judge(i, &ids(&hits)).recall;
                }
                found.iter().for_each(|sum| world.assert_recall(sum / QUERIES as f64));
            }
        }
    }
}

#[test]
fn a_filter_answers_as_a_collection_of_what_matches() {
    for metric in METRICS {
        for dim in DIMENSIONS {
            let (rows, queries) = (on_a_grid(ROWS, dim, 1), on_a_grid(QUERIES, dim, 2));
            // A third of the rows under numbers of their own.
            let third: Vec<f32> = rows.rows().step_by(3).flat_map(<[f32]>::iter).copied().collect();
            let third = Vectors { dim, data: third };
            let truth = truth(metric, &third, &queries, K);
            for state in STATES {
                let world = World::with(state, options(metric, &rows), &rows, tagged);
                let (mut found, mut exact) = (0.0, 0.0);
                let numbers = |hits: &[Hit]| -> Vec<u64> {
                    assert!(ids(hits).into_iter().all(is_third), "{world}");
                    ids(hits).iter().map(|id| id / 3).collect()
                };
                for (i, query) in queries.rows().enumerate() {
                    let search = || world.notes.search(query).k(K).filter(Filter::tag("third"));
                    exact += truth.judge(i, &numbers(&search().exact().run().unwrap())).recall;
                    found += truth.judge(i, &numbers(&search().run().unwrap())).recall;
                }
                assert_eq!(exact, QUERIES as f64, "{world}");
                world.assert_recall(found / QUERIES as f64);
            }
        }
    }
}

#[test]
fn what_is_left_after_a_delete_answers_as_if_there_had_been_no_more() {
    for metric in METRICS {
        let (rows, queries) = (on_a_grid(ROWS, 24, 1), on_a_grid(QUERIES, 24, 2));
        let third: Vec<f32> = rows.rows().step_by(3).flat_map(<[f32]>::iter).copied().collect();
        let third = Vectors { dim: 24, data: third };
        let truth = truth(metric, &third, &queries, K);
        for state in STATES {
            let world = World::with(state, options(metric, &rows), &rows, tagged);
            let others = (0..ROWS as u64).filter(|id| !is_third(*id));
            world.notes.apply(others.fold(Batch::new(), Batch::delete)).unwrap();
            let (mut found, mut exact) = (0.0, 0.0);
            let numbers = |hits: &[Hit]| -> Vec<u64> {
                assert!(ids(hits).into_iter().all(is_third), "{world}");
                ids(hits).iter().map(|id| id / 3).collect()
            };
            for (i, query) in queries.rows().enumerate() {
                exact += truth.judge(i, &numbers(&world.find(query, K, true))).recall;
                found += truth.judge(i, &numbers(&world.find(query, K, false))).recall;
            }
            assert_eq!(exact, QUERIES as f64, "{world}");
            world.assert_recall(found / QUERIES as f64);
        }
    }
}

#[test]
fn the_nearest_of_all_that_are_in_a_subset_are_the_nearest_of_the_subset() {
    for metric in METRICS {
        for state in STATES {
            let (rows, queries) = (on_a_grid(ROWS, 24, 1), on_a_grid(QUERIES, 24, 2));
            let world = World::with(state, options(metric, &rows), &rows, tagged);
            for query in queries.rows() {
                let mut all = world.find(query, 60, true);
                all.retain(|hit| is_third(hit.id.as_u128() as u64));
                let search = world.notes.search(query).filter(Filter::tag("third")).exact();
                let subset = search.fields(altiplano::Fields::None).k(all.len()).run().unwrap();
                assert_eq!(all, subset, "{world}");
            }
        }
    }
}

#[test]
fn with_two_copies_of_every_row_each_distance_comes_twice() {
    for metric in METRICS {
        for dim in DIMENSIONS {
            let (rows, queries) = (on_a_grid(ROWS / 2, dim, 1), on_a_grid(QUERIES, dim, 2));
            let once = truth(metric, &rows, &queries, K);
            let mut doubled = rows.clone();
            doubled.data.extend_from_slice(&rows.data);
            let twice = truth(metric, &doubled, &queries, 2 * K);
            let slack = Slack::of(metric, &rows, &queries);
            for state in STATES {
                let world = World::new(state, metric, &doubled);
                world.answers(&queries, &twice, 1.0, &slack);
                for (i, query) in queries.rows().enumerate() {
                    let hits = world.find(query, 2 * K, true);
                    for (pair, distance) in hits.chunks(2).zip(once.nearest(i)) {
                        assert_eq!(pair[0].distance, pair[1].distance, "{world}: {distance}");
                    }
                }
            }
        }
    }
}

#[test]
fn of_equal_vectors_the_smallest_ids_come_first_in_every_state() {
    for metric in METRICS {
        for dim in [1, 3, 32, 300] {
            let row = on_a_grid(1, dim, 5);
            let rows = Vectors { dim, data: row.data.repeat(2_000) };
            for state in STATES {
                let world = World::new(state, metric, &rows);
                for exact in [true, false] {
                    let hits = world.find(rows.row(0), 3, exact);
                    assert_eq!(ids(&hits), [0, 1, 2], "{world}, exact: {exact}");
                }
            }
        }
    }
}

#[test]
fn ids_of_equal_vectors_are_the_same_in_every_state_among_others() {
    // Ten copies of each of 70 rows: the three smallest ids of the nearest come first.
    let kinds = on_a_grid(70, 24, 1);
    let rows = Vectors { dim: 24, data: kinds.data.repeat(10) };
    for metric in METRICS {
        let answers = |state: State| -> Vec<Vec<altiplano::MemoryId>> {
            let world = World::new(state, metric, &rows);
            let answer = |query| memory_ids(&world.find(query, 3, true));
            kinds.rows().map(answer).collect()
        };
        let first = answers(STATES[0]);
        STATES.iter().for_each(|state| assert_eq!(answers(*state), first, "{metric:?}, {state:?}"));
    }
}
