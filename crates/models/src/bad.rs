//! Unreadable records of many kinds, for practice: each must be rejected with a reason.

/// How a record is made unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadKind {
    /// Cut off somewhere.
    Truncated,
    /// Words, not JSON.
    NotJson,
    /// A byte that belongs to no character.
    NotUtf8,
    /// No byte at all.
    Empty,
    /// JSON, but a list.
    List,
    /// Lists in lists in lists.
    DeeplyNested,
    /// No amount of money.
    MissingField,
    /// Two amounts.
    DuplicateField,
    /// The amount in quotes.
    AmountAsText,
    /// Half a rupiah.
    AmountWithFraction,
    /// An amount that cannot be.
    AmountTooLow,
    /// The amount is null.
    AmountNull,
    /// A lamp, where there are chairs and tables.
    UnknownName,
    /// A text of ten thousand letters.
    HugeText,
    /// What should be an order's number, or a date, is none.
    WrongForm,
    /// Seconds in place of milliseconds.
    Seconds,
    /// A time before 1970.
    NegativeTime,
    /// A time after the year 9999.
    FarFuture,
}

/// Where a good record can be spoilt: fields as they stand in it, and what to put there.
pub(crate) struct Sample {
    /// What a person might write in place of a record.
    pub(crate) words: &'static str,
    /// The field that holds money, and another name for it.
    pub(crate) amount_field: &'static str,
    pub(crate) amount_field_misnamed: &'static str,
    /// The money.
    pub(crate) amount: i64,
    /// Less money than there can be.
    pub(crate) amount_too_low: i64,
    /// A word of a few that may stand there, and one that may not.
    pub(crate) known_name: &'static str,
    pub(crate) unknown_name: &'static str,
    /// A field that holds any text.
    pub(crate) text_field: &'static str,
    /// A text of a certain form, and one without.
    pub(crate) formed: String,
    pub(crate) unformed: &'static str,
    /// The field that holds the event time.
    pub(crate) time_field: &'static str,
    /// The event time, ms since the Unix epoch.
    pub(crate) time_ms: i64,
}

impl BadKind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Truncated,
        Self::NotJson,
        Self::NotUtf8,
        Self::Empty,
        Self::List,
        Self::DeeplyNested,
        Self::MissingField,
        Self::DuplicateField,
        Self::AmountAsText,
        Self::AmountWithFraction,
        Self::AmountTooLow,
        Self::AmountNull,
        Self::UnknownName,
        Self::HugeText,
        Self::WrongForm,
        Self::Seconds,
        Self::NegativeTime,
        Self::FarFuture,
    ];

    /// Spoils the good record in `payload`; `draw` is a random number.
    pub(crate) fn spoil(self, sample: &Sample, draw: u64, payload: &mut Vec<u8>) {
        let Sample { amount_field, amount, time_field, time_ms, .. } = *sample;
        let money = format!("\"{amount_field}\":{amount}");
        let replace_money = |payload: &mut Vec<u8>, new: String| replace(payload, &money, &new);
        match self {
            Self::Truncated => {
                let cut = 1 + draw % (payload.len() as u64 - 1);
                payload.truncate(cut as usize);
            }
            Self::NotJson => set(payload, sample.words.as_bytes()),
            Self::NotUtf8 => {
                let place = payload.len() / 2;
                payload[place] = 0xff;
            }
            Self::Empty => payload.clear(),
            Self::List => set(payload, b"[1, 2, 3]"),
            Self::DeeplyNested => {
                payload.pop();
                payload.extend_from_slice(b",\"note\":");
                payload.extend(std::iter::repeat_n(b'[', 1_000));
                payload.extend(std::iter::repeat_n(b']', 1_000));
                payload.push(b'}');
            }
            Self::MissingField => {
                replace_money(payload, format!("\"{}\":{amount}", sample.amount_field_misnamed));
            }
            Self::DuplicateField => replace_money(payload, format!("\"{amount_field}\":1,{money}")),
            Self::AmountAsText => {
                replace_money(payload, format!("\"{amount_field}\":\"{amount}\""))
            }
            Self::AmountWithFraction => replace_money(payload, format!("{money}.5")),
            Self::AmountTooLow => {
                replace_money(payload, format!("\"{amount_field}\":{}", sample.amount_too_low));
            }
            Self::AmountNull => replace_money(payload, format!("\"{amount_field}\":null")),
            Self::UnknownName => replace(payload, sample.known_name, sample.unknown_name),
            Self::HugeText => {
                let start = format!("\"{}\":\"", sample.text_field);
                replace(payload, &start, &format!("{start}{}", "o".repeat(10_000)));
            }
            Self::WrongForm => replace(payload, &sample.formed, sample.unformed),
            Self::Seconds | Self::NegativeTime | Self::FarFuture => {
                let time = match self {
                    Self::Seconds => time_ms / 1000,
                    Self::NegativeTime => -time_ms,
                    _ => 253_402_300_800_000 + time_ms,
                };
                let old = format!("\"{time_field}\":{time_ms}");
                replace(payload, &old, &format!("\"{time_field}\":{time}"));
            }
        }
    }
}

fn set(payload: &mut Vec<u8>, text: &[u8]) {
    payload.clear();
    payload.extend_from_slice(text);
}

/// Replaces the first place of `old`; every record that we write has one.
fn replace(payload: &mut Vec<u8>, old: &str, new: &str) {
    let place = payload
        .windows(old.len())
        .position(|window| window == old.as_bytes())
        .expect("our own records hold all their fields");
    payload.splice(place..place + old.len(), new.bytes());
}
