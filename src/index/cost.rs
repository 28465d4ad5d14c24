//! Owns the cost of each access path of an index, so that the cheapest can be chosen. Costs are
//! nanoseconds for a code in a scan, a code in a graph and a full row. They hold for one kind of
//! codes, one dimension and the kernels of this processor.
//!
//! The time of the kernels is measured once per process and kind, on codes in the cache, with the
//! store's clock. The time of memory is added per byte. With a clock that stands still all costs
//! are assumed, whatever other stores of the process have measured, so that tests are repeatable.
//! Nothing is stored.

use std::sync::Mutex;

use crate::clock::Clock;
use crate::sync::lock_std;
use crate::vector::codes::{CodeBuffer, CodeSpec, FastScanBlocks, Measure, Query};
use crate::vector::kernel::blocks::ROWS;

/// Rows on which the kernels are measured.
const SAMPLE: u32 = 256;
/// Rounds of a measurement; the fastest counts.
const ROUNDS: usize = 5;
/// Assumed time of a kernel: nanoseconds per byte, and per call.
const KERNEL: (f32, f32) = (0.03, 4.0);
/// Nanoseconds that memory adds per byte, read in order (`IN_ORDER`) or of a prefetched row
/// (`GATHERED`). Measured on 20 to 40 MB of codes with one core, which reads some 30 GB/s in order.
const IN_ORDER: f32 = 0.03;
const GATHERED: f32 = 0.025;
/// Nanoseconds per node of a graph besides its distance: the check whether it was met, its place in
/// the pool, its share of a neighbor list.
const NODE: f32 = 10.0;
/// Nanoseconds of a full row: for its checksums and columns, and per byte of its vector.
const ROW: (f32, f32) = (120.0, 0.12);
/// Nanoseconds to look up the node of a row.
const LOOK_UP: f32 = 4.0;
/// Shares of the codes that pass the sign filter: in a graph (`PASS`), where all nodes are near,
/// and elsewhere (`PASS_ANYWHERE`).
const PASS: f32 = 0.35;
const PASS_ANYWHERE: f32 = 0.05;

/// Nanoseconds of the kernels for a code in the cache.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kernel {
    /// The whole code.
    whole: f32,
    /// The sign filter; 0 for codes without signs.
    look: f32,
    /// The sign filter on FastScan blocks; 0 for codes without signs.
    blocks: f32,
}

/// Costs in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Costs {
    /// A code in a scan of all codes.
    pub(crate) scanned: f32,
    /// A code in a scan of an index with FastScan blocks.
    pub(crate) scanned_blocks: f32,
    /// A code in a graph.
    pub(crate) evaluation: f32,
    /// The code of a matching row.
    pub(crate) gathered: f32,
    /// A full vector with its checksum.
    pub(crate) row: f32,
}

static MEASURED: Mutex<Vec<(CodeSpec, Kernel)>> = Mutex::new(Vec::new());

impl Costs {
    /// Returns the costs of these codes.
    pub(crate) fn of(spec: CodeSpec, clock: &dyn Clock) -> Self {
        if !runs(clock) {
            return Self::assumed(spec);
        }
        let mut measured = lock_std(&MEASURED);
        if let Some((_, kernel)) = measured.iter().find(|(known, _)| *known == spec) {
            return Self::with_kernel(spec, *kernel);
        }
        match measure(spec, clock) {
            Some(kernel) => {
                measured.push((spec, kernel));
                Self::with_kernel(spec, kernel)
            }
            None => Self::assumed(spec),
        }
    }

    fn assumed(spec: CodeSpec) -> Self {
        let time = |bytes: usize| KERNEL.0 * bytes as f32 + KERNEL.1;
        let look = spec.look_bytes().map_or(0.0, time);
        let blocks = spec.block_bytes().map_or(0.0, |bytes| KERNEL.0 * (bytes / ROWS) as f32);
        Self::with_kernel(spec, Kernel { whole: time(spec.row_bytes()), look, blocks })
    }

    fn with_kernel(spec: CodeSpec, kernel: Kernel) -> Self {
        let bytes = spec.row_bytes() as f32;
        let whole = kernel.whole + bytes * GATHERED;
        let (gathered, near, scanned) = match spec.look_bytes() {
            Some(looked) => {
                let look = kernel.look + looked as f32 * GATHERED;
                let in_order = kernel.look.max(looked as f32 * IN_ORDER);
                let pass = PASS_ANYWHERE * whole;
                (look + pass, look + PASS * whole, in_order + pass)
            }
            None => (whole, whole, kernel.whole.max(bytes * IN_ORDER)),
        };
        let scanned_blocks = spec.block_bytes().map_or(scanned, |bytes| {
            let in_order = (bytes / ROWS) as f32 * IN_ORDER;
            kernel.blocks.max(in_order) + PASS_ANYWHERE * whole
        });
        Self {
            scanned: scanned + 1.0,
            scanned_blocks: scanned_blocks + 1.0,
            evaluation: near + NODE,
            gathered: gathered + LOOK_UP,
            row: ROW.0 + ROW.1 * 4.0 * spec.dimension as f32,
        }
    }
}

/// Returns whether the clock goes on while a little work is done.
fn runs(clock: &dyn Clock) -> bool {
    let begun = clock.monotonic();
    (0..SAMPLE).for_each(|i| {
        std::hint::black_box(i);
    });
    clock.monotonic() > begun
}

/// Measures the kernels; `None` if they take less time than the clock can tell.
fn measure(spec: CodeSpec, clock: &dyn Clock) -> Option<Kernel> {
    let vector = |i: u32| -> Vec<f32> {
        let value = |j: usize| ((i as usize * 31 + j * 17) % 61) as f32 / 61.0 - 0.5;
        (0..spec.dimension).map(value).collect()
    };
    let mut codes = CodeBuffer::new(spec, SAMPLE as usize);
    (0..SAMPLE).for_each(|i| codes.push(&vector(i)));
    let query = Query::new(spec, vector(SAMPLE));
    let nodes: Vec<u32> = (0..SAMPLE).collect();
    let (rows, mut out) = (codes.rows(), Vec::with_capacity(nodes.len()));
    let fastest = |pass: &mut dyn FnMut()| {
        let round = || {
            let begun = clock.monotonic();
            pass();
            clock.monotonic().saturating_sub(begun)
        };
        let fastest = std::iter::repeat_with(round).take(ROUNDS).min()?;
        (!fastest.is_zero()).then(|| fastest.as_nanos() as f32 / SAMPLE as f32)
    };
    let calls = || nodes.chunks(32);
    let whole = fastest(&mut || calls().for_each(|c| query.distances(&rows, c, &mut out)))?;
    if spec.look_bytes().is_none() {
        return Some(Kernel { whole, look: 0.0, blocks: 0.0 });
    }
    let (measure, mut some) = (query.over(&rows), Vec::with_capacity(nodes.len()));
    // With this bound no code passes the sign filter.
    let look = fastest(&mut || {
        for nodes in calls() {
            some.clear();
            some.extend_from_slice(nodes);
            measure.sift(f32::MIN, 1.0, &mut some, &mut out);
        }
    })?;
    let signs = rows.sign_blocks().unwrap_or_default();
    let signs = FastScanBlocks::new(spec, &signs, SAMPLE);
    let blocks = match (signs, query.block_sieve(1.0)) {
        // One call measures all blocks.
        (Some(signs), Some(sieve)) => {
            fastest(&mut || measure.sift_blocks(&sieve, &signs, 0, f32::MIN, &mut some))?
        }
        _ => 0.0,
    };
    Some(Kernel { whole, look, blocks })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::clock::{ManualClock, Timestamp};
    use crate::options::{Metric, Quantization};

    /// A clock that goes on by 20 ns for each row of the sample, whenever it is asked.
    #[derive(Debug, Default)]
    struct Ticking(AtomicU32);

    impl Clock for Ticking {
        fn wall(&self) -> Timestamp {
            Timestamp::EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::from_nanos(20) * SAMPLE * self.0.fetch_add(1, Ordering::Relaxed)
        }
    }

    #[test]
    fn a_clock_that_stands_still_gives_what_is_assumed_and_one_that_runs_a_measurement() {
        let spec = CodeSpec::new(Quantization::Int8, Metric::L2, 333);
        let still = ManualClock::new(Timestamp::from_millis(1));
        assert_eq!(Costs::of(spec, &still), Costs::assumed(spec));
        let ticking = Ticking::default();
        let first = Costs::of(spec, &ticking);
        assert_eq!(first, Costs::with_kernel(spec, Kernel { whole: 20.0, look: 0.0, blocks: 0.0 }));
        // Costs are measured only once; two looks tell that the clock runs.
        let asked = ticking.0.load(Ordering::Relaxed);
        assert_eq!(Costs::of(spec, &ticking), first);
        assert_eq!(ticking.0.load(Ordering::Relaxed), asked + 2);
        // What one store has measured changes nothing for a store whose clock stands still.
        assert_eq!(Costs::of(spec, &still), Costs::assumed(spec));
        assert!(first.scanned < first.evaluation && first.gathered < first.row, "{first:?}");
        // A code that the sign filter can reject is not measured as a whole.
        let (whole, looked) = (Quantization::Int8, Quantization::Bits4);
        let of = |codes| Costs::of(CodeSpec::new(codes, Metric::L2, 768), &still);
        assert!(of(looked).scanned < of(whole).scanned, "{:?}", of(looked));
        assert!(of(looked).scanned_blocks < of(looked).scanned, "{:?}", of(looked));
    }
}
