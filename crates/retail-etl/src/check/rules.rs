//! The rules that a row must keep, as data. A row that breaks several is counted under the first of
//! [`ALL`] that it breaks.
//!
//! To add one: name it here, and return a [`Broken`] of it where rows are decoded (`extract/decode.rs`): what
//! a row says of its invoice and what it says beside that are looked at apart, each in the order of [`ALL`].

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name in the reject file and in counts.
    pub name: &'static str,
    /// The column that it is about; empty if it is about the whole row.
    pub column: &'static str,
    /// What a row must be like.
    pub meaning: &'static str,
}

/// Quotes must be balanced.
pub static QUOTES: Rule = Rule {
    name: "quotes",
    column: "",
    meaning: "a field that begins with a quote ends with one, before a comma or the line's end",
};
/// Text must be UTF-8, where it is.
pub static ENCODING: Rule =
    Rule { name: "encoding", column: "", meaning: "the row is valid UTF-8, if the file is UTF-8" };
/// Text that databases take.
pub static NUL: Rule =
    Rule { name: "nul", column: "", meaning: "the row holds no NUL character (a byte that is 0)" };
/// No ragged lines.
pub static FIELDS: Rule =
    Rule { name: "fields", column: "", meaning: "the row has as many fields as the header" };
/// An invoice has a number.
pub static INVOICE_NUMBER: Rule =
    Rule { name: "invoice-number", column: "InvoiceNo", meaning: "the invoice has a number" };
/// A product has a code.
pub static STOCK_CODE: Rule =
    Rule { name: "stock-code", column: "StockCode", meaning: "the product has a code" };
/// Quantities are whole numbers.
pub static QUANTITY: Rule = Rule {
    name: "quantity",
    column: "Quantity",
    meaning: "a whole number, as 6, -6 or 6.0, of at most 9 digits",
};
/// Dates exist.
pub static DATE: Rule = Rule {
    name: "date",
    column: "InvoiceDate",
    meaning: "a date and time that exist, in one of the declared formats",
};
/// Prices are exact.
pub static PRICE: Rule = Rule {
    name: "price",
    column: "UnitPrice",
    meaning: "a decimal number, as 2.55 or -11062.06, of at most 14 digits before and 4 after the \
              point",
};
/// Customers are numbers.
pub static CUSTOMER: Rule = Rule {
    name: "customer",
    column: "CustomerID",
    meaning: "empty, or a whole number, as 17850 or 17850.0, of at most 18 digits",
};

/// All rules, in the order they are told.
pub static ALL: [&Rule; 10] = [
    &QUOTES,
    &ENCODING,
    &NUL,
    &FIELDS,
    &INVOICE_NUMBER,
    &STOCK_CODE,
    &QUANTITY,
    &DATE,
    &PRICE,
    &CUSTOMER,
];

/// A rule that a row breaks, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which one.
    pub rule: &'static Rule,
    /// What was found, for a person.
    pub reason: String,
}

impl Rule {
    /// This rule, broken.
    pub(crate) fn broken(&'static self, reason: impl Into<String>) -> Broken {
        Broken { rule: self, reason: reason.into() }
    }
}

impl Broken {
    /// The one whose rule comes first in [`ALL`].
    pub(crate) fn first(one: Self, other: Self) -> Self {
        let place = |broken: &Self| ALL.iter().position(|rule| *rule == broken.rule);
        if place(&other) < place(&one) { other } else { one }
    }
}
