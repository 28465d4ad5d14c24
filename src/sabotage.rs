//! Owns the switches that break the protocol on purpose: one for each place where an order or a
//! check matters. They exist in test builds only. The fault matrix must catch every one, because a
//! harness that finds nothing proves nothing until it has found these. Syncs, renames and removals
//! have no switches: the matrix leaves out each of them by its place in the code.
//!
//! A switch affects its own thread only, so that tests can run in parallel.

/// Runs wrong code while a switch is on: `broken!(PutAsideEarly => put_aside(dir))`.
macro_rules! broken {
    ($switch:ident => $($wrong:tt)+) => {
        if $crate::sabotage::on($crate::sabotage::Sabotage::$switch) {
            $($wrong)+;
        }
    };
}
pub(crate) use broken;

/// Defines the switches and the list of all of them.
macro_rules! switches {
    ($($(#[$what:meta])+ $switch:ident,)+) => {
        /// One way to break the protocol.
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
    /// A failed sync of the log is repeated, and its success is believed.
    RetryFailedSync,
    /// Writes continue after any failure.
    IgnorePoison,
    /// A batch is acknowledged before the sync that it asked for.
    AcknowledgeEarly,
    /// Each operation of a batch has a frame of its own.
    SplitBatch,
    /// A log file takes more frames after a failed append.
    AppendAfterFailure,
    /// Zeros are accepted as a frame.
    ZerosAreFrames,
    /// Every bad frame is taken for a torn tail.
    IgnoreSyncedLen,
    /// A manifest does not record how far the open log is durable.
    ForgetOpenLog,
    /// A manifest is written under its final name.
    ManifestInPlace,
    /// The old manifest is put aside before the new one is in force.
    PutAsideEarly,
    /// Log files are removed before the manifest that no longer needs them is in force.
    UnlinkLogEarly,
    /// Segments are removed before the manifest that no longer needs them is in force.
    UnlinkSegmentEarly,
    /// The new files of a job are removed though the manifest on the disk may name them.
    CleanUpInDoubt,
    /// File numbers are assigned again after an open.
    ReuseFileNumbers,
    /// Deletes that arrive while rows are copied stay with the old rows.
    DropCarriedDeletes,
    /// Changes that arrive while rows are copied stay with the old rows.
    DropCarriedChanges,
    /// Changes of sealed rows are not written though the log that holds them is released.
    ForgetChanges,
    /// Deletes of sealed rows are not written though the log that holds them is released.
    ForgetDeletes,
    /// A replay takes rows of segments for older than every operation that it repeats.
    ReplayOverLaterChanges,
    /// A replay adds uses to rows that have them already.
    CountUsesTwice,
    /// A seal claims to cover operations that arrived after it began.
    CoverTooMuch,
    /// Log files are removed as soon as one collection no longer needs them.
    PruneByNewest,
    /// A seal releases the log file that holds the rows of the next memtable.
    LetGoOfLog,
    /// Recovery does not copy the frames of the last log file.
    SkipCopyForward,
    /// Locators are not updated when rows move.
    KeepLocators,
    /// Expiry follows the clock alone, even if the clock was set back.
    RawClock,
    /// Memories that have expired by the clock are destroyed, however wrong the clock is.
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

/// Returns true if the switch is on in this thread.
#[cfg(test)]
pub(crate) fn on(what: Sabotage) -> bool {
    ACTIVE.get() == Some(what)
}

/// Always false outside of tests.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn on(_: Sabotage) -> bool {
    false
}

/// Returns the switch that is on in this thread.
#[cfg(test)]
pub(crate) fn active() -> Option<Sabotage> {
    ACTIVE.get()
}

/// Runs `job` with a switch on; with none for `None`.
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
