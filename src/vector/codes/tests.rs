//! Owns the tests of codes: each against exact distances, and the bytes of rows.

use super::sieve::SignFilter;
use super::*;
use crate::options::{Metric, Quantization};
use crate::testing::Uniform;
use crate::vector::kernel::{Kernels, scalar};

const ALL: [Quantization; 5] = [
    Quantization::Int8,
    Quantization::None,
    Quantization::Bits4,
    Quantization::Bits2,
    Quantization::Bits1,
];
const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];
const DIMENSIONS: [usize; 13] = [1, 2, 3, 15, 16, 17, 63, 64, 65, 100, 192, 384, 385];

fn vectors(n: usize, dimension: usize) -> Vec<Vec<f32>> {
    let mut random = Uniform(1);
    (0..n).map(|_| random.vector(dimension)).collect()
}

/// Returns vectors in stored form and their codes.
fn coded(spec: CodeSpec, n: usize) -> (Vec<Vec<f32>>, CodeBuffer) {
    let mut rows = vectors(n, spec.dimension);
    let mut buffer = CodeBuffer::new(spec, n);
    for row in &mut rows {
        crate::vector::metric::prepare(spec.metric, spec.dimension, None, row).unwrap();
        buffer.push(row);
    }
    (rows, buffer)
}

fn all_specs() -> impl Iterator<Item = CodeSpec> {
    METRICS.into_iter().flat_map(|metric| {
        DIMENSIONS.into_iter().flat_map(move |dimension| {
            ALL.into_iter().map(move |codes| CodeSpec::new(codes, metric, dimension))
        })
    })
}

/// Returns the largest error of a product of unit vectors: about five times the standard deviation.
/// For codes of few bits it falls with the root of the padded dimension.
fn error_bound(spec: CodeSpec) -> f32 {
    let spread = (spec.dimension.next_multiple_of(64) as f32).sqrt();
    match spec.codes {
        Quantization::None => 1e-6,
        Quantization::Int8 => 0.015,
        Quantization::Bits4 => 0.5 / spread,
        Quantization::Bits2 => 2.0 / spread,
        Quantization::Bits1 => 4.0 / spread,
    }
}

/// Returns the distance to a single code row. An empty row is a zero vector.
fn distance(query: &Query, row: &[u8]) -> f32 {
    let mut out = Vec::new();
    query.distances(&CodeRows::new(query.spec, row), &[0], &mut out);
    out[0]
}

#[test]
fn codes_are_near_the_exact_distance_in_every_metric_and_dimension() {
    for spec in all_specs() {
        let (rows, buffer) = coded(spec, 20);
        let view = buffer.rows();
        assert_eq!(view.len(), 20);
        let query = Query::new(spec, rows[7].clone());
        let norm = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>().sqrt();
        let factor = if spec.metric == Metric::L2 { 2.0 } else { 1.0 };
        for (i, row) in rows.iter().enumerate() {
            let error = distance(&query, view.row(i as u32)) - query.exact(row);
            let bound = factor * error_bound(spec) * norm(row) * norm(&rows[7]);
            assert!(error.abs() <= bound + 1e-5, "{spec:?} {i}: {error}, bound {bound}");
        }
    }
}

/// The scale is chosen for it: distances come out too large for some rows, too small for others.
#[test]
fn errors_of_codes_of_few_bits_have_no_bias() {
    for codes in [Quantization::Bits4, Quantization::Bits2, Quantization::Bits1] {
        let spec = CodeSpec::new(codes, Metric::Dot, 384);
        let (rows, buffer) = coded(spec, 200);
        let view = buffer.rows();
        let (mut errors, mut sizes) = (0.0, 0.0);
        for near in 0..50 {
            // Near the rows, where a bias would be largest.
            let other = &rows[near + 100];
            let mixed = rows[near].iter().zip(other).map(|(x, y)| 0.9 * x + 0.3 * y).collect();
            let query = Query::new(spec, mixed);
            let exact = query.exact(&rows[near]);
            errors += distance(&query, view.row(near as u32)) - exact;
            sizes += exact.abs();
        }
        assert!(f32::abs(errors) < 0.01 * sizes, "{codes:?}: {errors} of {sizes}");
    }
}

#[test]
fn many_rows_in_one_call_are_the_rows_one_by_one() {
    for spec in all_specs() {
        let (rows, buffer) = coded(spec, 23);
        let view = buffer.rows();
        let query = Query::new(spec, rows[2].clone());
        // Some nodes do not exist.
        let nodes: Vec<u32> = (0..40).map(|i| (i * 7) % 25).collect();
        let mut several = vec![1.0; 3];
        query.distances(&view, &nodes, &mut several);
        let alone: Vec<f32> = nodes.iter().map(|n| distance(&query, view.row(*n))).collect();
        assert_eq!(several, alone, "{spec:?}");
        query.distances(&view, &[22, 23, 24], &mut several);
        let nothing = distance(&query, &[]);
        assert_eq!(several, [distance(&query, view.row(22)), nothing, nothing], "{spec:?}");
        view.origin(5).distances(&nodes, &mut several);
        let alone: Vec<f32> = nodes.iter().map(|n| view.pair(5, *n)).collect();
        assert_eq!(several, alone, "{spec:?}");
    }
}

/// If it allows for five standard deviations of its error, the sign filter rejects no row that is
/// near enough. If it allows for minus five, it passes no row that is too far.
#[test]
fn a_first_look_lets_what_is_near_enough_pass() {
    for (metric, dimension) in METRICS.into_iter().flat_map(|m| [65, 384].map(|d| (m, d))) {
        let spec = CodeSpec::new(Quantization::Bits4, metric, dimension);
        let (rows, buffer) = coded(spec, 400);
        let view = buffer.rows();
        let all: Vec<u32> = (0..400).collect();
        let check = |measure: &dyn Measure| {
            let (mut distances, mut buffer) = (Vec::new(), Vec::new());
            measure.ask(&all);
            measure.distances(&all, &mut distances);
            let mut sorted = distances.clone();
            sorted.sort_by(f32::total_cmp);
            for bound in [sorted[10], sorted[200], f32::INFINITY] {
                let mut passed = all.clone();
                measure.sift(bound, 5.0, &mut passed, &mut buffer);
                let near: Vec<u32> =
                    all.iter().copied().filter(|n| distances[*n as usize] < bound).collect();
                assert!(near.iter().all(|n| passed.contains(n)), "{spec:?} {bound}");
                measure.sift(bound, -5.0, &mut passed, &mut buffer);
                let away = passed.iter().filter(|n| distances[**n as usize] >= bound).count();
                assert!(bound == f32::INFINITY || away == 0, "{spec:?} {bound}: {away}");
            }
        };
        let query = Query::new(spec, rows[3].clone());
        check(&query.over(&view));
        check(&view.origin(7).with_sieve());
    }
}

/// Tests every dimension, so that signs end in the middle of a cache line and of a kernel's block.
#[test]
fn first_looks_are_the_same_by_every_kernel_and_within_their_row() {
    let specs = all_specs().filter(|spec| spec.codes == Quantization::Bits4);
    for spec in specs.chain([CodeSpec::new(Quantization::Bits4, Metric::L2, 1000)]) {
        assert!(bits::look(spec.dimension).end <= spec.row_bytes(), "{spec:?}");
        let (rows, buffer) = coded(spec, 11);
        let view = buffer.rows();
        let nodes: Vec<u32> = (0..12).collect();
        let query = Query::new(spec, rows[3].clone());
        let origin = view.origin(3).with_sieve();
        for sieve in [query.sieve.as_ref(), origin.sieve()].map(Option::unwrap) {
            let (mut expected, mut found) = (Vec::new(), Vec::new());
            sieve.measure(&scalar::KERNELS, &view, 1.5, &nodes, &mut expected);
            for kernels in Kernels::all() {
                sieve.measure(&kernels, &view, 1.5, &nodes, &mut found);
                assert_eq!(found, expected, "{} {spec:?}", kernels.name);
            }
        }
    }
}

/// FastScan blocks hold the signs in front of the rows, so the same rows pass, with every kernel.
#[test]
fn looks_at_signs_side_by_side_let_the_same_rows_pass() {
    let specs = all_specs().filter(|spec| spec.codes == Quantization::Bits4);
    for spec in specs.chain([CodeSpec::new(Quantization::Bits4, Metric::L2, 4352)]) {
        // Whole and incomplete blocks, fewer and more than one call handles.
        let (rows, buffer) = coded(spec, 300);
        for count in [1u32, 31, 32, 33, 256, 300] {
            let bytes = &buffer.bytes()[..count as usize * spec.row_bytes()];
            let view = CodeRows::new(spec, bytes);
            let signs = view.sign_blocks().unwrap();
            let signs = FastScanBlocks::new(spec, &signs, count).unwrap();
            let query = Query::new(spec, rows[3].clone());
            let all: Vec<u32> = (0..count).collect();
            let mut near = Vec::new();
            query.sieve.as_ref().unwrap().measure(query.kernels, &view, 1.5, &all, &mut near);
            let mut sorted = near.clone();
            sorted.sort_by(f32::total_cmp);
            // Between two distances, so that rounding decides nothing.
            let middle = sorted.len() / 2;
            let size = 1.0 + sorted[middle].abs();
            let bounds = [sorted[middle] + 1e-4 * size, f32::INFINITY, f32::MIN];
            for (bound, kernels) in
                bounds.into_iter().flat_map(|b| Kernels::all().into_iter().map(move |k| (b, k)))
            {
                let query = query.clone().with_kernels(Box::leak(Box::new(kernels)));
                let sieve = query.block_sieve(1.5).unwrap();
                let mut passed = vec![7777];
                for first in (0..count).step_by(32 * BLOCKS_AT_ONCE) {
                    query.over(&view).sift_blocks(&sieve, &signs, first, bound, &mut passed);
                }
                let surely = |slack: f32| {
                    let near = |node: &&u32| near[**node as usize] < bound + slack;
                    all.iter().filter(near).copied().collect::<Vec<u32>>()
                };
                let place = format!("{} {spec:?} {count} {bound}", kernels.name);
                assert_eq!(passed[0], 7777);
                assert!(passed[1..].is_sorted_by(|a, b| a < b), "{place}: {passed:?}");
                assert!(surely(-1e-5 * size).iter().all(|n| passed[1..].contains(n)), "{place}");
                assert!(passed[1..].iter().all(|n| surely(1e-5 * size).contains(n)), "{place}");
            }
        }
        assert!(FastScanBlocks::new(spec, &[0; 64], 300).is_none());
    }
    // Sums of more coordinates would overflow, and other codes have no signs.
    for (codes, dimension) in
        [(Quantization::Bits4, 4353), (Quantization::Int8, 64), (Quantization::Bits1, 64)]
    {
        let spec = CodeSpec::new(codes, Metric::L2, dimension);
        assert_eq!(spec.block_bytes(), None);
        assert!(Query::new(spec, vec![0.5; dimension]).block_sieve(1.0).is_none());
    }
}

/// The error of rounding the query to four bits is part of it.
#[test]
fn the_slack_of_a_first_look_is_the_deviation_of_its_error() {
    for (metric, dimension) in METRICS.into_iter().flat_map(|m| [192, 384].map(|d| (m, d))) {
        let spec = CodeSpec::new(Quantization::Bits4, metric, dimension);
        let (rows, buffer) = coded(spec, 300);
        let (view, nodes) = (buffer.rows(), (0..300).collect::<Vec<u32>>());
        let (mut squares, mut bias, mut count) = (0.0, 0.0, 0.0);
        let mut check = |sieve: &SignFilter, own: u32, exact: &[f32]| {
            let (mut plain, mut less) = (Vec::new(), Vec::new());
            sieve.measure(Kernels::detect(), &view, 0.0, &nodes, &mut plain);
            sieve.measure(Kernels::detect(), &view, 1.0, &nodes, &mut less);
            for i in nodes.iter().map(|i| *i as usize).filter(|i| *i != own as usize) {
                let error = (plain[i] - exact[i]) / (plain[i] - less[i]);
                (squares, bias, count) = (squares + error * error, bias + error, count + 1.0);
            }
        };
        for own in 0..30 {
            let query = Query::new(spec, rows[own as usize].clone());
            let exact: Vec<f32> = rows.iter().map(|row| query.exact(row)).collect();
            check(query.sieve.as_ref().unwrap(), own, &exact);
            let exact: Vec<f32> = nodes.iter().map(|i| view.pair(own, *i)).collect();
            check(view.origin(own).with_sieve().sieve().unwrap(), own, &exact);
        }
        let (deviation, bias): (f32, f32) = (f32::sqrt(squares / count), bias / count);
        assert!((0.93..1.07).contains(&deviation), "{spec:?}: {deviation}");
        assert!(bias.abs() < 0.05, "{spec:?}: {bias}");
    }
}

#[test]
fn codes_without_signs_in_front_all_pass_at_first_look() {
    for spec in all_specs().filter(|spec| spec.codes != Quantization::Bits4) {
        let (rows, buffer) = coded(spec, 5);
        let (view, query) = (buffer.rows(), Query::new(spec, rows[0].clone()));
        let mut nodes = vec![4, 1, 77];
        query.over(&view).sift(-1e9, 0.0, &mut nodes, &mut Vec::new());
        view.origin(1).with_sieve().sift(-1e9, 0.0, &mut nodes, &mut Vec::new());
        assert_eq!(nodes, [4, 1, 77], "{spec:?}");
    }
}

#[test]
fn distances_are_the_same_by_every_kernel() {
    for spec in all_specs().filter(|spec| spec.codes != Quantization::None) {
        let (rows, buffer) = coded(spec, 11);
        let nodes: Vec<u32> = (0..11).collect();
        let query = Query::new(spec, rows[3].clone());
        let mut expected = Vec::new();
        query.distances(&buffer.rows(), &nodes, &mut expected);
        for kernels in Kernels::all() {
            let query = query.clone().with_kernels(Box::leak(Box::new(kernels)));
            let mut found = Vec::new();
            query.distances(&buffer.rows(), &nodes, &mut found);
            assert_eq!(found, expected, "{} {spec:?}", kernels.name);
        }
    }
}

#[test]
fn pairs_of_rows_have_a_distance() {
    for spec in all_specs() {
        let (rows, buffer) = coded(spec, 20);
        let view = buffer.rows();
        let largest = rows.iter().map(|r| r.iter().map(|x| x * x).sum()).fold(0.0, f32::max);
        for a in 0..20u32 {
            let own = view.pair(a, a);
            let exact = spec.metric.distance(&rows[a as usize], &rows[a as usize]);
            assert!((own - exact).abs() <= 0.02 * largest, "{spec:?} {a}: {own}");
            for b in 0..20u32 {
                let (there, back) = (view.pair(a, b), view.pair(b, a));
                let positive = there >= 0.0 || spec.metric == Metric::Dot;
                assert!(positive, "{spec:?} {a} {b}: {there}");
                assert!((there - back).abs() <= 1e-5 * largest, "{spec:?} {a} {b}: {there} {back}");
                if spec.metric != Metric::L2 || spec.dimension < 16 {
                    continue;
                }
                let exact = spec.metric.distance(&rows[a as usize], &rows[b as usize]);
                // One bit makes distant pairs seem nearer and near pairs more distant.
                let bound = 4.0 * error_bound(spec) * largest
                    + if spec.codes == Quantization::Bits1 { 0.3 * largest } else { 0.0 };
                assert!((there - exact).abs() <= bound, "{spec:?} {a} {b}: {there} {exact}");
            }
        }
    }
}

#[test]
fn zero_vectors_are_at_their_true_distance() {
    for codes in ALL {
        for dimension in [1, 64, 100] {
            let spec = CodeSpec::new(codes, Metric::L2, dimension);
            let mut buffer = CodeBuffer::new(spec, 2);
            buffer.push(&vec![0.0; dimension]);
            buffer.push(&vec![2.0; dimension]);
            let view = buffer.rows();
            let query = Query::new(spec, vec![2.0; dimension]);
            assert_eq!(distance(&query, view.row(0)), 4.0 * dimension as f32, "{spec:?}");
            let zero = Query::new(spec, vec![0.0; dimension]);
            assert_eq!(distance(&zero, view.row(0)), 0.0, "{spec:?}");
            assert_eq!(distance(&zero, view.row(1)), 4.0 * dimension as f32, "{spec:?}");
            assert_eq!(view.pair(0, 0), 0.0);
            assert_eq!(view.pair(0, 1), 4.0 * dimension as f32, "{spec:?}");
        }
    }
}

#[test]
fn very_long_and_very_short_vectors_keep_their_order() {
    for codes in ALL {
        for size in [1e-15f32, 1e-5, 1e5, 1e16] {
            let spec = CodeSpec::new(codes, Metric::L2, 70);
            let rows: Vec<Vec<f32>> = vectors(3, 70)
                .into_iter()
                .map(|row| row.into_iter().map(|x| x * size).collect())
                .collect();
            let mut buffer = CodeBuffer::new(spec, 3);
            rows.iter().for_each(|row| buffer.push(row));
            let query = Query::new(spec, rows[1].clone());
            let found: Vec<f32> = buffer.rows().rows().map(|row| distance(&query, row)).collect();
            assert!(found[1] < found[0] && found[1] < found[2], "{codes:?} {size}: {found:?}");
        }
    }
}

/// Every byte of a row may be wrong; it still has a distance.
#[test]
fn damaged_rows_have_some_distance() {
    for spec in all_specs() {
        for byte in [0x00, 0x7f, 0x80, 0xff] {
            let bytes = vec![byte; 9 * spec.row_bytes() + 5];
            // A view over words, like that of a mapped file.
            let mut words = vec![0u128; bytes.len().div_ceil(16)];
            bytemuck::cast_slice_mut::<_, u8>(&mut words)[..bytes.len()].copy_from_slice(&bytes);
            let view = CodeRows::new(spec, &bytemuck::cast_slice(&words)[..bytes.len()]);
            assert_eq!(view.len(), 9);
            let query = Query::new(spec, vec![0.5; spec.dimension]);
            let nodes: Vec<u32> = (0..12).chain([u32::MAX]).collect();
            let mut out = Vec::new();
            query.distances(&view, &nodes, &mut out);
            assert_eq!(out.len(), nodes.len());
            for own in [3, 99] {
                view.origin(own).distances(&nodes, &mut out);
                // Under dot a distance may have any value.
                let sound = |d: &f32| *d >= 0.0 || spec.metric == Metric::Dot;
                assert!(out.iter().all(sound), "{spec:?} {byte}: {out:?}");
            }
        }
    }
}

/// Codes are stored: other bytes for the same vector would be another format.
#[test]
fn the_bytes_of_a_row_are_those_of_the_format() {
    let vector: Vec<f32> = (0..70).map(|i| ((i * 37) % 23) as f32 - 11.0).collect();
    let row = |codes| {
        let mut buffer = CodeBuffer::new(CodeSpec::new(codes, Metric::L2, 70), 1);
        buffer.push(&vector);
        buffer.bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(
        row(Quantization::Bits4),
        "3ed3533f00504545b703407ad2cc523fb85cf963646195d3a4f409a89e0c92ed3722a75f5aae739c6457aa598a83cfa0aa6366b8597a48785b087697558c698764a0a887976c78c37a77b697456a59676a974a74a9553398b868f78418a78dc90000000000000000000000000000000000000000000000000000000000000000"
    );
    assert_eq!(
        row(Quantization::Bits2),
        "d57f3e4000504545b90000000d0732404180a997966f58e35855e69626687b646a9419729a56029adb4ad5a119a79ee9"
    );
    assert_eq!(
        row(Quantization::Bits1),
        "004bca40005045453e000000dfeb9e40b85cf963646195d3a4f409a89e0c92ed"
    );
}

#[test]
fn rows_have_the_promised_size() {
    let bytes = |codes, dimension| CodeSpec::new(codes, Metric::Cosine, dimension).row_bytes();
    assert_eq!(ALL.map(|codes| bytes(codes, 384)), [400, 1536, 256, 112, 64]);
    assert_eq!(ALL.map(|codes| bytes(codes, 1)), [16, 16, 64, 32, 32]);
    assert_eq!(ALL.map(|codes| bytes(codes, 65_535)), [65_552, 262_144, 41_024, 16_400, 8_208]);
}

#[test]
fn rows_can_be_put_into_any_order() {
    let spec = CodeSpec::new(Quantization::None, Metric::L2, 7);
    let rows = vectors(9, 7);
    let order = [3, 0, 8, 1, 4, 6, 7, 5, 2];
    let (mut buffer, mut expected) = (CodeBuffer::new(spec, 9), CodeBuffer::new(spec, 9));
    rows.iter().for_each(|row| buffer.push(row));
    order.iter().for_each(|row| expected.push(&rows[*row as usize]));
    buffer.permute(&order);
    assert_eq!(buffer.bytes(), expected.bytes());
}

#[test]
fn rows_that_are_not_there_do_not_panic() {
    for codes in ALL {
        let spec = CodeSpec::new(codes, Metric::L2, 4);
        let query = Query::new(spec, vec![1.0; 4]);
        let rows = CodeRows::new(spec, &[]);
        assert!(distance(&query, rows.row(3)).is_finite());
        assert!(rows.pair(0, 9).is_finite());
    }
}
