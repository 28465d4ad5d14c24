//! Owns the target of indexes and their locators: scans and searches with every kernel, entries,
//! and the whole verification. Both files are derived, so damage in them may cost recall. These
//! must hold: nodes are nodes, no result comes twice, and a file that passes verification unforged
//! answers as the golden one does.

use std::sync::{Arc, OnceLock};

use super::edits::Input;
use super::golden::{COLLECTIONS, Golden, regions, vector};
use super::repair;
use super::verdict::{Verdict, typed};
use crate::disk::Disk;
use crate::error::Result;
use crate::format::header::FileKind;
use crate::format::manifest::IndexEntry;
use crate::format::names::FileName;
use crate::index::{Candidate, Index, Scratch};
use crate::segment::Locator;
use crate::vector::codes::{CodeSpec, Query};
use crate::vector::kernel::Kernels;

/// Returns all kernels of this processor.
fn kernels() -> &'static [Kernels] {
    static KERNELS: OnceLock<Vec<Kernels>> = OnceLock::new();
    KERNELS.get_or_init(Kernels::all)
}

/// Indexes and locators.
pub(super) fn graph(data: &[u8]) -> Verdict {
    let (golden, mut input) = (Golden::get(), Input::new(data));
    let (name, _) = COLLECTIONS[input.variant % COLLECTIONS.len()];
    let collection = golden.collection(name);
    let entry = &collection.indexes[(input.variant / 2) % collection.indexes.len()];
    let spec = {
        let options = &collection.options;
        CodeSpec::new(options.quantization, options.metric, options.dimension)
    };
    let disk = golden.disk();
    let mut lens = [entry.index_len, entry.locator_len];
    let files = [
        (FileKind::Index, FileName::Index(entry.index)),
        (FileKind::Locator, FileName::Locator(entry.locator)),
    ];
    let damaged = usize::from(input.variant & 0x40 != 0);
    let (kind, name) = (files[damaged].0, files[damaged].1.to_string());
    let mut bytes = golden.bytes(&name).clone();
    let regions = regions(&bytes);
    input.edit(&mut bytes, &regions);
    if input.repair {
        repair::repair(kind, &mut bytes);
        lens[damaged] = bytes.len() as u64;
    }
    disk.put(golden.dir, &name, bytes);
    let opened = open(&disk, entry, lens, spec);
    match &opened {
        Err(error) => typed(error),
        Ok((index, locator)) => {
            let whole = index.verify().and_then(|()| locator.verify());
            let answers = ask(index, locator, spec);
            match whole {
                Err(error) => typed(&error),
                Ok(()) if input.repair => {}
                Ok(()) => {
                    let lens = [entry.index_len, entry.locator_len];
                    let (index, locator) = open(&golden.disk(), entry, lens, spec).unwrap();
                    assert!(answers == ask(&index, &locator, spec), "an unnoticed difference");
                }
            }
        }
    }
    Verdict { accepted: opened.is_ok(), repaired: input.repair }
}

fn open(
    disk: &dyn Disk,
    entry: &IndexEntry,
    lens: [u64; 2],
    spec: CodeSpec,
) -> Result<(Index, Locator)> {
    let golden = Golden::get();
    let (dir, store) = (golden.dir, golden.manifest.store);
    let index = Index::open(disk, dir, store, entry.index, lens[0], spec)?;
    let locator = Locator::open(disk, dir, store, (entry.locator, lens[1]), index.nodes())?;
    Ok((index, locator))
}

/// The answers of an index and its locator.
#[derive(PartialEq)]
struct Answers {
    scanned: Vec<(u32, u32)>,
    found: Vec<Vec<(u32, u32)>>,
    rows: usize,
}

fn ask(index: &Index, locator: &Locator, spec: CodeSpec) -> Answers {
    let bits = |c: Candidate| (c.node, c.distance.to_bits());
    let mut answers = Answers { scanned: Vec::new(), found: Vec::new(), rows: 0 };
    let mut scratch = Scratch::default();
    for (at, kernels) in kernels().iter().enumerate() {
        let query = vector(999 + at as u64, spec.dimension);
        let query = Query::new(Arc::clone(index.frame()), query);
        let query = query.with_kernels(kernels);
        index.scan(&query, f32::INFINITY, |candidate| {
            assert!(candidate.node < index.nodes());
            answers.scanned.push(bits(candidate));
            f32::INFINITY
        });
        for (ef, limit) in [(1, usize::MAX), (index.ef_table().default_ef(), usize::MAX), (64, 20)]
        {
            let mut accept = |node: u32| {
                assert!(node < index.nodes(), "node {node} is asked about and is none");
                !node.is_multiple_of(3)
            };
            index.search(&query, ef, Some(&mut accept), limit, &mut scratch);
            let found = scratch.results();
            let nodes: std::collections::HashSet<u32> = found.iter().map(|c| c.node).collect();
            assert_eq!(nodes.len(), found.len(), "a node was found twice");
            let ordered = found.is_sorted_by(|a, b| a.distance.total_cmp(&b.distance).is_le());
            assert!(ordered && found.len() <= ef, "results out of order, or too many");
            answers.found.push(found.iter().copied().map(bits).collect());
        }
    }
    answers.rows = locator.nodes().map(|rows| rows.len()).sum();
    let beyond = [index.nodes(), u32::MAX];
    assert!(beyond.iter().all(|node| locator.entries(*node).next().is_none()));
    answers
}
