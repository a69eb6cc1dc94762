//! The page's blocks: a mapping, a message, and what `eyot decode` makes of the two.

use std::collections::BTreeMap;

/// One use of `eyot decode`.
pub(crate) struct Example {
    /// Line of the command.
    pub(crate) line: usize,
    /// The command, without its `$`.
    pub(crate) command: String,
    /// What it prints.
    pub(crate) output: Vec<String>,
    /// The mapping above it, in TOML.
    pub(crate) mapping: String,
    /// The message above it.
    pub(crate) message: String,
    /// The lookup tables above it, by their names.
    pub(crate) tables: BTreeMap<String, String>,
}

/// All examples of a page, in its order. A mapping, a message or a table holds until the next one.
pub(crate) fn examples(page: &str) -> Vec<Example> {
    let (mut mapping, mut message, mut tables) = Default::default();
    let mut examples = Vec::new();
    for Block { line, info, text } in blocks(page) {
        match info.split_once(' ').unwrap_or((info, "")) {
            ("toml", _) => mapping = text,
            ("json" | "text", _) => message = text,
            ("csv", name) => drop(BTreeMap::insert(&mut tables, name.to_owned(), text)),
            ("console", _) => {
                let (command, output) = text.split_once('\n').unwrap_or((&text, ""));
                examples.push(Example {
                    line: line + 1,
                    command: command.trim_start_matches("$ ").to_owned(),
                    output: output.lines().map(str::to_owned).collect(),
                    mapping: mapping.clone(),
                    message: message.clone(),
                    tables: tables.clone(),
                });
            }
            ("sh", _) => {}
            _ => panic!("line {line}: a block of an unknown kind, `{info}`"),
        }
    }
    examples
}

/// A fenced block.
struct Block<'p> {
    line: usize,
    /// What stands behind the fence.
    info: &'p str,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().zip(1..);
    while let Some((fence, line)) = lines.next() {
        let Some(info) = fence.strip_prefix("```") else {
            continue;
        };
        let inner = lines.by_ref().map(|(line, _)| line);
        let text = inner
            .take_while(|line| *line != "```")
            .flat_map(|line| [line, "\n"])
            .collect();
        blocks.push(Block { line, info, text });
    }
    blocks
}
