//! Numbers, read from their digits: exact, without floating point.

use arus_models::PRICE_SCALE;

/// Digits that fit into an `i64` whatever they are.
const MAX_DIGITS: usize = 18;
/// Digits of a price before its point; with those after it they fill `Decimal128(18, 4)`.
const MAX_PRICE_DIGITS: usize = 14;
/// One pound in units of the price's last digit.
const PRICE_UNIT: i64 = 10_i64.pow(PRICE_SCALE as u32);

/// Reads `6`, `-6`, `6.0`: whole numbers, as integer columns and as exports of floating-point
/// columns write them.
pub(crate) fn whole(text: &[u8]) -> Result<i64, &'static str> {
    let (negative, digits) = sign(text);
    let (whole, fraction) = split(digits);
    if fraction.is_some_and(|fraction| fraction.is_empty() || fraction.iter().any(|&b| b != b'0')) {
        return Err("is not a whole number");
    }
    let value = digits_of(whole, MAX_DIGITS)?;
    Ok(if negative { -value } else { value })
}

/// Reads `2.55`, `-11062.06`, `3`: a price in units of its last digit (1/10000 pound).
pub(crate) fn price(text: &[u8]) -> Result<i64, &'static str> {
    let (negative, digits) = sign(text);
    let (whole, fraction) = split(digits);
    let pounds = digits_of(whole, MAX_PRICE_DIGITS)?;
    let mut value = pounds * PRICE_UNIT;
    if let Some(mut fraction) = fraction {
        while fraction.len() > PRICE_SCALE as usize && fraction.ends_with(b"0") {
            fraction = &fraction[..fraction.len() - 1];
        }
        if fraction.len() > PRICE_SCALE as usize && fraction.iter().all(u8::is_ascii_digit) {
            return Err("has more than 4 digits after the point");
        }
        let missing = PRICE_SCALE as u32 - fraction.len().min(PRICE_SCALE as usize) as u32;
        value += digits_of(fraction, PRICE_SCALE as usize)? * 10_i64.pow(missing);
    }
    Ok(if negative { -value } else { value })
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}

/// What stands before the point and after it.
fn split(digits: &[u8]) -> (&[u8], Option<&[u8]>) {
    match digits.iter().position(|&byte| byte == b'.') {
        Some(point) => (&digits[..point], Some(&digits[point + 1..])),
        None => (digits, None),
    }
}

/// One to `most` digits and nothing else.
fn digits_of(text: &[u8], most: usize) -> Result<i64, &'static str> {
    if text.is_empty() {
        return Err("is not a number");
    }
    let mut value = 0_i64;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err("is not a number");
        }
        // Too many digits are told below, after letters among them.
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
    }
    if text.len() > most { Err("has too many digits") } else { Ok(value) }
}

#[cfg(test)]
mod tests;
