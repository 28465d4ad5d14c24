//! Owns the names of the libraries that come as Python wheels, because their own language would
//! have to be built first. Also starts their steps. The steps are in `python/step.py`, the
//! libraries in `python/libraries/`. The step in Rust reads the data and hands it over.

use std::env;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::peer::{Result, Steps, Vectors};
use crate::{data, steps};
use bench_tools::args::Args;

const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// Environment variables that limit the libraries' thread pools to one thread.
const THREADS: [&str; 4] =
    ["OMP_NUM_THREADS", "RAYON_NUM_THREADS", "TOKIO_WORKER_THREADS", "LANCE_CPU_THREADS"];

/// A library in one configuration.
pub struct Python {
    name: &'static str,
    /// The name that is imported.
    library: &'static str,
}

pub const ALL: [Python; 12] = [
    Python { name: "hnswlib", library: "hnswlib" },
    Python { name: "faiss-f32", library: "faiss" },
    Python { name: "faiss-sq8", library: "faiss" },
    Python { name: "faiss-rabitq", library: "faiss" },
    Python { name: "svs-f32", library: "svs" },
    Python { name: "svs-lvq4x8", library: "svs" },
    Python { name: "qdrant-f32", library: "qdrant_edge" },
    Python { name: "qdrant-int8", library: "qdrant_edge" },
    Python { name: "lancedb-f32", library: "lancedb" },
    Python { name: "lancedb-sq", library: "lancedb" },
    Python { name: "zvec-f32", library: "zvec" },
    Python { name: "zvec-int8", library: "zvec" },
];

/// Libraries with `CHURN` in their file, by the names that they have there.
pub const CHURNING: [&str; 4] = ["hnswlib", "qdrant", "lancedb", "zvec"];

impl Python {
    pub fn churning(name: &str) -> Option<Self> {
        let name = *CHURNING.iter().find(|known| **known == name)?;
        Some(Self { name, library: if name == "qdrant" { "qdrant_edge" } else { name } })
    }

    /// Runs the step of the churn: `python/churn.py`.
    pub fn churn_step(&self, args: &Args, dir: &Path) -> Result<()> {
        finish(self.command("churn.py").arg("--check").spawn()?)?;
        let data = data::data(args)?;
        let mut command = self.command("churn.py");
        command.args(["--metric", data.metric_name]).arg("--dir").arg(dir);
        if self.library == "zvec" {
            // A query over several files waits, in a thread of that pool, for other threads of the
            // pool.
            command.env("OMP_NUM_THREADS", "2");
        }
        let work = Path::new(args.text("work").ok_or("no --work")?);
        command.arg("--queries").arg(work.join(steps::QUERIES));
        command.arg("--neighbors").arg(work.join(steps::TRUTH));
        command.arg("--deletes").arg(work.join(data::DELETES));
        for key in ["live", "pace", "maintained"] {
            let value = args.text(key).ok_or_else(|| format!("no --{key}"))?;
            command.arg(format!("--{key}={value}"));
        }
        feed(command, data.base)
    }

    fn command(&self, program: &str) -> Command {
        let python = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        let mut command = Command::new(python);
        command.arg(Path::new(PACKAGE).join("python").join(program));
        command.args(["--library", self.library, "--peer", self.name]);
        command.envs(THREADS.map(|name| (name, "1"))).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

impl Steps for Python {
    fn name(&self) -> &'static str {
        self.name
    }

    fn build_step(&self, args: &Args, dir: &Path) -> Result<()> {
        // Checked before the data are read in vain.
        finish(self.command("step.py").arg("check").spawn()?)?;
        let data = data::data(args)?;
        let mut command = self.command("step.py");
        command.args(["build"]).args(["--metric", data.metric_name]).arg("--dir").arg(dir);
        feed(command, data.base)
    }

    fn search_step(&self, args: &Args, dir: &Path) -> Result<()> {
        let mut command = self.command("step.py");
        command
            .args(["search"])
            .args(["--metric", args.text("metric").unwrap_or("cosine")])
            .arg("--dir")
            .arg(dir);
        for key in ["queries", "neighbors"] {
            let file = args.text(key).ok_or_else(|| format!("no --{key}"))?;
            command.arg(format!("--{key}={file}"));
        }
        finish(command.spawn()?)
    }
}

/// Starts the process, with the rows on its stdin.
fn feed(mut command: Command, base: Vectors) -> Result<()> {
    command.arg(format!("--rows={}", base.len())).arg(format!("--dim={}", base.dim));
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    if let Some(stdin) = child.stdin.take() {
        // A process that ended early reports why.
        match write(&base, stdin) {
            Err(reason) if reason.kind() != io::ErrorKind::BrokenPipe => {
                return Err(reason.into());
            }
            _ => {}
        }
    }
    drop(base);
    finish(child)
}

/// Writes the rows in order, little-endian, and nothing else.
fn write(rows: &Vectors, to: impl Write) -> io::Result<()> {
    let mut to = BufWriter::new(to);
    for row in rows.rows() {
        for value in row {
            to.write_all(&value.to_le_bytes())?;
        }
    }
    to.flush()
}

fn finish(mut child: Child) -> Result<()> {
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(format!("Python: {status}").into()) }
}
