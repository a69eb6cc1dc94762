//! The parsed file with the place of every key and value.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use super::fault::Report;

/// A parsed TOML file.
#[derive(Debug)]
pub(super) struct Tree<'t> {
    root: Spanned<DeValue<'t>>,
}

impl<'t> Tree<'t> {
    /// Parses `text`. Syntax errors go to `report`, all of them; what they leave is still a tree.
    pub(super) fn parse(text: &'t str, report: &mut Report<'_>) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or_default();
            report.at(span, "", error.message());
        }
        Self {
            root: Spanned::new(root.span(), DeValue::Table(root.into_inner())),
        }
    }

    /// The whole file.
    pub(super) fn root(&self) -> Node<'_> {
        Node {
            path: String::new(),
            key: self.root.span(),
            span: self.root.span(),
            value: Some(self.root.get_ref()),
        }
    }

    /// Reads the tree into a type.
    pub(super) fn deserialize<T: Deserialize<'t>>(&self) -> Result<T, Error> {
        T::deserialize(ValueDeserializer::from(self.root.clone()))
    }
}

/// A place in a tree: a path, and the value there if there is one.
#[derive(Debug, Clone)]
pub(super) struct Node<'t> {
    path: String,
    key: Range<usize>,
    span: Range<usize>,
    value: Option<&'t DeValue<'t>>,
}

impl<'t> Node<'t> {
    /// The path, like `class[0].channels."PM2.5".min`; empty for the whole file.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Bytes of the value; for a table its header; for what is missing, the table it is missing from.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Bytes of the key, or as [`Node::span`] for an element of an array.
    pub(super) fn key_span(&self) -> Range<usize> {
        self.key.clone()
    }

    /// The value.
    pub(super) fn value(&self) -> Option<&'t DeValue<'t>> {
        self.value
    }

    /// Whether something stands there.
    pub(super) fn exists(&self) -> bool {
        self.value.is_some()
    }

    /// The place of `key` in this table.
    pub(super) fn key(&self, key: &str) -> Self {
        let entry = self
            .value
            .and_then(DeValue::as_table)
            .and_then(|table| table.get_key_value(key));
        match entry {
            Some((key, value)) => self.entry(key, value),
            None => self.missing(self.path_of(key)),
        }
    }

    /// The first of `keys` that is written in this table; otherwise the table itself.
    pub(super) fn first_of(&self, keys: [&str; 2]) -> Self {
        keys.into_iter()
            .map(|key| self.key(key))
            .find(Self::exists)
            .unwrap_or_else(|| self.clone())
    }

    /// The place of element `index` of this array.
    pub(super) fn index(&self, index: usize) -> Self {
        let path = format!("{}[{index}]", self.path);
        match self.value.and_then(DeValue::as_array) {
            Some(array) if index < array.len() => Self {
                path,
                key: array[index].span(),
                span: array[index].span(),
                value: Some(array[index].get_ref()),
            },
            _ => self.missing(path),
        }
    }

    /// The keys of this table, in the order of the file.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'t str, Self)> {
        let table = self.value.and_then(DeValue::as_table);
        table
            .into_iter()
            .flat_map(DeTable::iter)
            .map(|(key, value)| (key.get_ref().as_ref(), self.entry(key, value)))
    }

    /// The elements of this array.
    pub(super) fn elements(&self) -> impl Iterator<Item = Self> {
        let length = self
            .value
            .and_then(DeValue::as_array)
            .map_or(0, |array| array.len());
        (0..length).map(|index| self.index(index))
    }

    fn entry(
        &self,
        key: &'t Spanned<toml::de::DeString<'t>>,
        value: &'t Spanned<DeValue<'t>>,
    ) -> Self {
        Self {
            path: self.path_of(key.get_ref()),
            key: key.span(),
            span: value.span(),
            value: Some(value.get_ref()),
        }
    }

    fn missing(&self, path: String) -> Self {
        Self {
            path,
            key: self.span(),
            span: self.span(),
            value: None,
        }
    }

    fn path_of(&self, key: &str) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let dot = if self.path.is_empty() { "" } else { "." };
        if !key.is_empty() && key.chars().all(bare) {
            format!("{}{dot}{key}", self.path)
        } else {
            format!("{}{dot}{key:?}", self.path)
        }
    }
}
