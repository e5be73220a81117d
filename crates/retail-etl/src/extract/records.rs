//! Records and fields of a CSV text, found without copying.
//!
//! A field that begins with a quote ends with one that a comma, the line's end or the text's end
//! follows; a doubled quote within is a quote. Elsewhere a quote is text like any other. Where a
//! quote is not closed so (or only after a megabyte), the record is broken, and it ends with the
//! line that the quote is on: one stray quote costs one line, not the rest of the file.

mod marks;

use memchr::{memchr, memchr_iter, memrchr};

pub(crate) use marks::Marks;

/// Records of more fields are not looked at as a whole first: where most have fewer, to look would take
/// much longer than to read them.
const MOST_USUAL: usize = 64;
/// A quoted field may be this long, bytes.
const MAX_QUOTED: usize = 1 << 20;

/// A field's place in the text, without the quotes around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Where it begins …
    pub(crate) start: usize,
    /// … and where it ends.
    pub(crate) end: usize,
    /// Whether there are quotes around it; then doubled quotes in it are single ones.
    pub(crate) quoted: bool,
}

/// A record's place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Where it begins …
    pub(crate) start: usize,
    /// … and where it ends, without the line break.
    pub(crate) end: usize,
    /// The line that it begins on.
    pub(crate) line: u64,
    /// A quote in it is not closed; it has no fields then.
    pub(crate) broken: bool,
}

/// Goes through a text of whole records.
pub(crate) struct Records<'a> {
    text: &'a [u8],
    position: usize,
    line: u64,
    /// Fields that nearly every record has.
    width: usize,
    /// Where the marks are that were not passed yet.
    marks: &'a [u32],
}

impl<'a> Records<'a> {
    /// The records of the text, whose marks these are, and whose first line is line `line` of the file. They
    /// are found quickest where they have `width` fields without quotes.
    pub(crate) fn new(text: &'a [u8], line: u64, width: usize, marks: &'a Marks) -> Self {
        let width = if width > MOST_USUAL { 0 } else { width };
        Self { text, position: 0, line, width, marks: marks.places() }
    }

    /// Where the next record begins, and its line.
    pub(crate) fn position(&self) -> (usize, u64) {
        (self.position, self.line)
    }

    /// The next record; its fields replace those in `fields`.
    #[inline]
    pub(crate) fn next(&mut self, fields: &mut Vec<Field>) -> Option<Record> {
        fields.clear();
        self.skip_empty_lines();
        match self.usual(fields) {
            Some(record) => Some(record),
            None => self.any(fields),
        }
    }

    /// The next record, if it is as most are: of so many fields as expected, and without quotes.
    #[inline]
    fn usual(&mut self, fields: &mut Vec<Field>) -> Option<Record> {
        let (marks, rest) = self.marks.split_at_checked(self.width)?;
        let (&newline, commas) = marks.split_last()?;
        let is = |mark: u32, byte: u8| self.text[mark as usize] == byte;
        // Not one after the other, which would have to be guessed.
        let all_commas = commas.iter().fold(true, |all, &mark| all & is(mark, b','));
        if !(all_commas & is(newline, b'\n')) {
            return None;
        }
        let (start, line) = (self.position, self.line);
        let mut field = start;
        fields.extend(marks.iter().map(|&mark| {
            let end = mark as usize;
            let found = Field { start: field, end, quoted: false };
            field = end + 1;
            found
        }));
        let mut end = newline as usize;
        if let Some(last) = fields.last_mut()
            && self.text[last.start..last.end].ends_with(b"\r")
        {
            last.end -= 1;
            end -= 1;
        }
        self.marks = rest;
        self.position = field;
        self.line += 1;
        Some(Record { start, end, line, broken: false })
    }

    /// The next record, whatever it is like.
    fn any(&mut self, fields: &mut Vec<Field>) -> Option<Record> {
        let text = self.text;
        let (start, line) = (self.position, self.line);
        if start == text.len() {
            return None;
        }
        let mut field = start;
        loop {
            let Some((&mark, rest)) = self.marks.split_first() else {
                let end = text.len() - usize::from(text.ends_with(b"\r") && text.len() > field);
                fields.push(Field { start: field, end, quoted: false });
                self.position = text.len();
                return Some(Record { start, end, line, broken: false });
            };
            let mark = mark as usize;
            self.marks = rest;
            match text[mark] {
                b',' => {
                    fields.push(Field { start: field, end: mark, quoted: false });
                    field = mark + 1;
                }
                b'\n' => {
                    let end = mark - usize::from(mark > field && text[mark - 1] == b'\r');
                    fields.push(Field { start: field, end, quoted: false });
                    self.position = mark + 1;
                    self.line += 1;
                    return Some(Record { start, end, line, broken: false });
                }
                _ if mark != field => {}
                _ => match quoted_field(text, mark, true) {
                    Quoted::Closed(after) => {
                        self.line += memchr_iter(b'\n', &text[mark..after]).count() as u64;
                        fields.push(Field { start: mark + 1, end: after - 1, quoted: true });
                        if text.get(after) != Some(&b',') {
                            let end = after;
                            let newline = after + usize::from(text.get(after) == Some(&b'\r'));
                            let record = Record { start, end, line, broken: false };
                            return Some(self.end_at(newline, record));
                        }
                        field = after + 1;
                        self.pass_marks_before(field);
                    }
                    Quoted::Broken | Quoted::Unfinished => {
                        fields.clear();
                        let newline = memchr(b'\n', &text[mark..]).map(|offset| mark + offset);
                        let newline = newline.unwrap_or(text.len());
                        let end = newline - usize::from(text[newline - 1] == b'\r');
                        return Some(
                            self.end_at(newline, Record { start, end, line, broken: true }),
                        );
                    }
                },
            }
        }
    }

    /// Goes on after the line break at `newline`, which is not the last mark that was given, or ends if the
    /// text does.
    fn end_at(&mut self, newline: usize, record: Record) -> Record {
        self.position = (newline + 1).min(self.text.len());
        self.line += 1;
        self.pass_marks_before(self.position);
        record
    }

    #[inline]
    fn skip_empty_lines(&mut self) {
        while let Some(b'\n' | b'\r') = self.text.get(self.position) {
            match &self.text[self.position..] {
                [b'\n', ..] | [b'\r'] => self.position += 1,
                [b'\r', b'\n', ..] => self.position += 2,
                _ => break,
            }
            self.line += 1;
            self.pass_marks_before(self.position);
        }
    }

    fn pass_marks_before(&mut self, position: usize) {
        let passed = self.marks.iter().take_while(|&&mark| (mark as usize) < position).count();
        self.marks = &self.marks[passed..];
    }
}

/// Where the last whole record of the text ends; 0 if not one is whole. `is_end`: nothing follows
/// the text, so it is whole.
pub(crate) fn whole_records(text: &[u8], is_end: bool) -> usize {
    if is_end {
        return text.len();
    }
    let mut whole = 0;
    // Everything before this is outside of quotes, or in quotes that are closed.
    let mut position = 0;
    let last_break = |from: usize, to: usize, whole: usize| {
        memrchr(b'\n', &text[from..to]).map_or(whole, |offset| from + offset + 1)
    };
    while let Some(offset) = memchr(b'"', &text[position..]) {
        let quote = position + offset;
        let begins_field = quote == 0 || matches!(text[quote - 1], b',' | b'\n');
        if !begins_field {
            whole = last_break(position, quote, whole);
            position = quote + 1;
            continue;
        }
        whole = last_break(position, quote, whole);
        match quoted_field(text, quote, false) {
            Quoted::Closed(after) => position = after,
            Quoted::Unfinished => return whole,
            Quoted::Broken => match memchr(b'\n', &text[quote..]) {
                Some(offset) => {
                    position = quote + offset + 1;
                    whole = position;
                }
                None => return whole,
            },
        }
    }
    last_break(position, text.len(), whole)
}

/// How a quoted field goes on.
enum Quoted {
    /// It is closed, and this is the place after the closing quote.
    Closed(usize),
    /// It is not closed as it must be.
    Broken,
    /// The text ends before that can be told.
    Unfinished,
}

/// Looks for the end of the field whose opening quote is at `open`.
fn quoted_field(text: &[u8], open: usize, is_end: bool) -> Quoted {
    let furthest = (open + MAX_QUOTED).min(text.len());
    let mut position = open + 1;
    while let Some(offset) = memchr(b'"', &text[position.min(furthest)..furthest]) {
        let after = position + offset + 1;
        position = match &text[after..] {
            [b'"', ..] => after + 1,
            [b',' | b'\n', ..] | [b'\r', b'\n', ..] => return Quoted::Closed(after),
            [] | [b'\r'] if is_end => return Quoted::Closed(after),
            [] | [b'\r'] => return Quoted::Unfinished,
            _ => return Quoted::Broken,
        };
    }
    if is_end || text.len() >= open + MAX_QUOTED { Quoted::Broken } else { Quoted::Unfinished }
}

#[cfg(test)]
mod tests;
