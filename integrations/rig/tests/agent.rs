//! The examples, run as programs. `agent` runs in several processes: the last one is sent what the
//! first kept.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns an example, which `cargo test` compiles with the tests.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(program.exists(), "{program:?}: compile it with `cargo build --examples`");
    program
}

fn say(store: &Path, text: &str) -> String {
    let output = Command::new(program("agent")).arg(store).arg(text).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_agent_recalls_in_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("agent.alt");
    let first = say(&store, "The exam is on 21 May in room G12");
    assert!(!first.contains("document: "), "{first}");
    assert!(first.ends_with("answer: noted\n"), "{first}");
    say(&store, "My sister plays the violin");

    let third = say(&store, "when is the exam?");
    let documents: Vec<&str> = third.split("document: ").skip(1).collect();
    assert_eq!(documents.len(), 1, "{third}");
    assert!(documents[0].contains("The exam is on 21 May in room G12"), "{third}");
    // The conversation goes on as well.
    for said in ["The exam is on 21 May in room G12", "My sister plays the violin"] {
        assert!(third.contains(&format!("message: {said}")), "{third}");
    }
}

#[test]
fn the_program_of_the_readme_runs() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let output = Command::new(program("first")).current_dir(&dir).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "The exam is on 21 May\n");
    }
    let source = include_str!("../examples/first.rs");
    let (_, code) = source.split_once("\n\n").unwrap();
    assert!(include_str!("../README.md").contains(&format!("```rust\n{code}```")));
}
