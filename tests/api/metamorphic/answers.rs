//! Properties of every answer. Few rows are measured exactly. A longer answer begins with the
//! shorter one. All rows come when more are asked for than there are. One dimension is enough.

use altiplano::{Batch, Metric};

use super::world::{
    K, METRICS, STATES, Slack, State, World, ids, in_every_state, on_a_grid, truth,
};
use bench_tools::families::FAMILIES;
use bench_tools::vectors::Vectors;

#[test]
fn a_hundred_rows_are_answered_exactly_whatever_they_are() {
    let kinds = [(3, Metric::L2), (40, Metric::L2), (40, Metric::Dot), (40, Metric::Cosine)];
    for family in FAMILIES {
        for (dim, metric) in kinds {
            let (rows, queries) = family.vectors((dim, 1), 100, 10);
            for state in [State::Memtable, State::Sealed] {
                let world = World::plain(state, metric, &rows);
                for query in queries.rows() {
                    let (auto, exact) = (world.find(query, K, false), world.find(query, K, true));
                    assert_eq!(auto, exact, "{world}, {}", family.name);
                }
            }
        }
    }
}

#[test]
fn the_ten_nearest_begin_the_twenty_nearest() {
    for metric in METRICS {
        for dim in [2, 24, 256] {
            let (rows, queries) = (on_a_grid(500, dim, 1), on_a_grid(30, dim, 2));
            let truth = truth(metric, &rows, &queries, K);
            in_every_state(metric, &rows, |world| {
                let mut found = Vec::new();
                for (i, query) in queries.rows().enumerate() {
                    let (ten, twenty) = (world.find(query, 10, true), world.find(query, 20, true));
                    assert_eq!(ten, twenty[..10], "{world}");
                    // This does not hold for beams: a wider one may miss what a narrower one found.
                    // Their recall is measured for ten results.
                    found.push(truth.judge(i, &ids(&world.find(query, K, false))).recall);
                }
                world.assert_recall(&found);
            });
        }
    }
}

#[test]
fn all_rows_come_when_more_are_asked_for() {
    for metric in METRICS {
        for (count, dim) in [(1, 24), (7, 2), (300, 24), (300, 256)] {
            let (rows, queries) = (on_a_grid(count, dim, 1), on_a_grid(3, dim, 2));
            for state in STATES {
                let world = World::plain(state, metric, &rows);
                for query in queries.rows() {
                    let exact = world.find(query, count + 5, true);
                    let mut all = ids(&exact);
                    all.sort_unstable();
                    assert_eq!(all, (0..count as u64).collect::<Vec<_>>(), "{world}");
                    assert_eq!(world.find(query, 2 * count, false), exact, "{world}");
                    assert_eq!(world.find(query, 1 << 20, false), exact, "{world}");
                }
                // Deleted rows do not count either.
                let most = (0..count as u64 - 1).fold(Batch::new(), Batch::delete);
                world.notes.apply(most).unwrap();
                let last = ids(&world.find(queries.row(0), count, false));
                assert_eq!(last, [count as u64 - 1], "{world}");
            }
        }
    }
}

#[test]
fn one_dimension_is_enough() {
    // Multiples of 1/256 on both sides of zero, some of them equal.
    let centered = |vectors: Vectors| Vectors {
        data: vectors.data.into_iter().map(|x| if x == 8.0 { 8.5 } else { x - 8.0 }).collect(),
        ..vectors
    };
    let (rows, queries) = (centered(on_a_grid(600, 1, 1)), centered(on_a_grid(60, 1, 2)));
    for metric in METRICS {
        let truth = truth(metric, &rows, &queries, K);
        let slack = Slack::of(metric, &rows, &queries);
        in_every_state(metric, &rows, |world| world.answers(&queries, &truth, 1.0, &slack));
    }
}

#[test]
fn under_cosine_one_dimension_has_two_directions() {
    let rows = Vectors { dim: 1, data: (1..=300).map(|i| (i as f32) * 0.1).collect() };
    in_every_state(Metric::Cosine, &rows, |world| {
        for (query, distance) in [(5.0, 0.0), (-0.1, 2.0)] {
            for exact in [true, false] {
                let hits = world.find(&[query], K, exact);
                assert!(hits.iter().all(|hit| hit.distance == distance), "{world}: {hits:?}");
                // All are equally near, so ids decide.
                assert_eq!(ids(&hits), (0..K as u64).collect::<Vec<_>>(), "{world}");
            }
        }
    });
}
