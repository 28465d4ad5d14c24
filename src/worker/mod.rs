//! Owns background work: jobs that are rung awake, take turns on the few threads of the process
//! (`pool`), are stopped and waited for, and turn a panic into poison. Knows no tasks: it is given
//! closures.

mod lane;
mod pool;

use crate::sync::{Mutex, lock};
pub(crate) use lane::Lane;
use pool::Desk;
pub(crate) use pool::{Seat, Worker, post};

#[derive(Debug, Default)]
struct Flags {
    woken: bool,
    stopping: bool,
    /// Where it rings, while there is a job.
    desk: Option<Desk>,
}

/// The bell of a job: anyone may ring it. No lock is held where it rings.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    flags: Mutex<Flags>,
}

impl Bell {
    /// Makes the job run soon.
    pub(crate) fn ring(&self) {
        let mut flags = lock(&self.flags);
        flags.woken = true;
        let desk = flags.desk.clone();
        drop(flags);
        if let Some(desk) = desk {
            desk.ring();
        }
    }

    /// Whether the job was told to stop; long tasks ask now and then.
    pub(crate) fn is_stopping(&self) -> bool {
        lock(&self.flags).stopping
    }

    /// Whether it was rung since it was last answered or asked.
    #[cfg(test)]
    pub(crate) fn take_ring(&self) -> bool {
        std::mem::take(&mut lock(&self.flags).woken)
    }

    fn attach(&self, desk: Desk) {
        lock(&self.flags).desk = Some(desk);
    }

    fn is_rung(&self) -> bool {
        lock(&self.flags).woken
    }

    /// The job begins: what rings from now on asks for another turn.
    fn answer(&self) {
        lock(&self.flags).woken = false;
    }

    fn stop(&self) {
        let mut flags = lock(&self.flags);
        flags.stopping = true;
        let desk = flags.desk.take();
        drop(flags);
        drop(desk);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::error::Error;
    use crate::poison::Poison;

    #[test]
    fn a_ring_runs_the_task_and_a_drop_waits_for_it() {
        let runs = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&runs);
        let (done, finished) = std::sync::mpsc::channel();
        let bell = Arc::new(Bell::default());
        let worker = Worker::start(Lane::Rows, &bell, &Arc::default(), move |_| {
            seen.fetch_add(1, Ordering::SeqCst);
            let _ = done.send(());
            Duration::from_secs(3600)
        })
        .unwrap();
        finished.recv().unwrap();
        bell.ring();
        finished.recv().unwrap();
        drop(worker);
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_panic_in_a_task_is_poison() {
        let poison = Arc::new(Poison::default());
        let task = |_: &Seat<'_>| -> Duration { std::panic::resume_unwind(Box::new("planted")) };
        let worker = Worker::start(Lane::Index, &Arc::default(), &poison, task).unwrap();
        while !poison.is_set() {
            std::thread::yield_now();
        }
        drop(worker);
        assert!(matches!(poison.check(), Err(Error::Poisoned { .. })));
    }
}
