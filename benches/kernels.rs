//! Nanoseconds per row and bytes per second of the kernels that measure codes, for every
//! instruction set of this processor. The rows lie in the first-level cache, or are gathered at
//! random from 100,000 rows. They are measured in calls of 16 rows, as a graph does, and row after
//! row. A plain read of the same bytes is the yardstick. Also the time to make a code and to encode
//! a query.
//!
//! `cargo bench --bench kernels --features __bench [-- --quick]`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures"
)]

use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use altiplano::Quantization;
use altiplano::testing::kernels::{Encoded, Rows, kernel_sets};
use bench_tools::args::{self, Args, Opt};
use bench_tools::measure::Json;

const OPTIONS: [Opt; 2] = [
    Opt { key: "quick", value: "", help: "one dimension, few passes: only whether it runs" },
    Opt { key: "passes", value: "COUNT", help: "passes, of which the best counts; default 200" },
];

/// Rows per pass.
const PASS: usize = 4096;
/// Rows per call: about the number of new neighbors at a node of a graph.
const CALL: usize = 16;

const CODES: [(Quantization, &str); 5] = [
    (Quantization::Bits1, "1 bit"),
    (Quantization::Bits2, "2 bits"),
    (Quantization::Bits4, "4 bits"),
    (Quantization::Int8, "int8"),
    (Quantization::None, "f32"),
];

fn main() -> ExitCode {
    args::run("How fast codes are measured.", &OPTIONS, bench)
}

fn bench(args: &Args) -> Result<bool, Box<dyn Error>> {
    let quick = args.has("quick");
    let passes: usize = args.get_or("passes", if quick { 2 } else { 200 })?;
    let (dimensions, rows) =
        if quick { (&[384][..], 10_000) } else { (&[100, 384, 768][..], 100_000) };
    eprintln!("kernels  codes    dim  rows                ns/row    GB/s");
    for &dimension in dimensions {
        for (codes, name) in CODES {
            Case { rows: &Rows::new(codes, dimension, rows), count: rows, dimension, name, passes }
                .run();
        }
    }
    Ok(true)
}

struct Case<'a> {
    rows: &'a Rows,
    count: u32,
    dimension: usize,
    name: &'a str,
    passes: usize,
}

impl Case<'_> {
    fn run(&self) {
        // As many rows as fill half the first-level cache, over and over.
        let hot = (16_384 / self.rows.row_bytes()).max(1) as u32;
        let hot: Vec<u32> = (0..PASS as u32).map(|i| i % hot).collect();
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((state >> 33) % u64::from(self.count)) as u32
        };
        let gathered: Vec<u32> = (0..PASS).map(|_| random()).collect();
        let in_order: Vec<u32> = (0..self.count).collect();
        let mut out = Vec::new();
        for set in kernel_sets() {
            let query = self.rows.query(set);
            for (place, nodes) in [("hot", &hot), ("gathered", &gathered)] {
                let calls = || nodes.chunks(CALL).for_each(|c| query.distances(c, &mut out));
                self.tell(set, place, self.passes, PASS, calls);
            }
            let calls = || in_order.chunks(256).for_each(|c| query.distances(c, &mut out));
            self.tell(set, "scanned", self.passes.div_ceil(20), in_order.len(), calls);
            // For codes with signs: the time to see by the signs that a row is too far away.
            let mut call = Vec::new();
            for (place, nodes) in [("looked at", &gathered), ("looked at all", &in_order)] {
                let mut look = |nodes: &[u32]| {
                    call.clear();
                    call.extend_from_slice(nodes);
                    query.look(&mut call, &mut out);
                };
                let passes = self.passes.div_ceil(nodes.len() / PASS);
                if self.name == "4 bits" {
                    let looks = || nodes.chunks(CALL).for_each(&mut look);
                    self.tell(set, place, passes, nodes.len(), looks);
                }
            }
            if self.name == "4 bits" {
                let passes = self.passes.div_ceil(in_order.len() / PASS);
                let looks = || query.look_at_blocks(&mut call);
                self.tell(set, "signs in blocks", passes, in_order.len(), looks);
            }
        }
        let pairs = || gathered.chunks(CALL).for_each(|c| self.rows.pairs(c, &mut out));
        self.tell(kernel_sets()[0], "gathered pairs", self.passes, PASS, pairs);
        for (place, nodes) in [("hot", &hot), ("gathered", &gathered)] {
            self.tell("read", place, self.passes, PASS, || {
                black_box(self.rows.read(nodes));
            });
        }
        self.tell("read", "scanned", self.passes.div_ceil(20), in_order.len(), || {
            black_box(self.rows.read(&in_order));
        });
        let mut made = Encoded::default();
        self.tell("make", "codes", self.passes, 256, || self.rows.encode(256, &mut made));
        self.tell("make", "queries", self.passes, 256, || self.rows.encode_queries(256));
    }

    /// Prints the best of `passes` passes over `rows` rows.
    fn tell(&self, set: &str, place: &str, passes: usize, rows: usize, mut pass: impl FnMut()) {
        let mut best = f64::INFINITY;
        for _ in 0..passes {
            let begun = Instant::now();
            pass();
            best = best.min(begun.elapsed().as_secs_f64());
        }
        let (ns, bytes) = (best * 1e9 / rows as f64, self.rows.row_bytes());
        let rate = bytes as f64 / ns;
        let line = Json::new()
            .field("bench", "kernels")
            .field("kernels", set)
            .field("codes", self.name)
            .field("dim", self.dimension)
            .field("rows", place)
            .field("row_bytes", bytes)
            .field("ns_per_row", ns)
            .field("gb_per_s", rate);
        println!("{}", line.line());
        let (name, dimension) = (self.name, self.dimension);
        eprintln!("{set:8} {name:7} {dimension:4}  {place:16} {ns:9.1} {rate:7.1}");
    }
}
