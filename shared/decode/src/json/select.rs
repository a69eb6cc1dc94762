//! Only what a rule looks at: the text is gone through once, what stands in the rule's paths is kept, and
//! everything else is checked and passed over.
//!
//! That cannot be done for every text: where a key that matters is there twice, or fields that nothing maps
//! cannot be told in one go, it gives up, as it does where the text is no JSON. The whole tree is read then.

mod unmapped;

use std::cell::Cell;
use std::fmt::Write;

use super::scan::{MAX_DEPTH, Quoted, Scanner};
use super::tree::Tree;
use super::trimmed;
use crate::doc::Text;
use crate::scope::push_key;
use crate::{Doc, Item, Scalar};
pub(crate) use unmapped::Unmapped;

/// How many bytes of paths of unmapped fields are kept, about.
const MAX_PATHS: usize = 1 << 16;

/// The paths of a rule, as a tree of their keys.
#[derive(Debug)]
pub(crate) struct Selection {
    /// The root first. The position of a leaf is its slot in a [`Doc`].
    nodes: Vec<Node>,
    /// A text that is no object may be something else than JSON.
    or_bare: bool,
}

#[derive(Debug)]
struct Node {
    /// As it is told.
    path: Box<str>,
    what: What,
}

#[derive(Debug)]
enum What {
    /// An object, with what is wanted in it.
    Branch(Branch),
    Leaf(Leaf),
}

#[derive(Debug, Default)]
struct Branch {
    children: Vec<Child>,
    /// Which of them came first in the last text. Most senders keep to an order, so that it is tried first.
    first: Cell<usize>,
}

/// An entry that is wanted.
#[derive(Debug)]
struct Child {
    key: Box<str>,
    /// The key as it is mostly written, in quotation marks; empty if it cannot be written so.
    quoted: Box<str>,
    at: usize,
    /// Which one followed in the last text.
    next: Cell<usize>,
}

/// What is done with what stands at the end of a path.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Leaf {
    /// Whether it is mapped, so that nobody has to be told of it.
    pub known: bool,
    /// Whether numbers in an array are kept without a node for each.
    pub packed: bool,
}

impl Selection {
    /// Nothing yet; `or_bare`: a text that is no object may be something else than JSON.
    pub(crate) fn new(or_bare: bool) -> Self {
        let root = Node {
            path: "".into(),
            what: What::Branch(Branch::default()),
        };
        Self {
            nodes: vec![root],
            or_bare,
        }
    }

    /// Adds a path and gives the slot of what stands there; `None` if one of two paths leads through the end
    /// of the other.
    pub(crate) fn add<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k str>,
        more: Leaf,
    ) -> Option<usize> {
        let mut keys = keys.peekable();
        let mut at = 0;
        while let Some(key) = keys.next() {
            let new = self.nodes.len();
            let mut path = self.nodes[at].path.to_string();
            let What::Branch(Branch { children, .. }) = &mut self.nodes[at].what else {
                return None;
            };
            if let Some(child) = children.iter().find(|child| *child.key == *key) {
                at = child.at;
                continue;
            }
            let simple = |c: char| c >= ' ' && !matches!(c, '"' | '\\');
            children.push(Child {
                key: key.into(),
                quoted: if key.chars().all(simple) {
                    format!("\"{key}\"").into()
                } else {
                    "".into()
                },
                at: new,
                next: Cell::new(usize::MAX),
            });
            push_key(key, ".", 0, &mut path);
            let what = match keys.peek() {
                Some(_) => What::Branch(Branch::default()),
                None => What::Leaf(Leaf::default()),
            };
            self.nodes.push(Node {
                path: path.into(),
                what,
            });
            at = new;
        }
        let What::Leaf(leaf) = &mut self.nodes[at].what else {
            return None;
        };
        leaf.known |= more.known;
        leaf.packed |= more.packed;
        Some(at)
    }

    /// What stands in a slot that the node of that position is in or below, and its path; `None` if the
    /// whole tree was read.
    pub(crate) fn place<'d>(&self, root: Item<'d>, id: u32) -> Option<(&str, Item<'d>)> {
        let mut nodes = self.nodes.iter().enumerate();
        nodes.find_map(|(slot, Node { path, what })| match what {
            What::Leaf(_) => {
                let item = root.in_slot(slot)??;
                item.holds(id).then_some((&**path, item))
            }
            What::Branch(_) => None,
        })
    }

    /// Fills `doc` with what is wanted of the text and gives back the text that it is filled from; `None`
    /// if the whole tree has to be read.
    pub(crate) fn read<'p>(
        &self,
        text: &'p str,
        doc: &mut Doc,
        unmapped: &mut Unmapped,
    ) -> Option<&'p str> {
        if self.or_bare && text.starts_with('\u{feff}') {
            return None;
        }
        let text = trimmed(text);
        doc.begin(text).ok()?;
        doc.begin_slots(self.nodes.len());
        let mut walk = Walk {
            nodes: &self.nodes,
            scanner: Scanner::new(text),
            doc,
            unmapped,
        };
        (walk.scanner.peek() == b'{').then_some(())?;
        walk.object(0, 0)?;
        walk.scanner.end()?;
        Some(text)
    }
}

/// On the way through a text.
struct Walk<'w, 'p> {
    nodes: &'w [Node],
    scanner: Scanner<'p>,
    doc: &'w mut Doc,
    unmapped: &'w mut Unmapped,
}

impl<'w> Walk<'w, '_> {
    /// An object that is a branch, inside of `depth` containers.
    fn object(&mut self, at: usize, depth: usize) -> Option<()> {
        let nodes: &'w [Node] = self.nodes;
        let Node { path, what } = &nodes[at];
        let What::Branch(Branch { children, first }) = what else {
            return None;
        };
        let mut next = first;
        // On the way of every reading: a copy, which lives in registers.
        let mut scanner = self.scanner;
        let mut more = scanner.open(b'}');
        while more {
            let known = children.get(next.get());
            let known = known.filter(|child| scanner.known_key(&child.quoted));
            let quoted = if known.is_some() {
                Quoted::NONE
            } else {
                scanner.name()?
            };
            scanner.expect(b':')?;
            let child = known.or_else(|| {
                let key = unescaped(quoted, &mut self.unmapped.key);
                let i = children.iter().position(|child| *child.key == *key)?;
                next.set(i);
                children.get(i)
            });
            if let Some(child) = child {
                next = &child.next;
                if matches!(scanner.peek(), b'-' | b'0'..=b'9') && self.is_known(child) {
                    let number = scanner.number()?;
                    self.doc.claim(child.at).then_some(())?;
                    self.doc.add_scalar(Text::NONE, number);
                } else {
                    self.scanner = scanner;
                    self.child(child.at, depth + 1)?;
                    scanner = self.scanner;
                }
            } else {
                self.scanner = scanner;
                self.other(path, quoted, depth + 1)?;
                scanner = self.scanner;
            }
            more = scanner.more(b'}')?;
        }
        self.scanner = scanner;
        Some(())
    }

    /// Whether it is the end of a path and nobody has to be told of it.
    fn is_known(&self, child: &Child) -> bool {
        let leaf = self.nodes.get(child.at).map(|node| &node.what);
        matches!(leaf, Some(What::Leaf(leaf)) if leaf.known || !self.unmapped.wanted)
    }

    /// An entry that no path leads to, in an object with that path.
    fn other(&mut self, path: &str, key: Quoted<'_>, depth: usize) -> Option<()> {
        if !self.unmapped.wanted {
            return self.scanner.pass(depth);
        }
        let Unmapped {
            paths, key: room, ..
        } = &mut *self.unmapped;
        let start = paths.len();
        paths.push_str(path);
        push_key(unescaped(key, room), ".", start, paths);
        self.unknown(start, depth)
    }

    /// What a path leads to or through.
    fn child(&mut self, at: usize, depth: usize) -> Option<()> {
        // Of two entries of one key the last counts, which is known too late.
        if !self.doc.claim(at) {
            return None;
        }
        let nodes: &'w [Node] = self.nodes;
        let Node { path, what } = &nodes[at];
        let next = self.scanner.peek();
        let leaf = match what {
            What::Branch(_) if next == b'{' && depth < MAX_DEPTH => return self.object(at, depth),
            What::Branch(_) if self.unmapped.wanted => {
                let start = self.unmapped.start(path);
                return self.unknown(start, depth);
            }
            What::Branch(_) => return self.scanner.pass(depth),
            What::Leaf(leaf) => leaf,
        };
        let tell = self.unmapped.wanted && !leaf.known;
        match next {
            b'"' => {
                self.scanner.skip();
                let quoted = self.scanner.string()?;
                let text = if quoted.escaped {
                    self.doc.text_with(|out| quoted.unescape(out))
                } else {
                    self.doc.text(quoted.raw)
                };
                self.doc.add_text(Text::NONE, text);
            }
            b'{' | b'[' if tell => return None,
            b'[' if leaf.packed && depth < MAX_DEPTH && self.packed()? => {}
            b'{' | b'[' => {
                return Tree::new(self.doc, &[]).value(&mut self.scanner, Text::NONE, None, depth);
            }
            _ => {
                let value = self.scanner.scalar()?;
                self.doc.add_scalar(Text::NONE, value);
                if value == Scalar::Null {
                    return Some(());
                }
            }
        }
        if tell {
            let start = self.unmapped.start(path);
            self.unmapped.add(start);
        }
        Some(())
    }

    /// An array of numbers; `false`, and still in front of it, if anything else is in it.
    fn packed(&mut self) -> Option<bool> {
        let mut scanner = self.scanner;
        let mut numbers = self.doc.pack();
        let mut more = scanner.open(b']');
        while more {
            let number = match scanner.peek() {
                b'-' | b'0'..=b'9' => match scanner.number()? {
                    Scalar::Float(value) => value,
                    Scalar::Int(value) => value as f64,
                    Scalar::Uint(value) => value as f64,
                    _ => f64::NAN,
                },
                _ => f64::NAN,
            };
            if !number.is_finite() {
                numbers.give_up();
                return Some(false);
            }
            numbers.push(number);
            more = scanner.more(b']')?;
        }
        numbers.done();
        self.scanner = scanner;
        Some(true)
    }

    /// Something that nothing maps, inside of `depth` containers; its path begins at `start` among all paths.
    /// An array of values is one field; `null` is none.
    fn unknown(&mut self, start: usize, depth: usize) -> Option<()> {
        let end = match self.scanner.peek() {
            b'"' => {
                self.scanner.skip();
                self.scanner.string()?;
                self.unmapped.add(start);
                return Some(());
            }
            b'{' => b'}',
            b'[' => b']',
            _ => {
                if self.scanner.scalar()? != Scalar::Null {
                    self.unmapped.add(start);
                }
                return Some(());
            }
        };
        if depth >= MAX_DEPTH || self.unmapped.paths.len() > MAX_PATHS {
            return None;
        }
        let mut more = self.scanner.open(end);
        if more && end == b']' && !matches!(self.scanner.peek(), b'{' | b'[') {
            return self.values(start, depth + 1);
        }
        let path = start..self.unmapped.paths.len();
        for i in 0_usize.. {
            if !more {
                break;
            }
            let Unmapped { paths, key, .. } = &mut *self.unmapped;
            let start = paths.len();
            paths.extend_from_within(path.clone());
            if end == b'}' {
                push_key(unescaped(self.scanner.key()?, key), ".", start, paths);
            } else {
                // Writing into a text does not fail.
                _ = write!(paths, "[{i}]");
            }
            self.unknown(start, depth + 1)?;
            more = self.scanner.more(end)?;
        }
        Some(())
    }

    /// The rest of an array whose first element is a value; so must be all others.
    fn values(&mut self, start: usize, depth: usize) -> Option<()> {
        let mut more = true;
        while more {
            if matches!(self.scanner.peek(), b'{' | b'[') {
                return None;
            }
            self.scanner.pass(depth)?;
            more = self.scanner.more(b']')?;
        }
        self.unmapped.add(start);
        Some(())
    }
}

fn unescaped<'k>(key: Quoted<'k>, room: &'k mut String) -> &'k str {
    if !key.escaped {
        return key.raw;
    }
    room.clear();
    key.unescape(room);
    room
}
