//! Holds docs/decoding.md and docs/formats.md against the program: every example is decoded, and the list
//! of profiles is the one that ships.

mod example;
mod page;
mod schema;
mod show;

use eyot_decode::profiles;

const DECODING: &str = include_str!("../../../../docs/decoding.md");
const FORMATS: &str = include_str!("../../../../docs/formats.md");

/// Runs the examples of a page, of which there are at least so many.
fn check(name: &str, page: &str, at_least: usize) {
    let examples = page::examples(page);
    assert!(examples.len() >= at_least, "{name} has lost its examples");
    let mut wrong = String::new();
    for example in examples {
        let found = match example.run() {
            Ok(found) if example.says(&found) => continue,
            Ok(found) => found.join("\n"),
            Err(error) => error,
        };
        let at = format!("\n{name}:{}", example.line);
        wrong.extend([&at, ": it comes to\n", &found, "\n"]);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_example_of_mappings_comes_to_what_the_page_says() {
    check("docs/decoding.md", DECODING, 25);
}

#[test]
fn every_example_of_formats_comes_to_what_the_page_says() {
    check("docs/formats.md", FORMATS, 10);
}

#[test]
fn the_page_lists_the_profiles_that_ship() {
    let mut table = String::from("| profile | for |\n|---|---|\n");
    for (name, description) in profiles() {
        table.extend(["| `", name, "` | ", &description, " |\n"]);
    }
    let is_there = DECODING.contains(&format!("\n\n{table}\n"));
    assert!(is_there, "docs/decoding.md has to say\n\n{table}");
}
