//! Tests of `benches/tools/families`: every family repeats, is finite, and has no zero vector.

use bench_tools::families::*;

#[test]
fn every_family_repeats_and_has_only_vectors_with_a_direction() {
    for family in FAMILIES {
        for dim in [1, 2, 3, 17] {
            let (base, queries) = family.vectors((dim, 5), 60, 20);
            assert_eq!((base.len(), queries.len()), (60, 20), "{}", family.name);
            for row in base.rows().chain(queries.rows()) {
                assert!(row.iter().all(|x| x.is_finite()), "{} {dim}", family.name);
                assert!(row.iter().any(|x| *x != 0.0), "{} {dim}", family.name);
            }
            assert_eq!((base, queries), family.vectors((dim, 5), 60, 20), "{}", family.name);
        }
    }
}

#[test]
fn stored_queries_are_rows_and_far_ones_lie_beyond_all() {
    let family = Family::named("normal").unwrap();
    let (base, _) = family.vectors((3, 1), 200, 0);
    let rows: Vec<&[f32]> = base.rows().collect();
    assert!(stored(&base, 30, 1).rows().all(|query| rows.contains(&query)));
    let largest = base.data.iter().fold(0f32, |max, x| max.max(x.abs()));
    let far = far(&base, 30, 1);
    assert_eq!(far.len(), 30);
    assert!(far.data.iter().all(|x| x.abs() > largest));
}
