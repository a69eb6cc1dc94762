//! Which way dependencies point, read off manifests and sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each part of `agent/src` may know of its siblings, beside itself. Only `app` knows them all, and
/// only `cli` knows `app`.
const MAY_KNOW: &[(&str, &[&str])] = &[
    (
        "actors",
        &[
            "books", "clock", "error", "journal", "ops", "record", "store",
        ],
    ),
    (
        "app",
        &[
            "actors", "books", "clock", "config", "error", "ingest", "journal", "link", "models",
            "ops", "record", "store", "uplink",
        ],
    ),
    ("books", &["store"]),
    (
        "cli",
        &[
            "app", "books", "clock", "collect", "config", "direct", "discover", "error", "export",
            "models", "mqtt", "ops", "record", "sim", "store",
        ],
    ),
    ("clock", &[]),
    ("collect", &["clock", "config", "error", "mqtt"]),
    ("config", &[]),
    (
        "direct",
        &["actors", "app", "config", "ingest", "record", "store"],
    ),
    ("discover", &[]),
    ("error", &[]),
    ("export", &["direct"]),
    ("infer", &[]),
    (
        "ingest",
        &[
            "actors", "books", "clock", "config", "error", "journal", "link", "mqtt", "record",
            "store",
        ],
    ),
    ("journal", &["clock", "error"]),
    ("link", &[]),
    ("models", &["infer"]),
    ("mqtt", &["config"]),
    ("ops", &[]),
    ("record", &["clock", "store"]),
    ("sim", &[]),
    ("store", &["clock"]),
    (
        "uplink",
        &["clock", "config", "error", "link", "mqtt", "ops", "store"],
    ),
];

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of a crate's dependencies in the tables of this name, also those for some targets only.
fn dependencies(krate: &str, table: &str) -> BTreeSet<String> {
    let manifest: toml::Table = read(&project().join(krate).join("Cargo.toml"))
        .parse()
        .unwrap();
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets
        .into_iter()
        .flatten()
        .filter_map(|(_, target)| target.as_table());
    std::iter::once(&manifest)
        .chain(targets)
        .filter_map(|tables| tables.get(table)?.as_table())
        .flat_map(|dependencies| dependencies.keys().cloned())
        .collect()
}

/// The Rust files below a folder, without the tests among them.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if stem == "tests" {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The code of a file: no comments, and nothing from its tests on.
fn code(path: &Path) -> String {
    let text = read(path);
    let text = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// What follows each `prefix` in a path: `prefix::name`, or `prefix::{name, name::x}`.
fn named_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|c: char| is_name(c) || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(rest.chars().take_while(|c| is_name(*c)).collect());
            continue;
        };
        let mut depth = 0;
        let mut top = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                _ if depth == 0 => top.push(c),
                _ => {}
            }
        }
        let first = |path: &str| path.trim().chars().take_while(|c| is_name(*c)).collect();
        names.extend(
            top.split(',')
                .map(first)
                .filter(|name: &String| !name.is_empty()),
        );
    }
    names
}

#[test]
fn imports_are_read_as_the_compiler_reads_them() {
    let code = "use crate::store::{Store, self};\nuse crate::{clock, ops::{Metrics, Stage}, link};\n\
                impl crate::books::Books for X {} my_crate::no; x::crate::no";
    let names: Vec<String> = named_after(code, "crate::").into_iter().collect();
    assert_eq!(names, ["books", "clock", "link", "ops", "store"]);
}

#[test]
fn signal_is_no_std_and_knows_nobody() {
    assert_eq!(
        dependencies("shared/signal", "dependencies"),
        ["libm", "serde"].map(str::to_owned).into(),
        "serde without its standard library, for checkpoints"
    );
    let root = read(&project().join("shared/signal/src/lib.rs"));
    assert!(
        root.contains("#![cfg_attr(not(test), no_std)]"),
        "the firmware builds on it"
    );
    for path in sources(&project().join("shared/signal/src")) {
        let code = code(&path);
        for library in ["std::", "alloc::"] {
            let names = named_after(&code, library);
            assert!(
                names.is_empty(),
                "{} uses {library}{names:?}",
                path.display()
            );
        }
    }
}

#[test]
fn the_pipeline_is_pure_it_knows_signal_and_neither_clock_nor_files_nor_network() {
    let known = [
        "exmex",
        "eyot-signal",
        "libm",
        "postcard",
        "serde",
        "thiserror",
    ]
    .map(str::to_owned);
    assert_eq!(
        dependencies("shared/pipeline", "dependencies"),
        known.into(),
        "whatever does I/O, keeps time or rolls dice belongs into agent/"
    );
    assert!(dependencies("shared/pipeline", "build-dependencies").is_empty());
    let forbidden = ["env", "fs", "io", "net", "os", "process", "thread"];
    for path in sources(&project().join("shared/pipeline/src")) {
        let code = code(&path);
        let modules = named_after(&code, "std::");
        for module in forbidden.iter().chain(&["time"]) {
            assert!(
                !modules.contains(*module),
                "{} uses std::{module}: pass what it needs in as an argument, as `now` is",
                path.display()
            );
        }
        for clock in ["SystemTime", "Instant::", "HashMap", "HashSet"] {
            assert!(
                !code.contains(clock),
                "{} uses {clock}, whose results differ from run to run",
                path.display()
            );
        }
    }
}

#[test]
fn the_decoder_is_pure_it_knows_the_pipeline_and_neither_clock_nor_files_nor_network() {
    let ours: Vec<_> = dependencies("shared/decode", "dependencies")
        .into_iter()
        .filter(|name| name.starts_with("eyot"))
        .collect();
    assert_eq!(ours, ["eyot-pipeline"]);
    for path in sources(&project().join("shared/decode/src")) {
        let code = code(&path);
        let modules = named_after(&code, "std::");
        for module in ["env", "fs", "net", "os", "process", "thread", "time"] {
            assert!(
                !modules.contains(module),
                "{} uses std::{module}: pass what it needs in as an argument, as the arrival is",
                path.display()
            );
        }
    }
}

#[test]
fn the_journal_knows_the_pipeline_and_files_and_neither_clock_nor_threads() {
    let known = ["crc", "eyot-pipeline", "thiserror"].map(str::to_owned);
    assert_eq!(dependencies("shared/journal", "dependencies"), known.into());
    for path in sources(&project().join("shared/journal/src")) {
        let modules = named_after(&code(&path), "std::");
        for module in ["env", "net", "process", "thread", "time"] {
            assert!(
                !modules.contains(module),
                "{} uses std::{module}: its thread and its pace are the agent's",
                path.display()
            );
        }
        let is_real = path.ends_with("disk/real.rs");
        assert!(
            is_real || !modules.contains("fs"),
            "{} uses std::fs: files are behind `Disk`, so that tests can cut the power",
            path.display()
        );
    }
}

#[test]
fn the_agent_ships_without_the_lab_and_its_broker() {
    for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for name in dependencies("agent", table) {
            assert!(
                !["eyot-tests", "rumqttd"].contains(&name.as_str()),
                "agent has {name} in [{table}]: it is for the lab alone, since it loses messages"
            );
        }
    }
    let ours = dependencies("agent", "dependencies");
    let ours: Vec<_> = ours
        .iter()
        .filter(|name| name.starts_with("eyot"))
        .collect();
    assert_eq!(
        ours,
        [
            "eyot-decode",
            "eyot-journal",
            "eyot-pipeline",
            "eyot-signal"
        ]
    );
}

/// Who in `agent/src` uses whom, and where.
fn edges() -> BTreeMap<(String, String), PathBuf> {
    let root = project().join("agent/src");
    let mut edges = BTreeMap::new();
    for path in sources(&root) {
        let below = path.strip_prefix(&root).unwrap();
        let mut modules: Vec<String> = below
            .with_extension("")
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        if modules.last().is_some_and(|last| last == "mod") {
            modules.pop();
        }
        if ["lib", "main"].contains(&modules[0].as_str()) {
            continue;
        }
        let code = code(&path);
        // The long way to the root.
        let root_by_super = "super::".repeat(modules.len());
        let mut used = named_after(&code, &root_by_super);
        used.remove("super");
        used.extend(named_after(&code, "crate::"));
        for used in used {
            if used != modules[0] {
                edges.insert((modules[0].clone(), used), path.clone());
            }
        }
    }
    edges
}

#[test]
fn siblings_in_the_agent_know_each_other_only_as_agreed() {
    let table: BTreeMap<&str, &[&str]> = MAY_KNOW.iter().copied().collect();
    let edges = edges();
    for ((from, to), path) in &edges {
        let allowed = table.get(from.as_str()).unwrap_or_else(|| {
            panic!("{from} is a new part of agent/src: say in MAY_KNOW, here, what it may know")
        });
        assert!(
            allowed.contains(&to.as_str()),
            "{} uses crate::{to}, but {from} may know {allowed:?} only. Let app.rs hand {from} what it \
             needs; or, if {from} really has to know {to}, add that to MAY_KNOW in {} and to \
             ARCHITECTURE.md",
            path.display(),
            file!()
        );
    }
    for (from, allowed) in MAY_KNOW {
        for to in *allowed {
            assert!(
                edges.contains_key(&((*from).to_owned(), (*to).to_owned())),
                "{from} does not use {to} any more: take it out of MAY_KNOW in {}",
                file!()
            );
        }
    }
}

#[test]
fn what_the_agents_parts_may_know_has_no_circle() {
    let mut left: BTreeMap<&str, &[&str]> = MAY_KNOW.iter().copied().collect();
    while !left.is_empty() {
        let free: Vec<&str> = left
            .iter()
            .filter(|(_, known)| known.iter().all(|other| !left.contains_key(other)))
            .map(|(name, _)| *name)
            .collect();
        assert!(
            !free.is_empty(),
            "these know each other in a circle: {left:?}"
        );
        for name in free {
            left.remove(name);
        }
    }
}
