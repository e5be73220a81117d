//! The general JSON parser: serde_json with a visitor of our own, so that each thing that can be
//! wrong has its name.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::Invalid;
use crate::invalid::{quoted, shortened};

/// How many lists and objects may lie in each other in fields that we skip.
const DEPTH_MAX: usize = 64;

/// A record while its fields are collected, as they are written: a place for each, empty at first.
pub(crate) trait Raw<'a>: Default {
    /// The name and place of one of the record's fields; nothing for a field that is skipped.
    fn slot(&mut self, name: &str) -> Option<(&'static str, Slot<'_, 'a>)>;
}

/// The place of a field, and so what it must be.
pub(crate) enum Slot<'s, 'a> {
    Text(&'s mut Option<Cow<'a, str>>),
    Whole(&'s mut Option<i64>),
}

/// Reads one JSON object. Fields that are not there stay empty: see [`present`].
pub(crate) fn parse<'a, R: Raw<'a>>(json: &'a [u8]) -> Result<R, Invalid> {
    let text = std::str::from_utf8(json)
        .map_err(|error| Invalid::NotUtf8 { position: error.valid_up_to() })?;
    if text.trim_ascii().is_empty() {
        return Err(Invalid::Empty);
    }
    let mut problem = None;
    let mut parser = serde_json::Deserializer::from_str(text);
    let object = Object { raw: R::default(), problem: &mut problem };
    object.deserialize(&mut parser).and_then(|raw| parser.end().map(|()| raw)).map_err(|error| {
        problem.unwrap_or_else(|| Invalid::NotJson { reason: shortened(&error.to_string()) })
    })
}

/// The field's value, which must be there.
pub(crate) fn present<T>(field: &'static str, value: Option<T>) -> Result<T, Invalid> {
    value.ok_or(Invalid::MissingField { field })
}

/// Appends a number.
pub(crate) fn write_number(number: i64, json: &mut Vec<u8>) {
    // The digits are made from the right; 20 bytes hold a sign and 19 of them.
    let mut text = [0_u8; 20];
    let mut start = text.len();
    let mut left = number.unsigned_abs();
    loop {
        start -= 1;
        text[start] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if number < 0 {
        json.push(b'-');
    }
    json.extend_from_slice(&text[start..]);
}

/// Appends a text in quotes, with escapes where JSON wants them.
pub(crate) fn write_text(text: &str, json: &mut Vec<u8>) {
    json.push(b'"');
    for char in text.chars() {
        match char {
            '"' | '\\' => json.extend_from_slice(&[b'\\', char as u8]),
            '\0'..='\x1f' => {
                write!(json, "\\u{:04x}", u32::from(char)).expect("a Vec takes everything");
            }
            _ => json.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    json.push(b'"');
}

/// A field's name, which becomes its place in the record.
struct Name<'s, R>(&'s mut R);

impl<'de: 's, 's, R: Raw<'de>> DeserializeSeed<'de> for Name<'s, R> {
    type Value = Option<(&'static str, Slot<'s, 'de>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de: 's, 's, R: Raw<'de>> Visitor<'de> for Name<'s, R> {
    type Value = Option<(&'static str, Slot<'s, 'de>)>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.slot(name))
    }
}

/// Leaves the reason where [`parse`] finds it: serde's errors can carry text only.
fn refuse<T, E: Error>(problem: &mut Option<Invalid>, reason: Invalid) -> Result<T, E> {
    problem.get_or_insert(reason);
    Err(E::custom("refused"))
}

/// The whole record.
struct Object<'p, R> {
    raw: R,
    problem: &'p mut Option<Invalid>,
}

impl<'de, R: Raw<'de>> DeserializeSeed<'de> for Object<'_, R> {
    type Value = R;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<R, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// What a visitor answers to everything it does not want: `$self` and the words for what was found.
macro_rules! refuse_others {
    ($value:ty, $refuse:ident: $($kind:ident),+) => {
        $( refuse_others!(@ $value, $refuse, $kind); )+
    };
    (@ $value:ty, $refuse:ident, text) => {
        fn visit_str<E: Error>(self, found: &str) -> Result<$value, E> {
            self.$refuse(quoted(found))
        }
    };
    (@ $value:ty, $refuse:ident, whole) => {
        fn visit_i64<E: Error>(self, found: i64) -> Result<$value, E> {
            self.$refuse(found.to_string())
        }
        fn visit_u64<E: Error>(self, found: u64) -> Result<$value, E> {
            self.$refuse(found.to_string())
        }
    };
    (@ $value:ty, $refuse:ident, rest) => {
        fn visit_f64<E: Error>(self, found: f64) -> Result<$value, E> {
            self.$refuse(format!("{found:?}"))
        }
        fn visit_bool<E: Error>(self, found: bool) -> Result<$value, E> {
            self.$refuse(found.to_string())
        }
        fn visit_unit<E: Error>(self) -> Result<$value, E> {
            self.$refuse("null".to_owned())
        }
        fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<$value, A::Error> {
            self.$refuse("a list".to_owned())
        }
    };
    (@ $value:ty, $refuse:ident, object) => {
        fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<$value, A::Error> {
            self.$refuse("an object".to_owned())
        }
    };
}

impl<'de, R: Raw<'de>> Visitor<'de> for Object<'_, R> {
    type Value = R;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<R, A::Error> {
        let Self { mut raw, problem } = self;
        while let Some(named) = map.next_key_seed(Name(&mut raw))? {
            match named {
                None => map.next_value_seed(Skip { problem, depth: 1 })?,
                Some((field, Slot::Text(Some(_)) | Slot::Whole(Some(_)))) => {
                    return refuse(problem, Invalid::DuplicateField { field });
                }
                Some((field, Slot::Text(place))) => {
                    *place = Some(map.next_value_seed(Text { field, problem })?);
                }
                Some((field, Slot::Whole(place))) => {
                    *place = Some(map.next_value_seed(Whole { field, problem })?);
                }
            }
        }
        Ok(raw)
    }

    refuse_others!(R, not_an_object: text, whole, rest);
}

impl<R> Object<'_, R> {
    fn not_an_object<T, E: Error>(self, found: String) -> Result<T, E> {
        refuse(self.problem, Invalid::NotAnObject { found })
    }
}

/// A field that is text.
struct Text<'p> {
    field: &'static str,
    problem: &'p mut Option<Invalid>,
}

impl Text<'_> {
    fn no_text<T, E: Error>(self, found: String) -> Result<T, E> {
        let (field, expected) = (self.field, "text");
        refuse(self.problem, Invalid::WrongType { field, expected, found })
    }
}

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    refuse_others!(Cow<'de, str>, no_text: whole, rest, object);
}

/// A field that is a whole number.
struct Whole<'p> {
    field: &'static str,
    problem: &'p mut Option<Invalid>,
}

impl Whole<'_> {
    fn no_whole<T, E: Error>(self, found: String) -> Result<T, E> {
        let (field, expected) = (self.field, "a whole number");
        refuse(self.problem, Invalid::WrongType { field, expected, found })
    }
}

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = i64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<i64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = i64;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
        match i64::try_from(number) {
            Ok(number) => Ok(number),
            Err(_) => self.no_whole(number.to_string()),
        }
    }

    refuse_others!(i64, no_whole: text, rest, object);
}

/// A field that we do not know: read over, but not to any depth.
struct Skip<'p> {
    problem: &'p mut Option<Invalid>,
    depth: usize,
}

impl Skip<'_> {
    fn deeper<E: Error>(&mut self) -> Result<Skip<'_>, E> {
        if self.depth == DEPTH_MAX {
            return refuse(self.problem, Invalid::NestedTooDeep { limit: DEPTH_MAX });
        }
        Ok(Skip { depth: self.depth + 1, problem: self.problem })
    }
}

impl<'de> DeserializeSeed<'de> for Skip<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skip<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("anything")
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self.deeper()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(self.deeper()?)?;
        }
        Ok(())
    }
}
