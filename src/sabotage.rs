//! Owns the switches that break the protocol on purpose, one for each place where the order of
//! things or a check matters. They are in test builds only, where the fault matrix must catch every
//! one: a harness that finds nothing proves nothing until it has found these. Syncs, renames and
//! removals have no switches: the matrix leaves each of them out by its place in the code.
//!
//! A switch is of its thread alone, so that tests can run beside each other.

/// Does something wrong while a switch is on: `broken!(PutAsideEarly => put_aside(dir))`.
macro_rules! broken {
    ($switch:ident => $($wrong:tt)+) => {
        if $crate::sabotage::on($crate::sabotage::Sabotage::$switch) {
            $($wrong)+;
        }
    };
}
pub(crate) use broken;

/// Makes the switches and the list of all of them.
macro_rules! switches {
    ($($(#[$what:meta])+ $switch:ident,)+) => {
        /// One way to get the protocol wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(not(test), allow(dead_code, reason = "only tests make them"))]
        pub(crate) enum Sabotage {
            $($(#[$what])+ $switch,)+
        }

        /// All switches.
        #[cfg(test)]
        pub(crate) const ALL: &[Sabotage] = &[$(Sabotage::$switch,)+];
    };
}

switches! {
    /// A failed sync of the log is tried again, and its success believed.
    RetryFailedSync,
    /// Writes go on whatever has failed.
    IgnorePoison,
    /// A batch is acknowledged before the sync that it asked for.
    AcknowledgeEarly,
    /// Each operation of a batch has a frame of its own.
    SplitBatch,
    /// A log file takes frames after one that was cut short.
    AppendAfterFailure,
    /// Zeros pass for a frame.
    ZerosAreFrames,
    /// Every bad frame is taken for a torn tail.
    IgnoreSyncedLen,
    /// A manifest does not say how far the open log is durable.
    ForgetOpenLog,
    /// A manifest is written under its last name.
    ManifestInPlace,
    /// The old manifest is put aside before the new one is in force.
    PutAsideEarly,
    /// Log files go before the manifest that does without them is in force.
    UnlinkLogEarly,
    /// Segments go before the manifest that does without them is in force.
    UnlinkSegmentEarly,
    /// The new files of a job go though the manifest on the disk may name them.
    CleanUpInDoubt,
    /// Numbers of files are given out again after an open.
    ReuseFileNumbers,
    /// Deletes that arrive while rows are moved stay with the old rows.
    DropCarriedDeletes,
    /// Deletes of sealed rows are not written though their log is let go.
    ForgetDeletes,
    /// A seal says that it covers what has arrived since.
    CoverTooMuch,
    /// Log files go as soon as one collection does without them.
    PruneByNewest,
    /// A seal lets go of the log file in which its successor's rows are.
    LetGoOfLog,
    /// Recovery leaves the frames of the last log file behind.
    SkipCopyForward,
    /// Locators stay as they were when rows moved.
    KeepLocators,
    /// Expiry goes by the clock alone, wherever it was set back to.
    RawClock,
    /// What has expired by the clock is destroyed, however wrong the clock is.
    DestroyByRawClock,
    /// A purge keeps the log.
    PurgeKeepsLog,
    /// A purge keeps the codes of dead rows.
    PurgeKeepsCodes,
}

#[cfg(test)]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Sabotage>> = const { std::cell::Cell::new(None) };
}

/// Whether this thread has the switch on.
#[cfg(test)]
pub(crate) fn on(what: Sabotage) -> bool {
    ACTIVE.get() == Some(what)
}

/// Never, outside of tests.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn on(_: Sabotage) -> bool {
    false
}

/// The switch that this thread has on.
#[cfg(test)]
pub(crate) fn active() -> Option<Sabotage> {
    ACTIVE.get()
}

/// Runs `job` with a switch on.
#[cfg(test)]
pub(crate) fn with<T>(what: Option<Sabotage>, job: impl FnOnce() -> T) -> T {
    struct Reset(Option<Sabotage>);
    impl Drop for Reset {
        fn drop(&mut self) {
            ACTIVE.set(self.0);
        }
    }
    let _reset = Reset(ACTIVE.replace(what));
    job()
}
