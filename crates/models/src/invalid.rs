//! Why a record is not what it should be: what a person reads beside it in the topic of rejected
//! records.

/// The reason a record was rejected. `Display` is one short sentence; of the record itself it
/// repeats 80 bytes at most.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Nothing there, or white space only.
    #[error("the record is empty")]
    Empty,
    /// Not text at all.
    #[error("not UTF-8: the byte at position {position} belongs to no character")]
    NotUtf8 {
        /// Index of the first bad byte.
        position: usize,
    },
    /// Text, but no JSON.
    #[error("not JSON: {reason}")]
    NotJson {
        /// The parser's word, with line and column.
        reason: String,
    },
    /// JSON, but not in the form of an object.
    #[error("not a JSON object but {found}")]
    NotAnObject {
        /// What was found.
        found: String,
    },
    /// A list or object in too many lists or objects.
    #[error("nested deeper than {limit} levels")]
    NestedTooDeep {
        /// How deep it may be.
        limit: usize,
    },
    /// A field is not there.
    #[error("the field \"{field}\" is missing")]
    MissingField {
        /// Its name.
        field: &'static str,
    },
    /// A field is there twice.
    #[error("the field \"{field}\" is there twice")]
    DuplicateField {
        /// Its name.
        field: &'static str,
    },
    /// A field of another type.
    #[error("{field} must be {expected}, not {found}")]
    WrongType {
        /// Its name.
        field: &'static str,
        /// What belongs there.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// A text that is none of those that are known.
    #[error("{field} must be one of {allowed}, not {found}")]
    NotOneOf {
        /// The field's name.
        field: &'static str,
        /// What is known, separated by commas.
        allowed: &'static str,
        /// What was found.
        found: String,
    },
    /// A text without a letter.
    #[error("{field} is empty")]
    TextEmpty {
        /// The field's name.
        field: &'static str,
    },
    /// A text with a line end, a NUL or the like in it.
    #[error("{field} holds a control character")]
    TextControl {
        /// The field's name.
        field: &'static str,
    },
    /// A text that nobody writes.
    #[error("{field} is {bytes} bytes long; {limit} is the most")]
    TextTooLong {
        /// The field's name.
        field: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// An amount of money that is not believed.
    #[error("{field} must be from {least} to {most} rupiah, not {found}")]
    Rupiah {
        /// The field's name.
        field: &'static str,
        /// The least that is believed.
        least: i64,
        /// The most that is believed.
        most: i64,
        /// What was found.
        found: i64,
    },
    /// Customers are counted from one.
    #[error("customer_id must be 1 or more, not {found}")]
    CustomerId {
        /// What was found.
        found: i64,
    },
    /// The record's key says another customer than its value, or none.
    #[error("the record's key must be the customer's number, {customer_id}, but is {found}")]
    Key {
        /// The number in the value.
        customer_id: i64,
        /// What was found.
        found: String,
    },
    /// The order has no proper number.
    #[error("order_id must be a UUID, not {found}")]
    OrderId {
        /// What was found.
        found: String,
    },
    /// The account has no proper number.
    #[error("account_number must be 5 to 20 digits, not {found}")]
    AccountNumber {
        /// What was found.
        found: String,
    },
    /// No day of the calendar, or one before there were such accounts.
    #[error("{field} must be a date written YYYY-MM-DD, from the year 1900 on, not {found}")]
    Date {
        /// The field's name.
        field: &'static str,
        /// What was found.
        found: String,
    },
    /// Before 1970.
    #[error("{field} {found} is negative")]
    TimestampNegative {
        /// The field's name.
        field: &'static str,
        /// What was found.
        found: i64,
    },
    /// Seconds, where milliseconds are read.
    #[error("{field} {found} looks like seconds, not milliseconds (see --ts-unit s)")]
    TimestampInSeconds {
        /// The field's name.
        field: &'static str,
        /// What was found.
        found: i64,
    },
    /// Milliseconds, where seconds are read.
    #[error("{field} {found} looks like milliseconds, not seconds (see --ts-unit ms)")]
    TimestampInMilliseconds {
        /// The field's name.
        field: &'static str,
        /// What was found.
        found: i64,
    },
    /// Before the first record that anybody kept.
    #[error("{field} {found} is before the year 2000")]
    TimestampTooOld {
        /// The field's name.
        field: &'static str,
        /// What was found.
        found: i64,
    },
    /// After the last year that a date can be written for.
    #[error("{field} {found} is after the year 9999")]
    TimestampTooNew {
        /// The field's name.
        field: &'static str,
        /// What was found.
        found: i64,
    },
}

/// How much of a record's own text a reason may repeat, in bytes.
const QUOTED_MAX: usize = 64;

/// Text in quotes, escaped, cut to [`QUOTED_MAX`] bytes.
pub(crate) fn quoted(text: &str) -> String {
    let mut short = String::from("\"");
    for char in text.chars() {
        let before = short.len();
        short.extend(char.escape_debug());
        if short.len() > QUOTED_MAX {
            short.truncate(before);
            short.push('…');
            break;
        }
    }
    short.push('"');
    short
}

/// The parser's own message, cut to a readable length.
pub(crate) fn shortened(message: &str) -> String {
    match message.char_indices().nth(QUOTED_MAX * 2) {
        Some((cut, _)) => format!("{}…", &message[..cut]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_and_cut_between_characters() {
        assert_eq!(quoted("red"), "\"red\"");
        assert_eq!(quoted("a\n\"b"), "\"a\\n\\\"b\"");
        for text in ["x".repeat(1_000_000), "é\n".repeat(999), "漢".repeat(64)] {
            let quote = quoted(&text);
            assert!(quote.len() <= 70 && quote.ends_with("…\""), "{quote}");
        }
        assert!(shortened(&"é".repeat(1000)).len() <= 260);
    }
}
