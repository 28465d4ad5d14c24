//! Tests of `measure.rs` and `args.rs` of `benches/tools`.

use std::fs;
use std::time::Duration;

use bench_tools::args::{Args, Opt, Stop};
use bench_tools::measure::*;

#[test]
fn memory_is_read_from_the_status_text() {
    let status = "VmRSS:\t 900 kB\nRssAnon:\t     700 kB\nRssFile:\t     200 kB\nRssShmem: 0 kB\n";
    let rss = Rss::parse(status).unwrap();
    assert_eq!(rss, Rss { anon_bytes: 700 * 1024, file_bytes: 200 * 1024 });
    assert_eq!(rss.total(), 900 * 1024);
    assert_eq!(Rss::parse("RssAnon: 7 kB\n"), None);
    assert_eq!(Rss::parse("RssAnon: x kB\nRssFile: 1 kB\n"), None);
}

#[test]
fn processor_time_skips_a_name_with_blanks_and_parentheses() {
    let stat = "7 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0";
    assert_eq!(stat_seconds(stat), Some(3.0));
    assert_eq!(stat_seconds("7 (short) S 1 2"), None);
    assert_eq!(stat_seconds(""), None);
}

#[cfg(target_os = "linux")]
#[test]
fn this_process_is_measured() {
    let block = vec![1u8; 32 << 20];
    assert!(Rss::now().unwrap().anon_bytes >= block.len() as u64);
    drop(block);
    assert!(allowed_cores().is_some());
    let work = || {
        let start = std::time::Instant::now();
        let mut x = 1u64;
        while start.elapsed() < Duration::from_millis(40) {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
        (cpu_seconds(Some("measured-thread-x")), cpu_seconds(Some("no-such-thread")))
    };
    let named = std::thread::Builder::new().name("measured-thread-x".to_owned());
    let (own, other) = named.spawn(work).unwrap().join().unwrap();
    assert!(own.unwrap() > 0.005 && own.unwrap() < 5.0, "{own:?}");
    assert_eq!(other, Some(0.0));
    assert!(cpu_seconds(None).is_some());
}

#[cfg(target_os = "linux")]
#[test]
fn time_of_this_thread_leaves_sleep_and_other_threads_out() {
    let mut x = 1u64;
    let mut work = |rounds: u64| {
        let before = thread_cpu_seconds().unwrap();
        for _ in 0..rounds {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
        thread_cpu_seconds().unwrap() - before
    };
    let (one, four) = (work(20_000_000), work(80_000_000));
    assert!(one > 0.0 && four > 1.5 * one, "{one} {four}");
    let before = thread_cpu_seconds().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let busy =
        std::thread::spawn(|| (0..20_000_000u64).fold(1, |x, i| std::hint::black_box(x ^ i)));
    std::hint::black_box(busy.join().unwrap());
    let waited = thread_cpu_seconds().unwrap() - before;
    assert!(waited < one.max(0.02), "{waited} {one}");
}

#[cfg(unix)]
#[test]
fn blocks_are_counted_and_not_lengths() {
    let dir = std::env::temp_dir().join(format!("measure-{}", std::process::id()));
    fs::create_dir_all(dir.join("deep")).unwrap();
    fs::write(dir.join("full"), vec![7; 100_000]).unwrap();
    fs::write(dir.join("deep/more"), vec![7; 50_000]).unwrap();
    fs::File::create(dir.join("hole")).unwrap().set_len(1 << 30).unwrap();
    let bytes = allocated_bytes(&dir);
    let gone = allocated_bytes(&dir.join("none"));
    fs::remove_dir_all(&dir).unwrap();
    let bytes = bytes.unwrap();
    assert!((150_000..1 << 20).contains(&bytes), "{bytes}");
    assert!(gone.is_err());
}

#[test]
fn percentiles_and_medians_are_values_of_the_sample() {
    let samples = (1..=200).rev().map(Duration::from_millis).collect();
    let p = Percentiles::of(samples);
    assert_eq!([p.p50, p.p99, p.max], [100, 198, 200].map(Duration::from_millis));
    assert_eq!(Percentiles::of(vec![]), Percentiles::default());
    let one = Percentiles::of(vec![Duration::from_secs(3)]);
    assert_eq!(one.p50, one.p99);
    assert_eq!(median(&[5.0, 1.0, 3.0]), 3.0);
    assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    assert!(median(&[]).is_nan());
}

#[test]
fn a_slope_comes_with_its_error() {
    let (exact, error) = slope(&[1.0, 3.0, 5.0, 7.0]);
    assert!((exact - 2.0).abs() < 1e-12 && error < 1e-12);
    // By hand: x = 0..3, y = 1, 2, 2, 3; slope 0.6, residual sum 0.2, error sqrt(0.1 / 5).
    let (value, error) = slope(&[1.0, 2.0, 2.0, 3.0]);
    assert!((value - 0.6).abs() < 1e-12 && (error - 0.02f64.sqrt()).abs() < 1e-12);
    assert_eq!(slope(&[2.0, 5.0]), (3.0, f64::INFINITY));
    assert!(slope(&[2.0]).0.is_nan() && slope(&[]).1.is_nan());
}

#[test]
fn json_lines_are_escaped() {
    let line = Json::new()
        .field("bench", "re\"call\\\n\u{1}é")
        .field("n", 7usize)
        .field("big", u64::MAX)
        .field("qps", 0.25)
        .field("whole", 3.0)
        .field("none", f64::NAN)
        .field("missing", None::<u64>)
        .field("some", Some(-4i64))
        .field("ok", true)
        .line();
    let expected = r#"{"bench":"re\"call\\\n\u0001é","n":7,"big":18446744073709551615,"qps":0.25,"whole":3,"none":null,"missing":null,"some":-4,"ok":true}"#;
    assert_eq!(line, expected);
    assert_eq!(Json::new().line(), "{}");
}

const KNOWN: [Opt; 3] = [
    Opt { key: "live", value: "N", help: "memories alive" },
    Opt { key: "ef", value: "LIST", help: "search widths" },
    Opt { key: "quick", value: "", help: "small run" },
];

fn parse(line: &str) -> Result<Args, Stop> {
    Args::parse("churn", &KNOWN, line.split_whitespace().map(str::to_owned))
}

#[test]
fn arguments_are_read() {
    let args = parse("--bench --live 20 --quick --ef=1,2").unwrap();
    assert_eq!(args.get::<usize>("live"), Ok(Some(20)));
    assert_eq!(args.get_or("live", 5usize), Ok(20));
    assert_eq!(args.list::<u32>("ef"), Ok(Some(vec![1, 2])));
    assert!(args.has("quick"));
    let none = parse("").unwrap();
    assert_eq!(none.get_or("live", 5usize), Ok(5));
    assert!(!none.has("quick") && none.text("ef").is_none());
    assert_eq!(parse("--live -3").unwrap().get::<i64>("live"), Ok(Some(-3)));
}

#[test]
fn wrong_arguments_are_named() {
    for (line, message) in [
        ("--lives 20", "unknown option --lives"),
        ("--live", "--live needs a value: N"),
        ("--live --quick", "--live needs a value: N"),
        ("--quick=1", "--quick takes no value"),
        ("--live 1 --live 2", "--live is given twice"),
        ("stray", "unexpected argument \"stray\""),
    ] {
        let stop = parse(line).unwrap_err();
        assert!(stop.text.starts_with(message) && !stop.asked, "{}", stop.text);
        assert!(stop.text.contains("--live N"), "{}", stop.text);
    }
    let args = parse("--live many --ef 1,x").unwrap();
    let stop = args.get::<usize>("live").unwrap_err();
    assert!(stop.text.starts_with("--live \"many\": invalid digit"), "{}", stop.text);
    assert!(args.list::<u32>("ef").is_err());
    let help = parse("--help").unwrap_err();
    assert!(help.asked && help.text.starts_with("churn\n"));
}
