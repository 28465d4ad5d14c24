//! The example `repl`, run as a program with its commands in a pipe, twice on one store.
#![cfg(feature = "candle")]

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns the program, which `cargo test` compiles with the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples/repl");
    assert!(program.exists(), "{program:?}: compile it with `cargo build --example repl`");
    program
}

/// Runs the program and returns the lines that it printed.
fn talk(arguments: &[&OsStr], commands: &str) -> Vec<String> {
    let mut child = Command::new(program())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Returns the id in "remembered 123, importance 0.40".
fn id(line: &str) -> &str {
    let rest = line.strip_prefix("remembered ").unwrap();
    rest.split_once(',').unwrap().0
}

#[test]
fn a_conversation_goes_on_in_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("memories.alt");
    let store: &[&OsStr] = &[store.as_os_str()];
    let said = talk(
        store,
        "recall tea\nremember Ana likes green tea\nremember The exam is on 21 May\nquit\nstats\n",
    );
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(said[0], "nothing is known");
    let (tea, exam) = (id(&said[1]), id(&said[2]));

    let said = talk(store, "recall who likes tea\n");
    assert!(said[0].ends_with(&format!("{tea} Ana likes green tea")), "{said:?}");
    assert_eq!(said.len(), 2, "{said:?}");

    let commands = format!("forget {tea}\nforget {tea}\nrecall who likes tea\nstats\n");
    let said = talk(store, &commands);
    assert_eq!(said[..2], ["forgotten", "not there"]);
    assert!(said[2].contains(exam), "{said:?}");
    assert!(said[3].starts_with("1 memories, 0 open sessions"), "{said:?}");
    let said = talk(store, "recall who likes tea\n");
    assert!(!said.iter().any(|line| line.contains("tea")), "{said:?}");
}

#[test]
fn what_is_wrong_is_said_and_the_conversation_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("memories.alt");
    let commands = "\nforget me\nforget\nremember   \nsing a song\nforget 99\nremember ok\n";
    let said = talk(&[store.as_os_str()], commands);
    assert!(said[0].contains("remember TEXT"));
    for (line, part) in said[1..5].iter().zip(["\"me\"", "forget what", "remember what", "sing"]) {
        assert!(line.starts_with("error: ") && line.contains(part), "{line}");
    }
    assert_eq!(said[5], "not there");
    assert!(said[6].starts_with("remembered "), "{said:?}");
}

#[test]
fn a_start_that_fails_says_why() {
    let fail = |arguments: &[&str]| {
        let output = Command::new(program()).args(arguments).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(fail(&[]).contains("usage: repl STORE [MODEL]"));
    let dir = tempfile::tempdir().unwrap();
    let (store, model) = (dir.path().join("memories.alt"), dir.path().join("model"));
    let said = fail(&[store.to_str().unwrap(), model.to_str().unwrap()]);
    assert!(said.contains("config.json is missing") && said.contains("get-model"), "{said}");
    assert!(!store.exists());
}

#[test]
fn a_model_finds_what_shares_no_word() {
    let Some(model) = std::env::var_os("ALTIPLANO_MINILM") else {
        eprintln!("skipped: set ALTIPLANO_MINILM to a folder that ./get-model made");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("memories.alt");
    let arguments = [store.as_os_str(), Path::new(&model).as_os_str()];
    let facts = "remember The exam is on 21 May in room G12\n\
        remember My sister plays the violin\n\
        remember Ana drinks green tea every morning\n\
        remember The car needs new tyres before winter\n";
    assert_eq!(talk(&arguments, facts).len(), 4);
    for (question, fact) in [
        ("recall which beverage does she enjoy", "green tea"),
        ("recall vehicle repairs", "tyres"),
        ("recall musical instruments", "violin"),
        ("recall when will I be tested", "21 May"),
    ] {
        let said = talk(&arguments, question);
        assert!(said[0].contains(fact), "{question}: {said:?}");
    }
    // A store belongs to the space of its model.
    let other = Command::new(program()).arg(&store).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(other.stderr).unwrap();
    assert!(!other.status.success() && said.contains("all-MiniLM-L6-v2"), "{said}");
}
