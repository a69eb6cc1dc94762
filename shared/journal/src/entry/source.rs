//! What an entry says for the books of its source, coming out.

use eyot_pipeline::ledger::{MessageFate, ReadingFate};

use super::Letter;
use crate::dictionary::Dictionary;
use crate::varint::{Cursor, Malformed};

/// What a burst means for the books of its source.
#[derive(Clone, Copy)]
pub struct SourceRef<'a> {
    name: &'a str,
    /// Messages, where that is all there is to say.
    pub(super) plain: Option<u64>,
    messages: Counts<'a>,
    settled: Counts<'a>,
    unmapped: u64,
    letters: Letters<'a>,
}

impl<'a> SourceRef<'a> {
    pub(super) fn new(
        cursor: &mut Cursor<'a>,
        plain: bool,
        dictionary: &'a Dictionary,
    ) -> Result<Self, Malformed> {
        let none = Counts {
            cursor: Cursor::new(&[]),
            left: 0,
            dictionary,
        };
        let mut source = Self {
            name: dictionary.source(cursor.number()?)?,
            plain: None,
            messages: none,
            settled: none,
            unmapped: 0,
            letters: Letters {
                cursor: Cursor::new(&[]),
                left: 0,
            },
        };
        if !plain {
            source.messages = Counts::read(cursor, dictionary)?;
            source.settled = Counts::read(cursor, dictionary)?;
            source.unmapped = cursor.varint()?;
            source.letters = Letters::read(cursor)?;
        }
        Ok(source)
    }

    /// The source's name.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Messages received, by what became of them.
    pub fn messages(&self) -> impl Iterator<Item = (Fate<'a>, u64)> + use<'a> {
        let plain = self.plain.map(|n| (Fate::DECODED, n));
        plain.into_iter().chain(self.messages.iter())
    }

    /// Readings that are not among the inputs, by what became of them.
    pub fn settled(&self) -> impl Iterator<Item = (Fate<'a>, u64)> + use<'a> {
        self.settled.iter()
    }

    /// Fields that no rule maps.
    #[must_use]
    pub const fn unmapped(&self) -> u64 {
        self.unmapped
    }

    /// Messages that could not be decoded.
    pub fn letters(&self) -> impl Iterator<Item = Letter<'a>> + use<'a> {
        self.letters.iter()
    }
}

/// A fate by its names: the version that wrote it may have known others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate<'a> {
    /// The term of the equation it belongs to.
    pub term: &'a str,
    /// The reason within the term; empty where the term says it all.
    pub reason: &'a str,
}

impl Fate<'_> {
    /// How `flag::PLAIN` reads; fixed, whatever the books call it later.
    const DECODED: Fate<'static> = Fate {
        term: "decoded",
        reason: "",
    };

    /// The fate of a message that is called so, if this version knows it.
    #[must_use]
    pub fn of_message(&self) -> Option<MessageFate> {
        let is_it = |fate: &MessageFate| fate.term() == self.term && fate.reason() == self.reason;
        MessageFate::ALL.iter().copied().find(is_it)
    }

    /// The fate of a reading that is called so, if this version knows it.
    #[must_use]
    pub fn of_reading(&self) -> Option<ReadingFate> {
        let is_it = |fate: &ReadingFate| fate.term() == self.term && fate.reason() == self.reason;
        ReadingFate::ALL.iter().copied().find(is_it)
    }
}

#[derive(Clone, Copy)]
struct Counts<'a> {
    cursor: Cursor<'a>,
    left: usize,
    dictionary: &'a Dictionary,
}

impl<'a> Counts<'a> {
    /// Reads all of them, so that they can be read again.
    fn read(cursor: &mut Cursor<'a>, dictionary: &'a Dictionary) -> Result<Self, Malformed> {
        let left = cursor.count()?;
        let counts = Self {
            cursor: *cursor,
            left,
            dictionary,
        };
        for _ in 0..left {
            dictionary.fate(cursor.number()?)?;
            cursor.varint()?;
        }
        Ok(counts)
    }

    fn iter(mut self) -> impl Iterator<Item = (Fate<'a>, u64)> + use<'a> {
        let left = self.left;
        let mut next = move || {
            let (term, reason) = self.dictionary.fate(self.cursor.number().ok()?).ok()?;
            Some((Fate { term, reason }, self.cursor.varint().ok()?))
        };
        (0..left).map_while(move |_| next())
    }
}

#[derive(Clone, Copy)]
struct Letters<'a> {
    cursor: Cursor<'a>,
    left: usize,
}

impl<'a> Letters<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let left = cursor.count()?;
        let letters = Self {
            cursor: *cursor,
            left,
        };
        for _ in 0..left {
            letter(cursor)?;
        }
        Ok(letters)
    }

    fn iter(mut self) -> impl Iterator<Item = Letter<'a>> + use<'a> {
        (0..self.left).map_while(move |_| letter(&mut self.cursor).ok())
    }
}

fn letter<'a>(cursor: &mut Cursor<'a>) -> Result<Letter<'a>, Malformed> {
    Ok(Letter {
        topic: cursor.text()?,
        reason: cursor.text()?,
        detail: cursor.text()?,
        payload: cursor.bytes()?,
        payload_len: cursor.varint()?,
    })
}
