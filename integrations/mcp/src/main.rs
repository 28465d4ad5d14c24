//! A memory for AI agents over the Model Context Protocol. Owns the life of the process: it serves
//! one client over standard input and output, and shares its store with other processes like it.
//!
//! Invariant: nothing but the protocol is written to standard output. What is logged goes to
//! standard error.

#[cfg(not(unix))]
compile_error!("altiplano-mcp needs Unix sockets: build it on Linux or macOS, or in WSL");

mod args;
mod call;
mod cap;
mod embedder;
mod error;
mod input;
mod ops;
mod output;
mod schema;
mod server;
mod share;
mod times;
mod tools;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rmcp::ServiceExt;
use rmcp::transport::stdio_pipes;
use tokio::signal::unix::{SignalKind, signal};

use args::Args;
use server::Server;
use share::SharedStore;

fn main() -> ExitCode {
    let args = Args::parse();
    let settings = match args.settings() {
        Ok(settings) => settings,
        Err(reason) => {
            eprintln!("altiplano-mcp: {reason}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("altiplano-mcp: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let store = SharedStore::new(settings);
    let result = runtime.block_on(serve(store, args.is_read_only()));
    // A read from standard input that is under way cannot be ended.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("altiplano-mcp: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves one client until it leaves or a signal ends the process. Then the store is closed, so
/// that another process takes it over at once.
async fn serve(store: SharedStore, only_reads: bool) -> Result<(), Box<dyn std::error::Error>> {
    tokio::spawn(store.clone().follow());
    let mut ends = signal(SignalKind::terminate())?;
    let mut hangs_up = signal(SignalKind::hangup())?;
    let server = Server::new(store.clone(), only_reads);
    let talk = async {
        let service = server.serve(stdio_pipes()).await.map_err(Box::new)?;
        service.waiting().await?;
        Ok(())
    };
    let result = tokio::select! {
        result = talk => result,
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = ends.recv() => Ok(()),
        _ = hangs_up.recv() => Ok(()),
    };
    store.close().await;
    result
}
