//! Owns the proof that a purge leaves no byte of the dead (I14). Memories that can be recognized in
//! every form are inserted, seen in the files, and die in every way. Then every byte of every file
//! is searched for them. `canary` has their forms, `kill` ends processes within a purge.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests may use files and print"
)]

mod canary;
#[cfg(unix)]
mod kill;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::size::sized;
use crate::common::{START, contents, memory, settle, with_clock};
use altiplano::{
    Background, Collection, CollectionOptions, Filter, HnswParams, ManualClock, Memory, MemoryId,
    Metric, PurgeReceipt, Quantization, Store, StoreOptions, TextIndex,
};
use canary::{Canary, DIMENSION, Needle, found};

/// The place of the rows when they die.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// In the memtable and the log.
    Log,
    /// In segments, with codes.
    Segments,
    /// In segments, with a graph.
    Graph,
}

/// The way in which they die.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Death {
    Delete,
    DeleteWhere,
    Replace,
    Expire,
    Drop,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    place: Place,
    death: Death,
    metric: Metric,
    codes: Quantization,
    /// True if background work runs between death and purge.
    settled: bool,
    /// True if only the collection is purged.
    alone: bool,
    seed: u64,
}

const PLACES: [Place; 3] = [Place::Log, Place::Segments, Place::Graph];
const DEATHS: [Death; 5] =
    [Death::Delete, Death::DeleteWhere, Death::Replace, Death::Expire, Death::Drop];
const KINDS: [(Metric, Quantization); 3] = [
    (Metric::Cosine, Quantization::Int8),
    (Metric::L2, Quantization::Int8),
    (Metric::Dot, Quantization::None),
];
/// A name that can be recognized, too.
const NAME: &str = "canary-collection-0123456789abcd";
const HOUR: Duration = Duration::from_secs(3600);

fn options(metric: Metric, codes: Quantization, min_rows: u32) -> CollectionOptions {
    let hnsw = HnswParams::default().m(8).ef_construction(40).min_rows(min_rows);
    let options = CollectionOptions::new(DIMENSION, metric).quantization(codes).hnsw(hnsw);
    options.memtable_rows(64).text_index(TextIndex::new())
}

type Rows = BTreeMap<MemoryId, Memory>;

fn everything(store: &Store) -> BTreeMap<String, Rows> {
    let names = store.collection_names().into_iter();
    names.map(|name| (name.clone(), contents(&store.get_collection(&name).unwrap()))).collect()
}

fn assert_none(dir: &Path, needles: &[Needle], what: &dyn std::fmt::Debug) {
    assert_eq!(found(dir, needles), [], "{what:?}");
}

fn assert_all(dir: &Path, needles: &[Needle], what: &dyn std::fmt::Debug) {
    let seen = found(dir, needles);
    for (form, _) in needles {
        assert!(seen.iter().any(|(name, _)| name == form), "{what:?}: {form} is not to be seen");
    }
}

/// Creates collections beside the purged one: small ones in the log, one of them with a dead row.
fn bystanders(store: &Store) -> Canary {
    for (name, rows) in [("small", 5), ("large", 130)] {
        let options = options(Metric::L2, Quantization::Int8, 1_000_000);
        let collection = store.collection(name, options).unwrap();
        (0..rows).for_each(|id| {
            collection.insert(memory(id, DIMENSION)).unwrap();
        });
    }
    let small = store.get_collection("small").unwrap();
    let dead = Canary::new(77);
    small.insert(dead.memory()).unwrap();
    small.delete(dead.id).unwrap();
    dead
}

fn kill(store: &Store, notes: &Collection, clock: &ManualClock, death: Death, dead: &[Canary]) {
    match death {
        Death::Delete => dead.iter().for_each(|c| assert!(notes.delete(c.id).unwrap())),
        Death::DeleteWhere => dead.iter().for_each(|c| {
            assert_eq!(notes.delete_where(Filter::namespace(c.namespace())).unwrap(), 1);
        }),
        Death::Replace => dead.iter().for_each(|c| {
            notes.insert(c.replacement()).unwrap();
        }),
        Death::Expire => clock.advance(HOUR * 2),
        Death::Drop => assert!(store.drop_collection(NAME).unwrap()),
    }
}

/// Returns all needles of these canaries: without ids where those live on, with codes and words
/// where there are any.
fn needles_of(dead: &[Canary], case: &Case) -> Vec<Needle> {
    let sealed = case.place != Place::Log;
    let coded = sealed && case.codes == Quantization::Int8;
    dead.iter()
        .flat_map(|c| c.needles().into_iter().chain(coded.then(|| c.code(case.metric))))
        .chain(dead.iter().filter(|_| sealed).map(Canary::word))
        .filter(|(form, _)| *form != "id" || case.death != Death::Replace)
        .collect()
}

fn check(case: &Case) -> u64 {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("a.alt");
    let clock = Arc::new(ManualClock::new(START));
    let store = with_clock(&clock).open(&dir).unwrap();
    let in_log = bystanders(&store);
    let min_rows = if case.place == Place::Graph { 40 } else { 1_000_000 };
    let notes = store.collection(NAME, options(case.metric, case.codes, min_rows)).unwrap();
    let dead: Vec<Canary> = (0..6).map(|i| Canary::new(case.seed * 100 + i)).collect();
    let live: Vec<Canary> = (50..54).map(|i| Canary::new(case.seed * 100 + i)).collect();
    let rows = if case.place == Place::Log { 20 } else { 150 };
    for id in 0..rows {
        notes.insert(memory(id, DIMENSION)).unwrap();
        if let Some(canary) = dead.get(id as usize / 3).filter(|_| id % 3 == 0) {
            let ttl = if case.death == Death::Expire { HOUR } else { HOUR * 1000 };
            notes.insert(canary.memory().ttl(ttl)).unwrap();
        }
    }
    live.iter().for_each(|c| {
        notes.insert(c.memory()).unwrap();
    });
    if case.place != Place::Log {
        // The few rows in RAM are sealed as well.
        store.compact().unwrap();
        settle(&store);
    }
    let graph = store.stats().unwrap().collections.iter().flat_map(|c| &c.indexes).any(|i| i.graph);
    assert_eq!(graph, case.place == Place::Graph);
    let mut needles = needles_of(&dead, case);
    assert_all(&dir, &needles, case);
    kill(&store, &notes, &clock, case.death, &dead);
    match case.settled {
        true => settle(&store),
        false if case.death == Death::Drop => {}
        false => assert_all(&dir, &needles, case),
    }
    // A handle to a dropped collection would hold its files.
    let notes = (case.death != Death::Drop).then_some(notes);
    if case.death == Death::Drop {
        needles.extend(needles_of(&live, case));
        needles.push(("name", NAME.as_bytes().to_vec()));
    } else {
        assert_all(&dir, &needles_of(&live, case), case);
    }
    if !case.alone || case.place != Place::Log {
        needles.extend(in_log.needles());
    }
    let before = everything(&store);
    let receipt = match &notes {
        Some(notes) if case.alone => notes.purge().unwrap(),
        _ => store.purge().unwrap(),
    };
    assert_eq!(receipt.pending, Vec::<std::path::PathBuf>::new(), "{case:?}");
    assert!(receipt.files_removed > 0 && receipt.bytes_removed > 0, "{case:?}: {receipt:?}");
    assert_none(&dir, &needles, case);
    assert_eq!(everything(&store), before, "{case:?}");
    assert!(store.verify().unwrap().is_clean(), "{case:?}");
    drop(notes);
    store.close().unwrap();
    let store = with_clock(&clock).open(&dir).unwrap();
    assert_none(&dir, &needles, case);
    assert_eq!(everything(&store), before, "{case:?}");
    if case.death != Death::Drop {
        assert_all(&dir, &needles_of(&live, case), case);
    }
    needles.len() as u64
}

#[test]
fn nothing_of_the_dead_is_in_any_byte_of_any_file_i14() {
    let rounds: u64 = sized("rounds of all cases", 1, 1, 10);
    let (mut cases, mut needles) = (0, 0);
    for round in 0..rounds {
        for place in PLACES {
            for death in DEATHS {
                for (metric, codes) in KINDS {
                    let seed = cases + 1;
                    let settled = (seed + round) % 2 == 0;
                    let alone = death != Death::Drop && (seed + round) % 3 == 0;
                    let case = Case { place, death, metric, codes, settled, alone, seed };
                    needles += check(&case);
                    cases += 1;
                }
            }
        }
    }
    eprintln!("{cases} cases, {needles} forms of dead memories looked for");
    assert!(cases >= 45);
}

/// Opens a store with a sealed collection of canaries that have just been deleted.
fn deleted(dir: &Path, options: StoreOptions) -> (Store, Collection, Vec<Needle>) {
    let store = options.open(dir).unwrap();
    let notes =
        store.collection("notes", self::options(Metric::L2, Quantization::Int8, 40)).unwrap();
    let dead: Vec<Canary> = (0..4).map(Canary::new).collect();
    (0..150).for_each(|id| {
        notes.insert(memory(id, DIMENSION)).unwrap();
    });
    dead.iter().for_each(|c| {
        notes.insert(c.memory()).unwrap();
    });
    store.compact().unwrap();
    let mut needles: Vec<Needle> = dead.iter().flat_map(|c| c.needles()).collect();
    needles.extend(dead.iter().flat_map(|c| [c.code(Metric::L2), c.word()]));
    assert_all(dir, &needles, &"planted");
    (store, notes, needles)
}

fn delete_all(notes: &Collection) {
    (0..4).for_each(|i| assert!(notes.delete(Canary::new(i).memory_id()).unwrap()));
}

#[test]
fn what_a_reader_holds_is_pending_and_goes_when_it_lets_go_i14() {
    let temp = tempfile::tempdir().unwrap();
    let (store, notes, needles) = deleted(temp.path(), crate::common::manual());
    let mut reader = notes.iter();
    assert!(reader.next().unwrap().is_ok());
    delete_all(&notes);
    let receipt = store.purge().unwrap();
    assert!(!receipt.is_complete());
    assert!(receipt.pending.iter().all(|path| path.exists()));
    // The remaining bytes are in the pending files and in no others.
    let pending: Vec<String> = receipt
        .pending
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let left = found(temp.path(), &needles);
    assert!(!left.is_empty());
    assert!(
        left.iter().flat_map(|(_, files)| files).all(|file| pending.contains(file)),
        "{left:?}"
    );
    assert_eq!(store.stats().unwrap().held_files, pending.len());
    // The reader still sees the rows from when it began.
    assert_eq!(reader.collect::<Result<Vec<_>, _>>().unwrap().len(), 153);
    assert_none(temp.path(), &needles, &"let go");
    assert!(receipt.pending.iter().all(|path| !path.exists()));
    assert!(store.purge().unwrap().is_complete());
}

/// Waits until nobody holds the files of a receipt any more. Workers do for a moment.
fn wait_for(receipt: &PurgeReceipt) {
    for _ in 0..10_000 {
        if receipt.pending.iter().all(|path| !path.exists()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("still there: {:?}", receipt.pending);
}

#[test]
fn nothing_that_a_busy_writer_was_told_is_lost_by_purges_i4_i14() {
    for background in [Background::Manual, Background::Auto] {
        let temp = tempfile::tempdir().unwrap();
        let options = StoreOptions::new().background(background);
        let (store, notes, mut needles) = deleted(temp.path(), options);
        let small =
            store.collection("small", self::options(Metric::L2, Quantization::Int8, 40)).unwrap();
        delete_all(&notes);
        let stop = AtomicBool::new(false);
        let written = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut id = 1000;
                while !stop.load(Ordering::Relaxed) {
                    notes.insert(memory(id, DIMENSION)).unwrap();
                    small.insert(memory(id % 40, DIMENSION)).unwrap();
                    if id % 3 == 0 {
                        assert!(notes.delete(id - 1).unwrap());
                    }
                    id += 1;
                }
                id
            });
            for round in 0..6 {
                wait_for(&store.purge().unwrap());
                assert_none(temp.path(), &needles, &(background, round));
                let canary = Canary::new(900 + round);
                notes.insert(canary.memory()).unwrap();
                assert!(notes.delete(canary.id).unwrap());
                needles.extend(canary.needles());
            }
            stop.store(true, Ordering::Relaxed);
            writer.join().unwrap()
        });
        wait_for(&store.purge().unwrap());
        assert_none(temp.path(), &needles, &background);
        let is_there = |id: &u64| *id < 150 || (*id >= 1000 && !(id + 1).is_multiple_of(3));
        let mut expected: Vec<u64> = (0..150).chain(1000..written).filter(is_there).collect();
        // The next insert deletes the last one, and may not have come.
        if (written - 1) % 3 == 2 {
            expected.push(written - 1);
        }
        assert_eq!(crate::common::ids(&notes), expected, "{background:?}");
        assert_eq!(small.len().unwrap(), (written - 1000).min(40));
        assert!(store.verify().unwrap().is_clean());
        store.close().unwrap();
        let store = Store::open(temp.path()).unwrap();
        assert_eq!(crate::common::ids(&store.get_collection("notes").unwrap()), expected);
    }
}

#[test]
fn a_node_that_came_into_a_graph_by_a_merge_is_purged_i14() {
    let temp = tempfile::tempdir().unwrap();
    let store = crate::common::manual().open(temp.path()).unwrap();
    let notes = store.collection("notes", options(Metric::L2, Quantization::Int8, 100)).unwrap();
    (0..512).for_each(|id| {
        notes.insert(memory(id, DIMENSION)).unwrap();
    });
    store.compact().unwrap();
    let dead = Canary::new(5);
    (600..784).for_each(|id| {
        notes.insert(memory(id, DIMENSION)).unwrap();
    });
    notes.insert(dead.memory()).unwrap();
    (784..792).for_each(|id| {
        notes.insert(memory(id, DIMENSION)).unwrap();
    });
    settle(&store);
    let graphs = |store: &Store| {
        let indexes = store.stats().unwrap().collections.remove(0).indexes;
        let graphs = indexes.iter().filter(|i| i.graph);
        graphs.fold((0, 0), |(count, nodes), graph| (count + 1, nodes + graph.nodes))
    };
    let (count, nodes) = graphs(&store);
    assert!(count == 1 && nodes > 700, "{count} {nodes}");
    assert_all(temp.path(), &[dead.code(Metric::L2)], &"planted");
    assert!(notes.delete(dead.id).unwrap());
    assert!(store.purge().unwrap().is_complete());
    assert_none(temp.path(), &[dead.code(Metric::L2)], &"purged");
    assert_none(temp.path(), &dead.needles(), &"purged");
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_damaged_index_is_purged_with_what_it_holds_i14() {
    let temp = tempfile::tempdir().unwrap();
    let (store, notes, needles) = deleted(temp.path(), crate::common::manual());
    delete_all(&notes);
    drop(notes);
    store.close().unwrap();
    for name in crate::common::file_names(temp.path()).iter().filter(|n| n.starts_with("idx-")) {
        let path = temp.path().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let store = crate::common::manual().open(temp.path()).unwrap();
    assert!(store.purge().unwrap().is_complete());
    assert_none(temp.path(), &needles, &"purged");
    assert_eq!(store.get_collection("notes").unwrap().len().unwrap(), 150);
}

#[test]
fn a_purge_of_an_untouched_or_in_memory_store_changes_nothing_and_a_reader_may_not() {
    let temp = tempfile::tempdir().unwrap();
    let store = crate::common::manual().open(temp.path()).unwrap();
    let in_memory = CollectionOptions::new(2, Metric::L2).in_memory();
    let notes = store.collection("notes", in_memory).unwrap();
    notes.insert(Memory::new(1u64, [1.0, 2.0])).unwrap();
    assert_eq!(store.purge().unwrap().rows, 0);
    assert_eq!(notes.purge().unwrap().rows, 0);
    assert_eq!(notes.len().unwrap(), 1);
    let reader = crate::common::manual().open_read_only(temp.path()).unwrap();
    assert!(matches!(reader.purge(), Err(altiplano::Error::ReadOnly { .. })));
}
