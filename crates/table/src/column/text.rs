//! A column of text.
//!
//! It begins *coded*: each different text is kept once, and a slot holds its two-byte code. So it
//! stays where there are few of them, such as cities. Beyond [`MOST_CODES`] it becomes *plain* for
//! good: all texts one after the other in one arena, and a slot holds place and length.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use datafusion::common::hash_utils::RandomState;
use hashbrown::HashTable;

use super::{Codes, Column, make_room};
use crate::Error;

/// The most different texts that are worth a code each.
const MOST_CODES: usize = 4096;
const NULL_CODE: u16 = u16::MAX;

pub(crate) struct TextColumn {
    name: String,
    form: Form,
}

enum Form {
    Coded(Coded),
    Plain(PlainText),
}

impl TextColumn {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), form: Form::Coded(Coded::default()) }
    }

    fn get(&self, slot: u32) -> Option<&[u8]> {
        match &self.form {
            Form::Coded(coded) => coded.get(slot),
            Form::Plain(plain) => plain.get(slot),
        }
    }
}

impl Column for TextColumn {
    fn grow(&mut self, slots: usize) {
        match &mut self.form {
            Form::Coded(coded) => {
                let more = slots - coded.codes.len();
                make_room(&mut coded.codes, more);
                coded.codes.resize(slots, NULL_CODE);
            }
            Form::Plain(plain) => plain.grow(slots),
        }
    }

    fn write(&mut self, array: &dyn Array, rows: &[u32], slots: &[u32]) -> Result<(), Error> {
        let texts = array.as_string::<i32>();
        let mut written = 0;
        if let Form::Coded(coded) = &mut self.form {
            written = coded.write(texts, rows, slots);
            if written < rows.len() {
                self.form = Form::Plain(coded.to_plain(&self.name)?);
            }
        }
        if let Form::Plain(plain) = &mut self.form {
            plain.write(texts, &rows[written..], &slots[written..])?;
        }
        Ok(())
    }

    fn holds(&self, slot: u32, array: &dyn Array, row: usize) -> bool {
        let texts = array.as_string::<i32>();
        self.get(slot) == texts.is_valid(row).then(|| texts.value(row).as_bytes())
    }

    fn read(&self, slots: &[u32]) -> Result<ArrayRef, Error> {
        match &self.form {
            Form::Coded(coded) => text_array(&self.name, slots, |slot| coded.get(slot)),
            Form::Plain(plain) => plain.read(slots),
        }
    }

    fn release(&mut self, slots: &[u32]) {
        if let Form::Plain(plain) = &mut self.form {
            plain.release(slots);
        }
    }

    fn codes(&self) -> Option<Codes<'_>> {
        let Form::Coded(coded) = &self.form else { return None };
        let values = coded.values.iter().map(|value| Some(value.as_ref())).chain([None]);
        Some(Codes { of_slot: &coded.codes, values: Arc::new(values.collect::<StringArray>()) })
    }

    fn size(&self) -> usize {
        match &self.form {
            Form::Coded(coded) => coded.size(),
            Form::Plain(plain) => plain.size(),
        }
    }
}

#[derive(Default)]
struct Coded {
    codes: Vec<u16>,
    values: Vec<Box<str>>,
    by_value: HashTable<u16>,
}

impl Coded {
    fn get(&self, slot: u32) -> Option<&[u8]> {
        match self.codes[slot as usize] {
            NULL_CODE => None,
            code => Some(self.values[usize::from(code)].as_bytes()),
        }
    }

    /// Returns how many rows were written: fewer than all when there is no code left.
    fn write(&mut self, texts: &StringArray, rows: &[u32], slots: &[u32]) -> usize {
        for (at, (&row, &slot)) in rows.iter().zip(slots).enumerate() {
            let row = row as usize;
            if texts.is_null(row) {
                self.codes[slot as usize] = NULL_CODE;
                continue;
            }
            let text = texts.value(row);
            if self.get(slot) == Some(text.as_bytes()) {
                continue;
            }
            match self.code_of(text) {
                Some(code) => self.codes[slot as usize] = code,
                None => return at,
            }
        }
        rows.len()
    }

    fn code_of(&mut self, text: &str) -> Option<u16> {
        let hasher = RandomState::default();
        let hash = hasher.hash_one(text);
        let values = &mut self.values;
        let known = self.by_value.find(hash, |&code| *values[usize::from(code)] == *text);
        if let Some(&code) = known {
            return Some(code);
        }
        let code = u16::try_from(values.len()).ok().filter(|_| values.len() < MOST_CODES)?;
        values.push(text.into());
        self.by_value
            .insert_unique(hash, code, |&code| hasher.hash_one(&*values[usize::from(code)]));
        Some(code)
    }

    fn to_plain(&self, name: &str) -> Result<PlainText, Error> {
        let mut plain = PlainText::new(name);
        plain.grow(self.codes.len());
        for slot in 0..self.codes.len() as u32 {
            plain.set(slot, self.get(slot))?;
        }
        Ok(plain)
    }

    fn size(&self) -> usize {
        let texts: usize =
            self.values.iter().map(|value| value.len() + size_of::<Box<str>>()).sum();
        self.codes.capacity() * size_of::<u16>() + texts + self.by_value.allocation_size()
    }
}

/// Texts in one arena.
pub(crate) struct PlainText {
    name: String,
    arena: Vec<u8>,
    places: Vec<Place>,
    /// Bytes of the arena that no slot points to.
    dead: usize,
}

/// Where a text is: 40 bits of place, 24 bits of length.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place(u64);

impl Place {
    const NULL: Self = Self(u64::MAX);
    const LENGTH_BITS: u32 = 24;
    const LONGEST: usize = (1 << Self::LENGTH_BITS) - 2;
    const FURTHEST: usize = 1 << (u64::BITS - Self::LENGTH_BITS);

    fn new(start: usize, length: usize) -> Self {
        Self((start as u64) << Self::LENGTH_BITS | length as u64)
    }

    fn length(self) -> usize {
        (self.0 & ((1 << Self::LENGTH_BITS) - 1)) as usize
    }

    fn range(self) -> std::ops::Range<usize> {
        let start = (self.0 >> Self::LENGTH_BITS) as usize;
        start..start + self.length()
    }
}

impl PlainText {
    /// Less garbage than this is not worth a compaction.
    const COMPACT_FROM: usize = 1 << 16;

    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), arena: Vec::new(), places: Vec::new(), dead: 0 }
    }

    pub(crate) fn grow(&mut self, slots: usize) {
        let more = slots - self.places.len();
        make_room(&mut self.places, more);
        self.places.resize(slots, Place::NULL);
    }

    pub(crate) fn slots(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&[u8]> {
        let place = self.places[slot as usize];
        (place != Place::NULL).then(|| &self.arena[place.range()])
    }

    fn write(&mut self, texts: &StringArray, rows: &[u32], slots: &[u32]) -> Result<(), Error> {
        for (&row, &slot) in rows.iter().zip(slots) {
            let row = row as usize;
            let text = texts.is_valid(row).then(|| texts.value(row).as_bytes());
            // Most rows change a number, and bring their texts as they were.
            if self.get(slot) != text {
                self.set(slot, text)?;
            }
        }
        Ok(())
    }

    pub(crate) fn set(&mut self, slot: u32, text: Option<&[u8]>) -> Result<(), Error> {
        let old = std::mem::replace(&mut self.places[slot as usize], Place::NULL);
        let room = if old == Place::NULL { 0 } else { old.length() };
        let Some(text) = text else {
            self.dead += room;
            self.compact_if_half_dead();
            return Ok(());
        };
        if text.len() > Place::LONGEST {
            return Err(Error::TooLarge(format!("a text of 16 MiB in {:?}", self.name)));
        }
        if old != Place::NULL && text.len() <= room {
            let start = old.range().start;
            self.arena[start..start + text.len()].copy_from_slice(text);
            self.places[slot as usize] = Place::new(start, text.len());
            self.dead += room - text.len();
        } else {
            self.dead += room;
            if self.arena.len() + text.len() >= Place::FURTHEST {
                return Err(Error::TooLarge(format!("more text in {:?}", self.name)));
            }
            make_room(&mut self.arena, text.len());
            self.places[slot as usize] = Place::new(self.arena.len(), text.len());
            self.arena.extend_from_slice(text);
        }
        self.compact_if_half_dead();
        Ok(())
    }

    pub(crate) fn read(&self, slots: &[u32]) -> Result<ArrayRef, Error> {
        text_array(&self.name, slots, |slot| self.get(slot))
    }

    pub(crate) fn release(&mut self, slots: &[u32]) {
        for &slot in slots {
            let old = std::mem::replace(&mut self.places[slot as usize], Place::NULL);
            self.dead += if old == Place::NULL { 0 } else { old.length() };
        }
        self.compact_if_half_dead();
    }

    fn compact_if_half_dead(&mut self) {
        if self.dead < Self::COMPACT_FROM || self.dead * 2 < self.arena.len() {
            return;
        }
        let mut arena = Vec::with_capacity(self.arena.len() - self.dead);
        for place in self.places.iter_mut().filter(|place| **place != Place::NULL) {
            let start = arena.len();
            arena.extend_from_slice(&self.arena[place.range()]);
            *place = Place::new(start, place.length());
        }
        self.arena = arena;
        self.dead = 0;
    }

    pub(crate) fn size(&self) -> usize {
        self.arena.capacity() + self.places.capacity() * size_of::<Place>()
    }
}

/// An array of the texts of slots.
fn text_array<'a>(
    name: &str,
    slots: &[u32],
    get: impl Fn(u32) -> Option<&'a [u8]>,
) -> Result<ArrayRef, Error> {
    let length: usize = slots.iter().map(|&slot| get(slot).map_or(0, <[u8]>::len)).sum();
    if i32::try_from(length).is_err() {
        return Err(Error::TooLarge(format!("2 GiB of {name:?} in one batch")));
    }
    let mut bytes = Vec::with_capacity(length);
    let mut offsets = Vec::with_capacity(slots.len() + 1);
    offsets.push(0);
    let mut valid = Vec::with_capacity(slots.len());
    for &slot in slots {
        let text = get(slot);
        bytes.extend_from_slice(text.unwrap_or_default());
        offsets.push(bytes.len() as i32);
        valid.push(text.is_some());
    }
    let nulls = Some(NullBuffer::from(valid)).filter(|nulls| nulls.null_count() > 0);
    let offsets = OffsetBuffer::new(offsets.into());
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(column: &mut TextColumn, slots: &[u32], texts: &[Option<String>]) {
        let array = StringArray::from(texts.to_vec());
        let rows: Vec<u32> = (0..texts.len() as u32).collect();
        column.write(&array, &rows, slots).unwrap();
    }

    fn check(column: &TextColumn, expected: &[Option<String>]) {
        let slots: Vec<u32> = (0..expected.len() as u32).collect();
        let array = column.read(&slots).unwrap();
        let found: Vec<Option<&str>> = array.as_string::<i32>().iter().collect();
        assert_eq!(found, expected.iter().map(Option::as_deref).collect::<Vec<_>>());
        let all = StringArray::from(expected.to_vec());
        assert!(slots.iter().all(|&slot| column.holds(slot, &all, slot as usize)));
    }

    #[test]
    fn few_texts_have_codes_and_many_have_none() {
        let mut column = TextColumn::new("city");
        let slots: Vec<u32> = (0..3 * MOST_CODES as u32).collect();
        column.grow(slots.len());
        let few = |slot: u32| (!slot.is_multiple_of(7)).then(|| format!("city {}", slot % 100));
        let mut texts: Vec<Option<String>> = slots.iter().map(|&slot| few(slot)).collect();
        write(&mut column, &slots, &texts);
        check(&column, &texts);
        assert_eq!(column.codes().map(|codes| codes.values.len()), Some(101));

        // The last code is given out in the middle of a batch.
        let own = |slot: u32| (!slot.is_multiple_of(5)).then(|| format!("a city of slot {slot}"));
        texts = slots.iter().map(|&slot| own(slot)).collect();
        write(&mut column, &slots, &texts);
        check(&column, &texts);
        assert!(column.codes().is_none());
    }

    #[test]
    fn garbage_is_compacted() {
        let mut column = TextColumn::new("name");
        let slots: Vec<u32> = (0..2 * MOST_CODES as u32).collect();
        column.grow(slots.len());
        let mut texts = vec![None; slots.len()];
        for round in 0..60_u32 {
            // Longer and shorter ones, empty ones and none, each round elsewhere.
            let chosen: Vec<u32> =
                slots.iter().copied().filter(|slot| (slot + round).is_multiple_of(3)).collect();
            let text = |slot: u32| {
                // From one round of a slot to its next by any odd number, also by one.
                let length = (slot * 31 + round * round) as usize % 40;
                let letters = format!("{slot}-{round}-");
                (length != 39).then(|| letters.chars().cycle().take(length).collect())
            };
            let new: Vec<Option<String>> = chosen.iter().map(|&slot| text(slot)).collect();
            write(&mut column, &chosen, &new);
            for (&slot, text) in chosen.iter().zip(new) {
                texts[slot as usize] = text;
            }
            check(&column, &texts);
        }
        let live: usize = texts.iter().flatten().map(String::len).sum();
        let places = slots.len() * size_of::<Place>();
        let most = 2 * live + places + (live + places) / 4 + 2 * PlainText::COMPACT_FROM;
        assert!(column.size() <= most, "{} bytes for {live} of text", column.size());

        column.release(&slots);
        assert!(column.size() <= places * 9 / 8 + 2 * PlainText::COMPACT_FROM);
    }
}
