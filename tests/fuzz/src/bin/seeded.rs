//! Runs every target on seeded random inputs, without a fuzzer and on any toolchain: `seeded [runs
//! for each target [first seed [target]]]`. Prints counts, the peak of heap bytes and the slowest
//! input of each target. A failure prints its seed.

use std::time::{Duration, Instant};

use altiplano::testing::hostile::{prepare, random_input};
use altiplano_fuzz::{Counting, bounded, targets};

#[global_allocator]
static COUNTING: Counting = Counting;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| args.get(at).and_then(|n| n.parse::<u64>().ok());
    let (runs, first) = (number(0).unwrap_or(20_000), number(1).unwrap_or(0));
    println!("golden store: {} bytes", prepare());
    for target in targets() {
        if args.get(2).is_some_and(|name| name != target.name) {
            continue;
        }
        (target.run)(&[]);
        let (start, mut accepted, mut most) = (Instant::now(), 0u64, 0);
        let mut slowest = (Duration::ZERO, 0);
        for seed in first..first + runs {
            let input = random_input(seed);
            let before = Instant::now();
            let run = std::panic::catch_unwind(|| bounded(&target, &input));
            let Ok((taken, bytes)) = run else {
                eprintln!("{}: seed {seed} failed: {input:02x?}", target.name);
                std::process::exit(1);
            };
            accepted += u64::from(taken);
            most = most.max(bytes);
            slowest = slowest.max((before.elapsed(), seed));
        }
        println!(
            "{}: {runs} inputs in {:.1} s, {accepted} accepted, at most {most} bytes of heap, \
             slowest {:?} (seed {}): ok",
            target.name,
            start.elapsed().as_secs_f64(),
            slowest.0,
            slowest.1,
        );
    }
}
