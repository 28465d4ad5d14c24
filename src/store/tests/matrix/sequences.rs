//! Owns the model test: drawn sequences of acts, with a crash at a random operation of some of
//! them. They are compared with the model and its exact nearest neighbors. Held readers see the
//! moment at which they began.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use super::answers::Answers;
use super::check::text_of;
use super::model::{Model, NAMES, Row};
use super::record::Runner;
use super::run::{self, each, report, seed, sized};
use super::script::{Act, random};
use super::setup::new_disk;
use crate::search::Iter;
use crate::splitmix::SplitMix;
use crate::sync::lock;
use crate::testing::sim::{FileSystem, Op};

/// The files at some operation, and the states that a kill or a power cut may leave there.
pub(super) struct Moment {
    files: FileSystem,
    from_kill: usize,
    from_cut: usize,
    states: Vec<Model>,
}

/// Captures the moment of the n-th operation from now.
pub(super) fn watch(runner: &Runner, mut skip: u64) -> Arc<Mutex<Option<Moment>>> {
    let seen: Arc<Mutex<Option<Moment>>> = Arc::default();
    let (to, history) = (Arc::clone(&seen), Arc::clone(&runner.history));
    runner.disk.observe(move |_: &Op, files| {
        if skip == 0 {
            let history = lock(&history);
            let allowed = history.allowed();
            let states = history.states[..=allowed.to].to_vec();
            let (from_kill, from_cut) = (allowed.from_kill, allowed.from_cut);
            *lock(&to) = Some(Moment { files: files.clone(), from_kill, from_cut, states });
        }
        skip = skip.wrapping_sub(1);
    });
    seen
}

/// Continues with one of the images that a crash at this moment may leave.
pub(super) fn crash(runner: &mut Runner, moment: Moment, rng: &mut SplitMix) -> Result<(), String> {
    let mut images = moment.files.images(rng.next(), 4);
    let image = images.swap_remove(rng.below(images.len() as u64) as usize);
    let from = if image.is_kill { moment.from_kill } else { moment.from_cut };
    runner
        .restart(image.files, &moment.states[from..])
        .map_err(|wrong| format!("{}: {wrong}", image.label))
}

/// Readers that began at one moment, and what they must see.
struct Held {
    state: Model,
    readers: Vec<(usize, Iter)>,
}

impl Held {
    fn new(runner: &Runner) -> Option<Self> {
        let store = runner.store.as_ref()?;
        let state = lock(&runner.history).now().visible(store.now());
        let open = |c: &usize| Some((*c, store.get_collection(NAMES[*c])?.iter()));
        let readers = state.0.keys().filter_map(open).collect();
        Some(Self { state, readers })
    }

    /// Reads them to the end.
    fn release(self) -> Result<(), String> {
        let mut found = Model::default();
        for (c, reader) in self.readers {
            let rows = found.0.entry(c).or_default();
            for memory in reader {
                let memory = memory.map_err(|e| format!("a held reader: {e}"))?;
                let text = memory.text.as_deref().unwrap_or_default().to_owned();
                let expires = memory.expiry().unwrap_or(crate::Timestamp::MAX);
                let (importance, kind) = ((memory.importance * 100.0).round() as u8, memory.kind);
                let uses = memory.uses;
                let row = Row { text, expires, importance, kind, uses };
                rows.insert(memory.id.as_u128() as u64, row);
            }
        }
        match found == self.state {
            true => Ok(()),
            false => Err(format!("a held reader: {}", self.state.difference(&found))),
        }
    }
}

/// Runs one sequence. Returns the number of crashes in it.
fn sequence(seed: u64, acts: usize) -> Result<u64, String> {
    let mut rng = SplitMix(seed ^ 0x5E0);
    let mut runner = Runner::new(new_disk(seed));
    runner.open().map_err(|e| e.to_string())?;
    let (mut crashes, mut held) = (0, None::<Held>);
    for (i, act) in random(seed, acts).acts.iter().enumerate() {
        let at = |wrong: String| format!("act {i} ({act:?}): {wrong}");
        let moment = (rng.below(5) == 0).then(|| watch(&runner, rng.below(14)));
        runner.act(act).map_err(|e| at(e.to_string()))?;
        runner.disk.no_observer();
        if i % 9 == 8 {
            held.take().map_or(Ok(()), Held::release).map_err(at)?;
            held = Held::new(&runner);
        }
        if let Some(moment) = moment.and_then(|m| lock(&m).take()) {
            held.take().map_or(Ok(()), Held::release).map_err(at)?;
            crash(&mut runner, moment, &mut rng).map_err(at)?;
            crashes += 1;
        }
        runner.look().map_err(at)?;
        if i % 4 == 0 || matches!(act, Act::Compact | Act::Run) {
            ask(&runner).map_err(at)?;
        }
    }
    held.take().map_or(Ok(()), Held::release)?;
    Ok(crashes)
}

/// Checks that every answer is right, and that of a scan exact.
pub(super) fn ask(runner: &Runner) -> Result<(), String> {
    let Some(store) = &runner.store else { return Ok(()) };
    let state = lock(&runner.history).now().visible(store.now());
    let mut answers = Answers { strict: true, ..Answers::default() };
    answers.ask(store, &state)?;
    match answers.errors {
        0 => Ok(()),
        errors => Err(format!("{errors} answers failed")),
    }
}

/// Runs a job, with a panic reported as an error.
pub(super) fn safely(job: impl FnOnce() -> Result<u64, String>) -> Result<u64, String> {
    catch_unwind(AssertUnwindSafe(job))
        .unwrap_or_else(|panic| Err(format!("it panics: {}", text_of(panic.as_ref()))))
}

#[test]
fn drawn_sequences_with_crashes_answer_like_the_model_i4_i6_i8_i12() {
    let (count, seed) = (sized(24, 200, 2000), seed());
    report("sequences of 60 acts", "crashes in them", count as u64, || {
        each(count, |n| {
            let mut row = run::Row { cases: 1, ..run::Row::default() };
            let seed = seed.wrapping_mul(31).wrapping_add(n as u64);
            match safely(|| sequence(seed, 60)) {
                Ok(crashes) => row.inner += crashes,
                Err(wrong) => row.failures.push(format!("sequence {seed}: {wrong}")),
            }
            row
        })
    });
}
