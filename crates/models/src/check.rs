//! What makes a field believable, the same for all kinds of records.

use std::ops::RangeInclusive;

use crate::Invalid;

/// Customers are counted from one.
pub(crate) fn customer_id(found: i64) -> Result<(), Invalid> {
    if found < 1 { Err(Invalid::CustomerId { found }) } else { Ok(()) }
}

/// A text of 1 to `limit` bytes in one line.
pub(crate) fn text(field: &'static str, found: &str, limit: usize) -> Result<(), Invalid> {
    if found.is_empty() {
        return Err(Invalid::TextEmpty { field });
    }
    if found.len() > limit {
        return Err(Invalid::TextTooLong { field, bytes: found.len(), limit });
    }
    // PostgreSQL cannot hold a NUL in a text, and no name has a line end.
    if found.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(Invalid::TextControl { field });
    }
    Ok(())
}

/// An amount of money.
pub(crate) fn rupiah(
    field: &'static str,
    found: i64,
    believed: RangeInclusive<i64>,
) -> Result<(), Invalid> {
    if believed.contains(&found) {
        return Ok(());
    }
    Err(Invalid::Rupiah { field, least: *believed.start(), most: *believed.end(), found })
}
