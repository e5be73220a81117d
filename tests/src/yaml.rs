//! YAML as a JSON value, with what Compose's files are made of: anchors, aliases and merge keys.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

/// Reads one document.
///
/// # Errors
/// A sentence, when it is no YAML, or a mapping has a key twice or one that is no text.
pub fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader { events: Parser::new_from_str(text), anchors: HashMap::new() };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) => {}
            first => return reader.value(first),
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Value>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        let event = self.events.next().ok_or("the document ends too soon")?;
        event.map(|(event, _)| event).map_err(|error| error.to_string())
    }

    /// The value that begins with this event.
    fn value(&mut self, first: Event<'a>) -> Result<Value, String> {
        let (anchor, value) = match first {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                return known.ok_or_else(|| "an alias comes before its anchor".to_owned());
            }
            Event::Scalar(text, style, anchor, _) => (anchor, scalar(&text, style)),
            Event::SequenceStart(anchor, _) => (anchor, self.sequence()?),
            Event::MappingStart(anchor, _) => (anchor, self.mapping()?),
            other => return Err(format!("no value: {other:?}")),
        };
        // Whatever has no anchor has the number 0.
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn sequence(&mut self) -> Result<Value, String> {
        let mut values = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Value::Array(values)),
                first => values.push(self.value(first)?),
            }
        }
    }

    fn mapping(&mut self) -> Result<Value, String> {
        let (mut own, mut merged) = (Map::new(), Vec::new());
        loop {
            let key = match self.next()? {
                Event::MappingEnd => break,
                Event::Scalar(key, ..) => key.into_owned(),
                other => return Err(format!("a key must be a text: {other:?}")),
            };
            let first = self.next()?;
            let value = self.value(first)?;
            if key == "<<" {
                merged.push(value);
            } else if own.insert(key.clone(), value).is_some() {
                return Err(format!("{key} is there twice"));
            }
        }
        for value in merged {
            merge(&mut own, value)?;
        }
        Ok(Value::Object(own))
    }
}

/// Adds what is not there yet: of a mapping, or of several in their order.
fn merge(own: &mut Map<String, Value>, value: Value) -> Result<(), String> {
    match value {
        Value::Object(other) => {
            for (key, value) in other {
                own.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(others) => others.into_iter().try_for_each(|other| merge(own, other)),
        other => Err(format!("only mappings can be merged: {other}")),
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::from(text);
    }
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::from(true),
        "false" => Value::from(false),
        _ => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn anchors_merges_and_kinds_of_scalars() {
        let text = "
            base: &base {a: 1, b: 'two'}
            more: &more {b: 3, c: [x, ~, true]}
            one: {<<: *base, a: ten}
            all: {<<: [*base, *more], d: \"5\", e: *more}
            none:
        ";
        let expected = json!({
            "base": {"a": 1, "b": "two"},
            "more": {"b": 3, "c": ["x", null, true]},
            "one": {"a": "ten", "b": "two"},
            "all": {
                "a": 1, "b": "two", "c": ["x", null, true], "d": "5",
                "e": {"b": 3, "c": ["x", null, true]},
            },
            "none": null,
        });
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_yaml_or_twice_is_told() {
        for (text, word) in [
            ("a: 1\na: 2", "a is there twice"),
            ("a: *b", "b"),
            ("a: [1, 2", ""),
            ("<<: 7", "only mappings"),
            ("", "no value"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
