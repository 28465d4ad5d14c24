//! Libraries that come as Python wheels, where their own language would have to be built first.
//!
//! Owns their names and how their steps are started. The steps themselves are in `python/step.py`, the
//! libraries in `python/libraries/`. Not here: the data, which the step in Rust reads and hands over.

use std::env;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::measure::Args;
use crate::peer::{Result, Steps, Vectors};
use crate::run;

const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// What keeps their pools of threads to one.
const THREADS: [&str; 4] =
    ["OMP_NUM_THREADS", "RAYON_NUM_THREADS", "TOKIO_WORKER_THREADS", "LANCE_CPU_THREADS"];

/// A library in one configuration.
pub struct Python {
    name: &'static str,
    /// As it is imported.
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

impl Python {
    fn command(&self, step: &str) -> Command {
        let python = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        let mut command = Command::new(python);
        command.arg(Path::new(PACKAGE).join("python/step.py")).arg(step);
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
        // Before the data are read in vain.
        finish(self.command("check").spawn()?)?;
        let data = run::data(args)?;
        let mut command = self.command("build");
        command.args(["--metric", data.metric_name]).arg("--dir").arg(dir);
        command.arg(format!("--rows={}", data.base.len()));
        command.arg(format!("--dim={}", data.base.dim));
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        if let Some(stdin) = child.stdin.take() {
            // A process that ended early says why itself.
            match write(&data.base, stdin) {
                Err(reason) if reason.kind() != io::ErrorKind::BrokenPipe => {
                    return Err(reason.into());
                }
                _ => {}
            }
        }
        drop(data);
        finish(child)
    }

    fn search_step(&self, args: &Args, dir: &Path) -> Result<()> {
        let mut command = self.command("search");
        command.args(["--metric", args.text("metric").unwrap_or("cosine")]).arg("--dir").arg(dir);
        for key in ["queries", "neighbors"] {
            let file = args.text(key).ok_or_else(|| format!("no --{key}"))?;
            command.arg(format!("--{key}={file}"));
        }
        finish(command.spawn()?)
    }
}

/// Little-endian, in row order, and no more.
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
