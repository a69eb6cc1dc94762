//! `eyot check`, as users run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{Setup, eyot, run, write};

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let mut examples: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    examples.sort();
    examples
}

#[test]
fn every_example_passes_and_says_what_it_means() {
    let examples = examples();
    assert!(examples.len() >= 3, "{examples:?}");
    for path in examples {
        let output = run(&["check", path.to_str().unwrap()]);
        let said = String::from_utf8(output.stdout).unwrap();
        let faults = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{}:\n{faults}", path.display());
        assert_eq!(faults, "");
        assert!(
            said.starts_with(&format!("{}: ok\n", path.display())),
            "{said}"
        );
        for expected in [
            "source `",
            "class `",
            "devices: ",
            "memory at worst: ",
            "disk at worst: ",
        ] {
            assert!(said.contains(expected), "{expected} is not in:\n{said}");
        }
    }
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/minimal.toml");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(eyot())
        .args(["check", example.to_str().unwrap()])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn the_documentation_shows_what_is_said() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let example = project.join("config/minimal.toml");
    let output = run(&["check", example.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    let (_, said) = said.split_once('\n').unwrap();
    let indented = format!("    {}\n", said.trim_end().replace('\n', "\n    "));
    let shown = fs::read_to_string(project.join("docs/configuration.md")).unwrap();
    assert!(shown.contains(&indented), "{indented}");
}

/// Checks the common configuration after `change`, and returns what it is told.
fn faults(change: impl FnOnce(String) -> String) -> (String, String) {
    let folder = TempDir::new().unwrap();
    let path = write(
        folder.path(),
        &change(Setup::default().text(1883, Some(1884))),
    );
    let output = run(&["check", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(
        !folder.path().join("data").exists(),
        "checking leaves nothing behind"
    );
    (
        path.display().to_string(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Line and column, from 1, of the first `needle` in the common configuration.
fn place(needle: &str) -> String {
    let text = Setup::default().text(1883, Some(1884));
    let before = &text[..text.find(needle).unwrap()];
    let line = before.matches('\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
    format!("{line}:{column}")
}

#[test]
fn a_broken_one_is_told_every_fault_with_its_place_and_a_suggestion() {
    let (path, said) = faults(|text| {
        text.replace("commit_interval", "comit_interval")
            .replace(
                "out_of_orderness = \"100ms\"",
                "out_of_orderness = \"soon\"",
            )
            .replace(
                "topic = \"plant/{device}/{channel}\"",
                "topic = \"plant/{device/#\"",
            )
    });
    for (at, suggestion) in [
        ("commit_interval", "did you mean `commit_interval`"),
        ("\"100ms\"", "soon"),
        ("\"plant/{device}/{channel}\"", "a `{` without its `}`"),
    ] {
        let place = format!("{path}:{}", place(at));
        let line = said.lines().find(|line| line.contains(&place));
        assert!(line.is_some(), "{place} is not in:\n{said}");
        assert!(said.contains(suggestion), "{suggestion} is not in:\n{said}");
    }
    assert!(said.trim_end().ends_with("3 faults"), "{said}");
}

#[test]
fn a_syntax_error_is_told_with_its_place() {
    let (path, said) = faults(|text| text.replace("name = \"machine\"", "name = machine"));
    let (line, _) = place("name = \"machine\"")
        .split_once(':')
        .map(|(l, c)| (l.to_owned(), c.to_owned()))
        .unwrap();
    assert!(said.contains(&format!("{path}:{line}:")), "{said}");
    assert!(said.trim_end().ends_with("1 fault"), "{said}");
}
