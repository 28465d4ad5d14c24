//! Deletes and scans by very long lists of ids, few or none of which exist: the time, the bytes of
//! log, and the time of a replay.

use std::time::Instant;

use altiplano::{Background, CollectionOptions, Filter, Metric, Store, StoreOptions};

use crate::process::file_bytes;
use crate::setup::Scratch;
use crate::shared::{Result, expect, memory};
use bench_tools::measure::{Json, thread_cpu_seconds};
use bench_tools::vectors::Rng;

const DIM: usize = 32;
/// All in RAM.
const ROWS: u64 = 4_000;
/// Rows that each delete kills.
const DIE: u64 = 100;

pub(crate) fn run(quick: bool) -> Result<()> {
    let dir = Scratch::new("scale-lists");
    let listed: u64 = if quick { 100_000 } else { 1_000_000 };
    let open = || -> Result<Store> {
        Ok(StoreOptions::new().background(Background::Manual).open(dir.path())?)
    };
    let ms = |begun: Instant| begun.elapsed().as_secs_f64() * 1e3;
    let store = open()?;
    let options = CollectionOptions::new(DIM, Metric::L2).memtable_rows(65_536);
    let all = store.collection("all", options)?;
    all.apply((0..ROWS).map(|id| memory(id, DIM)).collect())?;
    // In no order. Only the first ids exist, and they differ from list to list.
    let mut rng = Rng::new(3);
    let absent: Vec<u64> = (0..listed).map(|_| ROWS + rng.next_u64() / 2).collect();
    let mut left = ROWS;
    for kind in ["few", "none", "all but"] {
        let die = if kind == "none" { 0 } else { DIE };
        let filter = match kind {
            "all but" => Filter::ids(absent.iter().copied().chain(DIE..left)).not(),
            _ => Filter::ids(absent.iter().copied().chain(left - die..left)),
        };
        let begun = Instant::now();
        expect("rows found", all.scan(filter.clone()).count() as u64, die)?;
        let scan_ms = ms(begun);
        let log = file_bytes(dir.path(), "log-")?;
        let (begun, cpu) = (Instant::now(), thread_cpu_seconds());
        expect("rows deleted", all.delete_where(filter)?, die)?;
        let delete_ms = ms(begun);
        let cpu = cpu.zip(thread_cpu_seconds()).map_or(0.0, |(from, to)| to - from);
        left -= die;
        let line = Json::new()
            .field("bench", "scale")
            .field("part", "lists")
            .field("system", "altiplano")
            .field("rows", ROWS)
            .field("listed", listed)
            .field("list", kind)
            .field("died", die)
            .field("scan_ms", scan_ms)
            .field("delete_ms", delete_ms)
            .field("delete_cpu_ms", cpu * 1e3)
            .field("log_bytes", file_bytes(dir.path(), "log-")? - log);
        println!("{}", line.line());
    }
    drop((all, store));
    let begun = Instant::now();
    let store = open()?;
    let open_ms = ms(begun);
    let all = store.get_collection("all").ok_or("the collection is gone")?;
    expect("rows after a replay", all.len()?, left)?;
    let line = Json::new().field("bench", "scale").field("part", "lists, open");
    println!("{}", line.field("listed", listed).field("open_ms", open_ms).line());
    eprintln!("lists: {listed} ids against {ROWS} rows, opened in {open_ms:.1} ms");
    Ok(())
}
