//! Bounds of distance and score, and offsets.

use altiplano::{Error, Fields, Filter, Hit, Memory, Search};

use super::world::{METRICS, everything, in_every_state, query};

fn ids(hits: &[Hit]) -> Vec<u64> {
    hits.iter().map(|hit| hit.id.as_u128() as u64).collect()
}

#[test]
fn results_beyond_a_bound_are_left_out_and_those_at_it_stay() {
    for metric in METRICS {
        in_every_state(metric, |world| {
            for i in 0..4 {
                let query = query(i);
                let all = everything(&world.notes, &query);
                for at in [0, 3, 40, 700] {
                    let Hit { distance, score, .. } = all[at];
                    let search = || world.notes.search(&query).k(100).exact();
                    let inside = |is_in: &dyn Fn(&Hit) -> bool| -> Vec<u64> {
                        ids(&all)
                            .into_iter()
                            .zip(&all)
                            .take(100)
                            .filter(|(_, hit)| is_in(hit))
                            .map(|(id, _)| id)
                            .collect()
                    };
                    let hits = search().max_distance(distance).run().unwrap();
                    assert_eq!(ids(&hits), inside(&|hit| hit.distance <= distance), "{world}");
                    let hits = search().min_score(score).run().unwrap();
                    assert_eq!(ids(&hits), inside(&|hit| hit.score >= score), "{world}");
                    let both = search().min_score(score).max_distance(all[3].distance);
                    let hits = both.run().unwrap();
                    let wanted =
                        inside(&|hit| hit.score >= score && hit.distance <= all[3].distance);
                    assert_eq!(ids(&hits), wanted, "{world}");
                }
                // By any way, nothing beyond the bound is returned, and as much as can be found.
                let search = || world.notes.search(&query).k(20);
                let bound = all[12].distance;
                let hits = search().max_distance(bound).run().unwrap();
                let without = search().run().unwrap();
                let wanted: Vec<Hit> =
                    without.into_iter().filter(|hit| hit.distance <= bound).collect();
                assert_eq!(hits, wanted, "{world}");
                let none = search().max_distance(f32::NEG_INFINITY).run().unwrap();
                assert!(none.is_empty());
                assert_eq!(search().max_distance(f32::INFINITY).run().unwrap().len(), 20);
            }
        });
    }
}

#[test]
fn pages_by_offset_join_to_one_list() {
    for metric in METRICS {
        in_every_state(metric, |world| {
            let query = query(5);
            let all = everything(&world.notes, &query);
            type Change = fn(Search<'_>) -> Search<'_>;
            let changes: [Change; 3] =
                [|s| s, |s| s.filter(Filter::tag("odd")), |s| s.filter_fn(|m| m.session.is_none())];
            let matches: [fn(&Memory) -> bool; 3] =
                [|_| true, |m| m.tags == ["odd"], |m| m.session.is_none()];
            for (change, is_match) in changes.into_iter().zip(matches) {
                let is_match = |hit: &&Hit| is_match(hit.memory.as_ref().unwrap());
                let wanted: Vec<Hit> = all.iter().filter(is_match).cloned().collect();
                let mut joined = Vec::new();
                for first in (0..=wanted.len()).step_by(77) {
                    let search = change(world.notes.search(&query)).k(77).offset(first);
                    joined.extend(search.exact().run().unwrap());
                }
                assert_eq!(joined, wanted, "{world}");
            }
            let beyond = world.notes.search(&query).k(5).offset(all.len() + 3);
            assert!(beyond.run().unwrap().is_empty());
            // By any way, a page has as many results as there are.
            let page = world.notes.search(&query).k(50).offset(880).run().unwrap();
            assert_eq!(page.len(), 20, "{world}");
        });
    }
}

#[test]
fn a_batch_of_searches_knows_every_option() {
    in_every_state(METRICS[0], |world| {
        let queries: Vec<Vec<f32>> = (0..9).map(query).collect();
        let configure = |search: Search<'_>| -> Vec<Hit> {
            search.k(7).offset(2).min_score(0.1).exact().fields(Fields::None).run().unwrap()
        };
        let answers = world.notes.search_batch(&queries, |search| {
            search.k(7).offset(2).min_score(0.1).exact().fields(Fields::None)
        });
        let wanted: Vec<Vec<Hit>> =
            queries.iter().map(|query| configure(world.notes.search(query))).collect();
        assert_eq!(answers.unwrap(), wanted);
    });
}

#[test]
fn bad_options_are_refused() {
    in_every_state(METRICS[1], |world| {
        let query = query(1);
        let search = || world.notes.search(&query);
        let option = |search: Search<'_>, wanted: &str| match search.run() {
            Err(Error::InvalidOption { name, .. }) => assert_eq!(name, wanted),
            other => panic!("{wanted}: {other:?}"),
        };
        option(search().max_distance(f32::NAN), "max_distance");
        option(search().min_score(f32::NAN), "min_score");
        let limit = |search: Search<'_>, wanted: &str| match search.run() {
            Err(Error::LimitExceeded { what, .. }) => assert_eq!(what, wanted),
            other => panic!("{wanted}: {other:?}"),
        };
        limit(search().k(1 << 20).offset(1), "k and offset");
        limit(search().k(1).offset(usize::MAX), "k and offset");
        limit(search().k(usize::MAX), "k");
        // No result is wanted, so none needs to be skipped.
        assert!(search().k(0).offset(5).run().unwrap().is_empty());
    });
}
