//! Tests of `benches/tools/vectors`: every format is read back, damage is named, no bytes cause a
//! panic, and the exact search is compared with a plain sort.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use bench_tools::vectors::*;

/// A file that is removed at the end of its test.
struct Sample(PathBuf);

impl Sample {
    fn new(extension: &str, bytes: &[u8]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vectors-{}-{number}.{extension}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn vectors(&self) -> Result<Vectors, ReadError> {
        Vectors::read(&self.0, None)
    }

    fn ids(&self) -> Result<Neighbors, ReadError> {
        Neighbors::read(&self.0, None)
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn npy(version: u8, descr: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut out = b"\x93NUMPY".to_vec();
    out.extend([version, 0]);
    match version {
        1 => out.extend((header.len() as u16).to_le_bytes()),
        _ => out.extend((header.len() as u32).to_le_bytes()),
    }
    out.extend(header.as_bytes());
    out.extend(body);
    out
}

fn le<const N: usize>(values: impl IntoIterator<Item = [u8; N]>) -> Vec<u8> {
    values.into_iter().flatten().collect()
}

const ROWS: [[f32; 3]; 2] = [[1.0, -2.5, 0.0], [3.0, 0.125, 7.0]];

/// The same two rows in every format that can hold vectors.
fn vector_samples() -> Vec<(&'static str, Vec<u8>)> {
    let flat = || ROWS.into_iter().flatten();
    let f32s = le(flat().map(f32::to_le_bytes));
    let f64s = le(flat().map(|x| f64::from(x).to_le_bytes()));
    let halves = [0x3c00u16, 0xc100, 0, 0x4200, 0x3000, 0x4700];
    let fvecs = ROWS.iter().flat_map(|r| {
        let mut row = 3u32.to_le_bytes().to_vec();
        row.extend(le(r.map(f32::to_le_bytes)));
        row
    });
    let mut fbin = le([2u32, 3].map(u32::to_le_bytes));
    fbin.extend(&f32s);
    vec![
        ("npy", npy(1, "<f4", "(2, 3)", &f32s)),
        ("npy", npy(2, "<f8", "(2, 3)", &f64s)),
        ("npy", npy(3, "<f2", "(2,3,)", &le(halves.map(u16::to_le_bytes)))),
        ("fvecs", fvecs.collect()),
        ("fbin", fbin),
    ]
}

fn id_samples() -> Vec<(&'static str, Vec<u8>)> {
    let ids = [5u32, 0, 9, 1];
    let ivecs = [2, 5, 0, 2, 9, 1].map(u32::to_le_bytes);
    vec![
        ("npy", npy(1, "<u4", "(2, 2)", &le(ids.map(u32::to_le_bytes)))),
        ("npy", npy(1, "<i4", "(2, 2)", &le(ids.map(u32::to_le_bytes)))),
        ("npy", npy(1, "<i8", "(2, 2)", &le(ids.map(|id| i64::from(id).to_le_bytes())))),
        ("ivecs", le(ivecs)),
    ]
}

#[test]
fn every_format_is_read_back() {
    for (extension, bytes) in vector_samples() {
        let sample = Sample::new(extension, &bytes);
        let vectors = sample.vectors().unwrap();
        assert_eq!((vectors.dim, vectors.len()), (3, 2), "{extension}");
        assert!(vectors.rows().eq(ROWS.iter().map(|row| &row[..])), "{extension}");
        assert_eq!(vectors.row(1), ROWS[1]);
        let first = Vectors::read(&sample.0, Some(1)).unwrap();
        assert_eq!(first.data, ROWS[0]);
        assert!(sample.ids().is_err(), "vectors are no row numbers");
    }
    for (extension, bytes) in id_samples() {
        let sample = Sample::new(extension, &bytes);
        let neighbors = sample.ids().unwrap();
        assert_eq!((neighbors.k, neighbors.len()), (2, 2));
        assert_eq!((neighbors.row(0), neighbors.row(1)), (&[5, 0][..], &[9, 1][..]));
        assert!(neighbors.fits(10) && !neighbors.fits(9));
        assert!(sample.vectors().is_err(), "row numbers are no vectors");
    }
    let bytes = Sample::new("bvecs", &[2, 0, 0, 0, 7, 255, 2, 0, 0, 0, 0, 1]);
    assert_eq!(bytes.vectors().unwrap().data, [7.0, 255.0, 0.0, 1.0]);
    let bytes = Sample::new("npy", &npy(1, "|i1", "(1, 2)", &[0x80, 0x7f]));
    assert_eq!(bytes.vectors().unwrap().data, [-128.0, 127.0]);
}

#[test]
fn a_file_cut_short_or_too_long_is_refused() {
    for (extension, mut bytes) in vector_samples().into_iter().chain(id_samples()) {
        bytes.push(0);
        for length in 0..=bytes.len() {
            let row_end = matches!(extension, "fvecs" if length == 16)
                || matches!(extension, "ivecs" if length == 12);
            if length == bytes.len() - 1 || row_end {
                continue; // whole rows
            }
            let sample = Sample::new(extension, &bytes[..length]);
            assert!(sample.vectors().is_err(), "{extension} of {length} bytes");
            assert!(sample.ids().is_err(), "{extension} of {length} bytes");
        }
    }
}

#[test]
fn no_bytes_make_the_reader_panic() {
    for (extension, bytes) in vector_samples().into_iter().chain(id_samples()) {
        for at in 0..bytes.len() {
            for value in [0, 1, b'(', b')', b'\'', b'9', 0x7f, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                let sample = Sample::new(extension, &bytes);
                let _ = (sample.vectors(), sample.ids());
            }
        }
    }
}

#[test]
fn hostile_headers_are_refused_before_memory_is_taken() {
    let max = u32::MAX.to_le_bytes();
    let many = |shape: &str| npy(1, "<f4", shape, &[0; 24]);
    let mut deep = b"\x93NUMPY\x02\0".to_vec();
    deep.extend(max);
    for (extension, bytes) in [
        ("fbin", [max, max].concat()),
        ("fbin", [max, 4u32.to_le_bytes()].concat()),
        ("fvecs", [max, max].concat()),
        ("fvecs", vec![0; 8]),
        ("ivecs", vec![]),
        ("npy", deep),
        ("npy", many("(18446744073709551615, 2)")),
        ("npy", many("(9223372036854775808, 2)")),
        ("npy", many("(99999999999999999999999, 2)")),
        ("npy", many("(-2, 3)")),
        ("npy", many("(6,)")),
        ("npy", many("(1, 2, 3)")),
        ("npy", many("()")),
        ("npy", many("(6, 0)")),
        ("npy", npy(1, ">f4", "(2, 3)", &[0; 24])),
        ("npy", npy(1, "|O", "(2, 3)", &[0; 24])),
        ("txt", vec![0; 24]),
    ] {
        let sample = Sample::new(extension, &bytes);
        assert!(sample.vectors().is_err(), "{extension} {bytes:?}");
        assert!(sample.ids().is_err(), "{extension} {bytes:?}");
    }
    let columns = String::from_utf8_lossy(&many("(2, 3)")).replace("False", "True ");
    assert!(Sample::new("npy", columns.as_bytes()).vectors().is_err());
    assert!(Vectors::read(Path::new("no/such/file.npy"), None).is_err());
}

#[test]
fn errors_name_file_offset_and_both_numbers() {
    let sample = Sample::new("fbin", &[le([2u32, 3].map(u32::to_le_bytes)), vec![0; 20]].concat());
    let text = sample.vectors().unwrap_err().to_string();
    assert!(text.contains(sample.0.to_str().unwrap()), "{text}");
    assert!(text.ends_with("at byte 8: bytes of the file: expected 32, found 28"), "{text}");

    let uneven = [2u32, 1, 1, 3, 1, 1].map(u32::to_le_bytes);
    let text = Sample::new("ivecs", &le(uneven)).ids().unwrap_err().to_string();
    assert!(text.ends_with("at byte 12: row length: expected 2, found 3"), "{text}");

    let negative = npy(1, "<i4", "(1, 2)", &le([3i32, -1].map(i32::to_le_bytes)));
    let offset = negative.len() - 4;
    let text = Sample::new("npy", &negative).ids().unwrap_err().to_string();
    assert!(text.contains(&format!("at byte {offset}: value 1")), "{text}");

    let infinite = npy(1, "<f4", "(1, 2)", &le([1.0, f32::INFINITY].map(f32::to_le_bytes)));
    let text = Sample::new("npy", &infinite).vectors().unwrap_err().to_string();
    assert!(text.contains("not finite"), "{text}");
}

#[test]
fn every_half_has_its_value() {
    for half in 0..=u16::MAX {
        let (exponent, fraction) = (i32::from(half >> 10 & 0x1f), f64::from(half & 0x3ff));
        let size = match exponent {
            0 => fraction * 2f64.powi(-24),
            0x1f if fraction == 0.0 => f64::INFINITY,
            0x1f => f64::NAN,
            _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
        };
        let value = f64::from(bench_tools::vectors::elements::f16_to_f32(half));
        assert_eq!(value.is_sign_negative(), half >> 15 == 1, "{half:#06x}");
        assert!(value.abs() == size || value.is_nan() && size.is_nan(), "{half:#06x}");
    }
}

#[test]
fn generated_rows_repeat_and_overlap() {
    let a = clustered(600, 48, 12, 7);
    assert_eq!(a, clustered(600, 48, 12, 7));
    assert_ne!(a, clustered(600, 48, 12, 8));
    assert!(a.data.iter().all(|x| x.is_finite()));
    let square = a.data.iter().map(|x| x * x).sum::<f32>() / a.len() as f32;
    assert!((0.5..2.0).contains(&square), "{square}");
    for (n, dim, clusters) in [(0, 8, 1), (3, 1, 0), (3, 0, 2)] {
        assert_eq!(clustered(n, dim, clusters, 1).data.len(), n * dim);
    }
    let mut normal = Rng::new(3);
    let mean = (0..10_000).map(|_| f64::from(normal.normal())).sum::<f64>() / 10_000.0;
    assert!(mean.abs() < 0.05, "{mean}");
    assert!((0..1000).all(|_| normal.below(10) < 10) && normal.below(0) == 0);
}

#[test]
fn exact_search_agrees_with_a_plain_sort() {
    let mut base = clustered(700, 19, 5, 1);
    let queries = base.split_off(40);
    assert_eq!((base.len(), queries.len()), (660, 40));
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let found = exact_neighbors(&base, &queries, metric, 10, 3);
        assert_eq!(found, exact_neighbors(&base, &queries, metric, 10, 1));
        for (i, query) in queries.rows().enumerate() {
            let mut all: Vec<(f64, u32)> =
                base.rows().zip(0..).map(|(row, id)| (distance(query, row, metric), id)).collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let nearest: Vec<u32> = all[..10].iter().map(|&(_, id)| id).collect();
            assert_eq!(found.row(i), nearest, "{metric:?}");
            assert_eq!(found.recall(i, 10, nearest.iter().copied()), 1.0);
            assert_eq!(found.recall(i, 10, nearest[..5].iter().copied()), 0.5);
        }
    }
}

#[test]
fn equal_rows_come_in_the_order_of_their_numbers() {
    let base = Vectors { dim: 2, data: [1.0, 1.0].repeat(500) };
    let query = Vectors { dim: 2, data: vec![1.0, 0.5] };
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let found = exact_neighbors(&base, &query, metric, 4, 2);
        assert_eq!(found.ids, [0, 1, 2, 3], "{metric:?}");
    }
    let few = exact_neighbors(&base, &query, Metric::L2, 1000, 2);
    assert_eq!((few.k, few.ids.len()), (500, 500));
    let none = Vectors { dim: 2, data: vec![] };
    assert!(exact_neighbors(&none, &query, Metric::L2, 4, 2).is_empty());
    assert!(exact_neighbors(&base, &none, Metric::L2, 4, 2).is_empty());
    assert!(exact_neighbors(&base, &query, Metric::L2, 0, 2).is_empty());
}

#[test]
fn rows_are_mixed_until_there_are_enough() {
    let mut few = Vectors { dim: 2, data: vec![1.0, 0.0, 1.0, 0.0] };
    few.extend_mixed(5);
    assert_eq!(few.len(), 5);
    assert!(few.rows().all(|row| (row[0] - 1.0).abs() < 1e-6 && row[1] == 0.0));
    let before = few.clone();
    few.extend_mixed(3);
    assert_eq!(few, before, "there are more already");
    let mut none = Vectors { dim: 2, data: Vec::new() };
    none.extend_mixed(3);
    assert!(none.is_empty(), "of nothing, nothing can be mixed");
}
