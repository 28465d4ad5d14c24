//! Owns the store that the tests damage: about 64 KiB with every kind of file and of log frame, and
//! what it holds at each length of its last log file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::model::{Model, Write};
use super::record::Runner;
use super::script::{Act, insert};
use super::setup::{dir, new_clock, new_disk, open};
use crate::clock::{Clock, Timestamp};
use crate::format::frame::{FrameContext, FrameKind, decode_frame};
use crate::format::header::{FileHeader, HEADER_LEN};
use crate::format::manifest::Manifest;
use crate::format::names::FileName;
use crate::options::TextIndex;
use crate::sync::lock;
use crate::testing::sim::{FileSystem, SimDisk};

/// How the last session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Closed,
    Killed,
}

/// The undamaged store: its files, and what it holds at each length of its last log file.
#[derive(Debug)]
pub(super) struct Golden {
    pub(super) files: FileSystem,
    pub(super) now: Timestamp,
    pub(super) state: Model,
    /// Names of the files, with their bytes.
    pub(super) contents: BTreeMap<String, Arc<Vec<u8>>>,
    /// Earlier bytes of files that are still there under the same name.
    pub(super) older: Vec<(String, Arc<Vec<u8>>)>,
    /// The last file of the log.
    pub(super) log: String,
    /// The frames of that file, without padding.
    pub(super) frames: Vec<Range<usize>>,
    /// The length of that file and the content of the store, after each act since the file was
    /// created.
    pub(super) tail: Vec<(usize, Model)>,
    /// The bytes of that file that must be there, as the manifest says.
    pub(super) vouched: u64,
}

fn w(writes: Vec<Write>) -> Act {
    Act::Write { writes, sync: true }
}

fn deletes(c: usize, ids: Range<u64>) -> Vec<Write> {
    ids.map(|id| Write::Delete { from: c, id }).collect()
}

fn mortal(c: usize, ids: Range<u64>) -> Vec<Write> {
    ids.map(|id| Write::Insert { to: c, id, ttl: Some(50_000) }).collect()
}

fn acts(ending: Ending) -> Vec<Act> {
    let forget = vec![Write::DeleteWhere { from: 0, namespace: 3 }];
    let mut acts: Vec<Act> = (0..3).map(Act::Make).collect();
    // A build without the feature has a golden store without words.
    let index = cfg!(feature = "text").then(TextIndex::new);
    acts.extend([
        Act::Words(1, index),
        w(insert(0, 0..100)),
        w(insert(0, 100..210)),
        Act::Run,
        w(insert(1, 0..70)),
        Act::Run,
        w(deletes(0, 3..9)),
        w(deletes(1, 8..12)),
        w(mortal(0, 210..280)),
        Act::Run,
        w([insert(2, 0..6), mortal(2, 6..9)].concat()),
    ]);
    // A log of this many files is due for a checkpoint: small collections are copied to its end.
    acts.extend(
        (0..16)
            .map(|n| Act::Refused(insert(2, n..n + 1)))
            .flat_map(|refused| [refused, w(insert(2, 3..4))]),
    );
    acts.extend([Act::Run, Act::Reopen, w(insert(1, 60..75))]);
    // The last file begins in the middle of a session, or with the part that an open copied.
    if ending == Ending::Closed {
        acts.push(Act::Refused(insert(0, 0..1)));
    }
    acts.extend([w(forget), w(insert(2, 4..8)), Act::Advance(700), Act::RunOne]);
    acts.extend([w(deletes(0, 20..24)), w(insert(2, 20..22))]);
    acts
}

impl Golden {
    pub(super) fn new(ending: Ending) -> Result<Self, String> {
        let disk = new_disk(3);
        let mut runner = Runner::new(disk.clone());
        runner.open().map_err(|e| e.to_string())?;
        let mut moments: Vec<Moment> = Vec::new();
        for act in acts(ending) {
            runner.act(&act).map_err(|e| format!("{act:?}: {e}"))?;
            runner.look()?;
            let (files, state) = (contents(&disk.files()), lock(&runner.history).now().clone());
            moments.push(Moment { files, state, wrote: matches!(act, Act::Write { .. }) });
        }
        let killed = disk.files();
        if let Some(store) = runner.store.take() {
            store.close().map_err(|e| e.to_string())?;
        }
        let mut files = if ending == Ending::Closed { disk.files() } else { killed };
        files.damage(&dir().join("RESERVE"), vec![7; 600]).map_err(|e| e.to_string())?;
        let now = runner.clock.wall();
        let contents = contents(&files);
        let log = last_log(&contents).ok_or("there is no log")?;
        let (frames, _) = frames(&contents[&log])?;
        let tail = tail(&moments, &log, now);
        let mut older = Vec::new();
        for (name, bytes) in moments.into_iter().flat_map(|m| m.files) {
            let differs = contents.get(&name).is_some_and(|last| *last != bytes);
            if differs && !older.contains(&(name.clone(), Arc::clone(&bytes))) {
                older.push((name, bytes));
            }
        }
        let manifest = newest(&contents).ok_or("there is no manifest")?;
        let manifest = Manifest::decode(&contents[manifest]).map_err(|e| format!("{e:?}"))?;
        let vouched = manifest.log.last().map_or(0, |entry| entry.synced_len);
        let state = tail.last().map(|t| t.1.clone()).unwrap_or_default();
        Ok(Self { files, now, state, contents, older, log, frames, tail, vouched })
    }

    /// Returns the files whose names start with `prefix`.
    pub(super) fn named(&self, prefix: &str) -> Vec<&String> {
        self.contents.keys().filter(|name| name.starts_with(prefix)).collect()
    }

    /// Returns the name of the manifest in force.
    pub(super) fn manifest(&self) -> &str {
        newest(&self.contents).map_or("", String::as_str)
    }
}

fn newest(contents: &BTreeMap<String, Arc<Vec<u8>>>) -> Option<&String> {
    contents.keys().filter(|n| is_manifest(n)).max()
}

/// The store after an act.
struct Moment {
    files: BTreeMap<String, Arc<Vec<u8>>>,
    state: Model,
    /// True if the act was a write.
    wrote: bool,
}

/// Returns what the store held at each length of a log file, from the durable length in the
/// manifest on.
fn tail(moments: &[Moment], log: &str, now: Timestamp) -> Vec<(usize, Model)> {
    let mut tail = Vec::new();
    let mut before = None::<&Moment>;
    for moment in moments {
        if let Some(bytes) = moment.files.get(log) {
            let unchanged = before.is_some_and(|b| newest(&b.files) == newest(&moment.files));
            // A manifest that was committed meanwhile records the whole length as durable.
            if !moment.wrote && !unchanged {
                tail.clear();
            }
            match before {
                // The file was created in the middle of an act, and was empty at first.
                Some(before) if moment.wrote && !before.files.contains_key(log) => {
                    tail.push((HEADER_LEN, before.state.visible(now)));
                }
                _ => {}
            }
            tail.push((bytes.len(), moment.state.visible(now)));
        }
        before = Some(moment);
    }
    tail
}

fn is_manifest(name: &str) -> bool {
    matches!(FileName::parse(name), Some(FileName::Manifest(_)))
}

/// Returns all files of the store.
pub(super) fn contents(files: &FileSystem) -> BTreeMap<String, Arc<Vec<u8>>> {
    let names = files.names(dir()).unwrap_or_default().into_iter();
    names.filter_map(|n| Some((n.clone(), Arc::clone(files.read(&dir().join(n)).ok()?)))).collect()
}

fn last_log(contents: &BTreeMap<String, Arc<Vec<u8>>>) -> Option<String> {
    contents.keys().rfind(|n| matches!(FileName::parse(n), Some(FileName::Log(_)))).cloned()
}

fn frames(log: &[u8]) -> Result<(Vec<Range<usize>>, Vec<FrameKind>), String> {
    let header = FileHeader::decode(log).map_err(|e| format!("{e:?}"))?;
    let (mut frames, mut kinds, mut at) = (Vec::new(), Vec::new(), HEADER_LEN);
    while at < log.len() {
        let context = FrameContext { salt: header.salt, file: header.file, offset: at as u64 };
        let frame = decode_frame(&log[at..], &context).map_err(|e| e.reason.to_string())?;
        let end = at + crate::format::frame::FRAME_HEAD_LEN + frame.payload.len();
        frames.push(at..end);
        kinds.push(frame.head.kind);
        at += frame.len;
    }
    Ok((frames, kinds))
}

/// Every kind of file is there, also a graph, and the store has the size that the counts rely on.
#[test]
fn the_golden_store_has_every_kind_of_file_and_of_frame() {
    for ending in [Ending::Closed, Ending::Killed] {
        let golden = Golden::new(ending).unwrap();
        for (prefix, count) in [
            ("LOCK", 1),
            ("RESERVE", 1),
            ("MANIFEST-", 2),
            ("seg-", 2),
            ("del-", 1),
            ("idx-", 2),
            ("loc-", 2),
        ] {
            assert!(golden.named(prefix).len() >= count, "{prefix}: {:?}", golden.contents.keys());
        }
        let bytes: usize = golden.contents.values().map(|c| c.len()).sum();
        assert!((40_000..120_000).contains(&bytes), "{bytes}");
        assert!(golden.frames.len() > 4 && golden.tail.len() > 2);
        let logs = golden.named("log-").into_iter().map(|name| &golden.contents[name]);
        let kinds: Vec<FrameKind> = logs.flat_map(|log| frames(log).unwrap().1).collect();
        for kind in [FrameKind::Batch, FrameKind::Copied, FrameKind::Time] {
            assert!(kinds.contains(&kind), "{ending:?}: {kind:?}");
        }
        assert_eq!(kinds.contains(&FrameKind::Close), ending == Ending::Closed);
        let store = open(&SimDisk::new(golden.files.clone(), 1), &new_clock(golden.now)).unwrap();
        let stats = store.stats().unwrap();
        let graphs = stats.collections.iter().flat_map(|c| &c.indexes).map(|i| i.graph);
        let graphs: Vec<bool> = graphs.collect();
        let words = stats.collections.iter().any(|c| c.word_bytes > 0);
        assert_eq!(words, cfg!(feature = "text"));
        assert!(graphs.contains(&true) && graphs.contains(&false), "{graphs:?}");
    }
}
