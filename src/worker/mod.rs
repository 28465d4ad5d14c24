//! Owns background work: jobs that are woken by a notification and take turns on the few threads of
//! the process (`pool`). They can be stopped and waited for, and a panic in one sets the poison.
//! The tasks are closures; their purpose is not known here.

mod lane;
mod notify;
mod pool;

pub(crate) use lane::Lane;
pub(crate) use notify::Notify;
pub(crate) use pool::{Seat, Worker, post};

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::error::Error;
    use crate::poison::Poison;

    #[test]
    fn a_notification_runs_the_task_and_a_drop_waits_for_it() {
        let runs = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&runs);
        let (done, finished) = std::sync::mpsc::channel();
        let wakeup = Arc::new(Notify::default());
        let worker = Worker::start(Lane::Rows, &wakeup, &Arc::default(), move |_| {
            seen.fetch_add(1, Ordering::SeqCst);
            let _ = done.send(());
            Duration::from_secs(3600)
        })
        .unwrap();
        finished.recv().unwrap();
        wakeup.notify();
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
