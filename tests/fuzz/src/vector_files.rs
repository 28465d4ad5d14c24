//! Owns the target of vector files: `.npy`, `.fvecs`, `.bvecs`, `.ivecs` and `.fbin` as benchmarks
//! and examples read them. They have no checksums. The result must be an error, or whole and finite
//! rows.

use std::path::PathBuf;
use std::sync::OnceLock;

use altiplano::testing::hostile::Verdict;

use bench_tools::vectors;

const ENDINGS: [&str; 5] = ["npy", "fvecs", "bvecs", "ivecs", "fbin"];

/// Returns a small whole file of each kind: 5 rows of 3 elements.
fn golden(ending: &str) -> Vec<u8> {
    let floats = (0..15u8).map(|i| f32::from(i) / 4.0);
    let mut out = Vec::new();
    match ending {
        "npy" => {
            let mut header =
                "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3), }".to_owned();
            header.extend(std::iter::repeat_n(' ', 117 - header.len()));
            header.push('\n');
            out.extend_from_slice(b"\x93NUMPY\x01\x00");
            out.extend_from_slice(&(header.len() as u16).to_le_bytes());
            out.extend_from_slice(header.as_bytes());
            floats.for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
        }
        "fbin" => {
            [5u32, 3].iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
            floats.for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
        }
        _ => {
            for row in 0..5u8 {
                out.extend_from_slice(&3u32.to_le_bytes());
                for i in 0..3u8 {
                    match ending {
                        "bvecs" => out.push(row * 3 + i),
                        "ivecs" => out.extend_from_slice(&i32::from(row * 3 + i).to_le_bytes()),
                        _ => out.extend_from_slice(&f32::from(row * 3 + i).to_le_bytes()),
                    }
                }
            }
        }
    }
    out
}

/// Returns the path of a file: in RAM where that is possible.
fn path(ending: &str) -> PathBuf {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let ram = PathBuf::from("/dev/shm");
        let parent = if ram.is_dir() { ram } else { std::env::temp_dir() };
        let dir = parent.join(format!("altiplano-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory for vector files");
        dir
    });
    dir.join(format!("x.{ending}"))
}

/// Byte 0 selects the kind of file, byte 1 the source of the edits' bytes. Then edits follow:
/// offset (2 bytes), length (1 byte) and bytes, which may also append.
pub(crate) fn run(data: &[u8]) -> Verdict {
    let (head, edits) = data.split_at(data.len().min(2));
    let ending = ENDINGS[usize::from(head.first().copied().unwrap_or(0)) % ENDINGS.len()];
    let mut bytes = golden(ending);
    if head.get(1).is_some_and(|byte| byte.is_multiple_of(8)) {
        bytes = edits.to_vec();
    } else {
        let mut rest = edits;
        while let [high, low, len, tail @ ..] = rest {
            let at = (usize::from(*high & 1) << 8 | usize::from(*low)) % (bytes.len() + 1);
            let new = &tail[..tail.len().min(usize::from(*len % 24))];
            if high & 2 != 0 {
                bytes.truncate(at);
            }
            bytes.resize(bytes.len().max(at + new.len()), 0);
            bytes[at..at + new.len()].copy_from_slice(new);
            rest = &tail[new.len()..];
        }
    }
    let path = path(ending);
    std::fs::write(&path, &bytes).expect("a vector file in RAM");
    let accepted = if ending == "ivecs" {
        vectors::Neighbors::read(&path, None).is_ok()
    } else {
        let whole = vectors::Vectors::read(&path, None);
        if let Ok(read) = &whole {
            assert!(read.dim > 0 && read.data.len().is_multiple_of(read.dim));
            assert!(read.data.iter().all(|x| x.is_finite()));
            assert!(read.data.len() <= bytes.len(), "more values than bytes");
            let two = vectors::Vectors::read(&path, Some(2)).expect("a part of what was read whole");
            assert!(read.data.starts_with(&two.data) && two.len() == read.len().min(2));
        }
        whole.is_ok()
    };
    Verdict { accepted, repaired: false }
}
