//! Owns the run of one library, in two processes of its own: one builds, the other searches.

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use crate::data::data;
use crate::peer::{Metric, Peer, Result, Steps};
use crate::setup::K;
use crate::steps::{self, Point, number};
use crate::{churn, peers};
use bench_tools::args::Args;
use bench_tools::measure::{self, Rss};

/// One library's figures.
pub struct Measured {
    pub parameters: String,
    pub build_s: f64,
    pub build_cpu_s: f64,
    pub open_ms: f64,
    pub disk_bytes: u64,
    pub points: Vec<Point>,
}

/// Lets a library build in `dir` and then search there, in processes of their own.
pub fn measure(args: &Args, peer: &str, work: &Path, dir: &Path) -> Result<Measured> {
    std::fs::create_dir_all(dir)?;
    let own = |step: &str| {
        let dir = dir.to_string_lossy().into_owned();
        [("step", step.to_owned()), ("peer", peer.to_owned()), ("dir", dir)]
    };
    let built = steps::start(args, None, &own("build"))?;
    let found = steps::start(args, Some(work), &own("search"))?;
    let built = built.first().ok_or("nothing was built")?;
    let (head, points) = found.split_first().ok_or("nothing was searched")?;
    Ok(Measured {
        parameters: head["parameters"].as_str().unwrap_or_default().to_owned(),
        build_s: number(built, "build_s"),
        build_cpu_s: number(built, "build_cpu_s"),
        open_ms: number(head, "open_ms"),
        disk_bytes: measure::allocated_bytes(dir)?,
        points: points.iter().map(Point::of).collect(),
    })
}

/// Runs a step in the process that [`measure`] starts for it.
pub fn step(step: &str, args: &Args) -> Result<()> {
    if step == "churn" {
        return churn::step(args);
    }
    let (Some(name), Some(dir)) = (args.text("peer"), args.text("dir")) else {
        return Err("--step needs --peer and --dir".into());
    };
    let all = peers::all();
    let peer = all.iter().find(|peer| peer.name() == name).ok_or("no such peer")?;
    match step {
        "build" => peer.build_step(args, Path::new(dir)),
        "search" => peer.search_step(args, Path::new(dir)),
        _ => Err(format!("--step {step}: not build or search").into()),
    }
}

impl<P: Peer> Steps for P {
    fn name(&self) -> &'static str {
        Peer::name(self)
    }

    fn build_step(&self, args: &Args, dir: &Path) -> Result<()> {
        let data = data(args)?;
        let before = Rss::now().unwrap_or_default();
        steps::built(before, || self.build(&data.base, data.exact, dir))
    }

    /// `python/step.py` must do the same as this.
    fn search_step(&self, args: &Args, dir: &Path) -> Result<()> {
        let (queries, truth) = steps::handed_over(args)?;
        let metric = args.get_or("metric", Metric::Cosine)?;
        let before = Rss::now().unwrap_or_default();
        let begun = Instant::now();
        let index = self.open(queries.dim, metric, dir)?;
        index.search(queries.row(0), K, K, &mut Vec::new())?;
        let open_ms = begun.elapsed().as_secs_f64() * 1e3;
        println!("{}", json!({ "open_ms": open_ms, "parameters": self.parameters() }));
        for width in self.widths() {
            let point = Point::measure((&queries, &truth), width as f64, before, |query, found| {
                index.search(query, K, width, found)?;
                Ok(f64::NAN)
            });
            point?.print();
        }
        Ok(())
    }
}
