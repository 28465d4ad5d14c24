//! A memory to talk to. Reads one command a line: `remember TEXT`, `recall TEXT`, `forget ID`,
//! `stats`, `quit`. Also works in a pipe.
//!
//! `cargo run --example repl -- STORE MODEL`, where MODEL is a folder that `./get-model` made.
//! Without it, texts are compared by their letters, not by meaning.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use altiplano::MemoryId;
use altiplano::agent::{Agent, HashingEmbedder};
use altiplano_embed::MiniLm;

const HELP: &str = "remember TEXT | recall TEXT | forget ID | stats | quit";

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("repl: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let agent = match arguments {
        [store] => Agent::open(store, HashingEmbedder::new())?,
        [store, model] => Agent::open(store, MiniLm::load(model)?)?,
        _ => return Err("usage: repl STORE [MODEL]".into()),
    };
    let is_person = io::stdin().is_terminal();
    if is_person {
        println!("{HELP}");
    }
    let (mut lines, mut out) = (io::stdin().lock().lines(), io::stdout().lock());
    loop {
        if is_person {
            write!(out, "> ")?;
            out.flush()?;
        }
        let Some(line) = lines.next() else { break };
        let line = line?;
        let (command, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        if command == "quit" {
            break;
        }
        // What one command did wrong does not end the conversation.
        match answer(&agent, command, rest.trim()) {
            Ok(text) => writeln!(out, "{text}")?,
            Err(error) => writeln!(out, "error: {error}")?,
        }
    }
    agent.close()?;
    Ok(())
}

/// Carries out one command and returns what to print.
fn answer(agent: &Agent, command: &str, rest: &str) -> Result<String> {
    match (command, rest) {
        ("stats", "") => Ok(agent.stats()?.to_string()),
        ("" | "help", _) => Ok(HELP.to_owned()),
        ("remember" | "recall" | "forget", "") => Err(format!("{command} what? {HELP}").into()),
        ("remember", text) => Ok(format!("remembered {}", agent.remember(text)?)),
        ("recall", question) => {
            let answer = agent.recall(question).k(3).run()?;
            let line = |found: &altiplano::agent::Recalled| {
                format!("{:.3} {} {}", found.score, found.memory.id, found.text())
            };
            let lines: Vec<String> = answer.items.iter().map(line).collect();
            Ok(if lines.is_empty() { "nothing is known".to_owned() } else { lines.join("\n") })
        }
        ("forget", id) => {
            let id: MemoryId = id.parse()?;
            Ok(if agent.forget(id)? { "forgotten".to_owned() } else { "not there".to_owned() })
        }
        _ => Err(format!("{command:?} is no command: {HELP}").into()),
    }
}
